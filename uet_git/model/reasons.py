"""Every reason code: its class, one sentence, whether a person may waive it, and the next command (DESIGN 5, 7).

The class decides the state that a finding leads to; an entry's `reason` is its gravest finding.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from uet_git.model.named import NamedTuple


class Gravity(IntEnum):
    """What a finding does to its entry; a greater number is graver."""

    NOTE = 0
    APPLY_FAILED = 1
    QUARANTINED = 2
    DROPPED = 3


class Reason(NamedTuple):
    """One reason code. `next` is argv; `{n}` stands for the entry's number."""

    code: str
    gravity: Gravity
    sentence: str
    waivable: bool = False
    next: tuple[str, ...] = ("uet-git", "show", "{n}")


_D, _Q, _A, _N = Gravity.DROPPED, Gravity.QUARANTINED, Gravity.APPLY_FAILED, Gravity.NOTE
_RETRY: Final = ("uet-git", "retry", "{n}")

_ALL: Final[tuple[Reason, ...]] = (
    Reason("parse.empty", _D, "The input holds no patch."),
    Reason("parse.git", _D, "The patch is not one that git would read."),
    Reason("parse.hunk_header", _D, "A hunk header is malformed or its numbers are out of range."),
    Reason("parse.hunk_body", _D, "A hunk's lines do not agree with its header."),
    Reason("parse.truncated", _D, "The input ends inside a hunk."),
    Reason("parse.header", _D, "A file header is malformed or contradicts itself."),
    Reason("parse.path", _D, "A path in a header cannot be read."),
    Reason("parse.binary", _D, "A binary hunk is damaged."),
    Reason("parse.binary_without_data", _D, "A binary file is named, but its data is missing."),
    Reason("parse.garbage_between", _D, "There is other text between two diffs."),
    Reason("parse.duplicate_path", _D, "One path is changed twice."),
    Reason("parse.mail", _D, "The mail around the patch cannot be read."),
    Reason("parse.mail_date", _D, "The mail's date cannot be read."),
    Reason("parse.mail_author", _D, "The mail's author cannot be read."),
    Reason("parse.charset", _D, "The mail's character set is unknown or its text does not fit it."),
    Reason("parse.no_message", _D, "The mail has neither a subject nor a body for the commit message."),
    Reason("parse.merge_in_range", _D, "The commit range contains a merge."),
    Reason("parse.series", _D, "The series is not complete: parts are missing or doubled."),
    Reason("parse.repairable", _Q, "The diff is malformed but readable; a repaired reading can be offered."),
    Reason("path.traversal", _D, "A path leads out of the repository."),
    Reason("path.absolute", _D, "A path is absolute."),
    Reason("path.dotgit", _D, "A path names .git in some spelling."),
    Reason("path.ledger", _D, "A path names the ledger."),
    Reason("path.gitmodules", _D, "A change to .gitmodules is hostile or of the wrong type."),
    Reason("path.control_char", _D, "A path contains control characters."),
    Reason("path.empty", _D, "A path or a part of it is empty."),
    Reason("path.too_long", _D, "A path is too long or too deep."),
    Reason("path.through_symlink", _D, "A path leads through a symbolic link."),
    Reason("path.encoding", _Q, "A new path is not UTF-8.", True),
    Reason("path.casefold_collision", _Q, "A path differs from another only in case or normal form.", True),
    Reason("path.windows_unsafe", _Q, "Other systems cannot hold this path.", True),
    Reason("mode.unknown", _D, "A file mode is none that git knows."),
    Reason("mode.symlink_escape", _D, "A symbolic link points out of the repository."),
    Reason("mode.symlink", _Q, "A symbolic link is added or changed.", True),
    Reason("mode.gitlink", _Q, "A submodule link is added or changed.", True),
    Reason("mode.type_change", _Q, "A file changes its type.", True),
    Reason("content.nul", _D, "A text hunk contains NUL bytes."),
    Reason("content.secret", _Q, "The patch adds what looks like a secret.", True),
    Reason("content.bidi", _Q, "The patch adds characters that turn the direction of text.", True),
    Reason("content.invisible", _Q, "The patch adds characters that cannot be seen.", True),
    Reason("content.mismatch", _Q, "What would change is not what the patch names."),
    Reason("size.patch", _D, "The patch is larger than the limit."),
    Reason("size.line", _D, "A line is longer than the limit."),
    Reason("size.files", _D, "The patch changes more files than the limit."),
    Reason("size.hunks", _D, "The patch has more hunks than the limit."),
    Reason("size.inflated", _D, "The patch inflates to more than the limit."),
    Reason("size.work", _D, "Placing the patch needs more work than the limit."),
    Reason("apply.conflict", _A, "A hunk does not fit the target.", next=_RETRY),
    Reason("apply.no_such_file", _A, "A file that the patch changes is not in the target.", next=_RETRY),
    Reason("apply.exists", _A, "A file that the patch creates is already in the target.", next=_RETRY),
    Reason("apply.wrong_mode", _A, "A file has another mode or type than the patch expects.", next=_RETRY),
    Reason("apply.preimage", _A, "A binary file is not the one that the patch was made from.", next=_RETRY),
    Reason("apply.postimage", _A, "A file's result is not the one that the patch names.", next=_RETRY),
    Reason("apply.delete_leftover", _A, "A deleted file would leave content behind.", next=_RETRY),
    Reason("apply.already_applied", _A, "The target already contains this change.", next=_RETRY),
    Reason("apply.attempts", _Q, "The patch did not apply in three attempts.", next=_RETRY),
    Reason("apply.changed_since", _Q, "A later change stands where it would be rolled back.", next=_RETRY),
    Reason("apply.threeway", _Q, "The patch applies only by a three-way merge.", next=_RETRY),
    Reason("policy.out_of_scope", _Q, "The patch touches files outside its scope.", True),
    Reason("policy.protected_path", _Q, "A path is protected: a person must look at its change.", True),
    Reason("policy.forbidden_path", _Q, "A path is one that no patch may touch."),
    Reason("policy.max_files", _Q, "The patch changes more files than the policy allows.", True),
    Reason("policy.max_lines", _Q, "The patch changes more lines than the policy allows.", True),
    Reason("policy.binary", _Q, "The patch changes a binary file.", True),
    Reason("policy.tests_required", _Q, "Code changes and no test does.", True),
    Reason("policy.issue_required", _Q, "The patch names no issue.", True),
    Reason("policy.message", _Q, "The patch has no commit message that says what it does.", True),
    Reason("policy.reviewers", _Q, "Fewer people have approved the patch than the policy asks for.", True),
    Reason("policy.judge_edited", _Q, "A test is deleted, emptied, skipped or checks less than before.", True),
    Reason("policy.gate_input", _Q, "What decides how gates judge is changed.", True),
    Reason("policy.tests_edited", _Q, "Tests that were there change together with the code.", True),
    Reason("policy.lockfile", _Q, "A lock file of dependencies is changed.", True),
    Reason("policy.oscillation", _Q, "Recent patches turn the same lines back and forth.", True),
    Reason("policy.refused", _D, "The policy refuses such a change."),
    Reason("policy.noted", _N, "The policy wants it recorded."),
    Reason("gate.failed", _Q, "A required gate failed on exactly the tree that would land.", next=_RETRY),
    Reason("gate.timeout", _Q, "A required gate did not end in time.", next=_RETRY),
    Reason("gate.flaky", _Q, "A gate failed and then passed on the same tree.", next=_RETRY),
    Reason("gate.error", _N, "A gate could not run.", next=("uet-git", "resume")),
    Reason("gate.untrusted", _N, "The target's gates are not accepted on this machine.", next=("uet-git", "trust")),
    Reason("gate.tampered", _N, "The repository was changed while its gates ran.", next=("uet-git", "fsck")),
    Reason("gate.base_broken", _N, "The target itself fails the gate.", next=("uet-git", "resume")),
    Reason("queue.bytes_lost", _D, "Its bytes were lost with the database; hand it in again."),
    Reason("queue.superseded", _D, "A newer revision took its place."),
    Reason("queue.left_out", _D, "The new version of its series does not have it."),
    Reason("queue.dropped_by_person", _D, "Dropped on request."),
    Reason("queue.dropped_before", _Q, "A person dropped this change before.", True),
    Reason("queue.rest_of_pick", _Q, "Other hunks were picked out of the change; this is the rest of it.", True),
    Reason("queue.quarantined_before", _Q, "It has lines of a change that is quarantined.", True),
    Reason("queue.dependency_dropped", _Q, "A change that it depends on was dropped."),
    Reason("queue.series_incomplete", _Q, "An all-or-nothing series has a member that cannot land."),
    Reason("queue.behind_upstream", _N, "The target is behind its upstream.", next=("git", "pull", "--ff-only")),
    Reason("queue.worktree_dirty", _N, "A file that would change has local changes.", next=("git", "status")),
    Reason("queue.worktree_busy", _N, "The target is in the middle of a merge, rebase or similar.", next=("git", "status")),
    Reason("queue.waiting", _N, "It waits for an earlier change.", next=("uet-git", "status")),
    Reason("queue.tip_moved", _N, "The target moved; it will be composed afresh.", next=("uet-git", "apply")),
    Reason("queue.recovered", _N, "A landing was cut short; it will be done again.", next=("uet-git", "apply")),
    Reason("queue.paused", _N, "The queue is paused.", next=("uet-git", "resume")),
    Reason("queue.redacted", _D, "Its content was redacted."),
    Reason("queue.abandoned", _D, "It was staged for a commit, and no commit came of it."),
    Reason("queue.unverified", _D, "Its commit was made without a passed verdict.", next=("uet-git", "audit")),
    Reason("queue.index_moved", _D, "The index changed while its gates ran.", next=("git", "commit")),
    Reason("queue.already_in_target", _D, "The target already has this member of the series."),
)  # fmt: skip
REASONS: Final[dict[str, Reason]] = {r.code: r for r in _ALL}


def gravest(codes: Iterable[str]) -> str | None:
    """Returns the code with the greatest gravity, the first of equals; None if there is none."""
    best: str | None = None
    for code in codes:
        if best is None or REASONS[code].gravity > REASONS[best].gravity:
            best = code
    return best


def next_command(code: str | None, number: int) -> list[str]:
    """Returns the argv that helps with an entry whose reason is `code`; empty if nothing is to be done."""
    if code is None:
        return []
    return [part.replace("{n}", str(number)) for part in REASONS[code].next]
