"""collect: reads the patches of one call, puts them in series order, and knows those that were handed in before."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from uet_git.ledger.entries import identity_of
from uet_git.model import mbox, series
from uet_git.model.entry import Entry
from uet_git.model.records import Finding
from uet_git.model.settings import Settings
from uet_git.plumbing import refs
from uet_git.project import Project
from uet_git.queue import readahead, validate
from uet_git.queue.options import Options, Source
from uet_git.queue.validate import Judgement

if TYPE_CHECKING:
    from uet_git.model.repair import Repaired

BY_PERSON: Final = ("queue.dropped_by_person", "queue.redacted")
_GIT_MBOX: Final = b" Mon Sep 17 00:00:00 2001\n"


class Part:
    """One mail or diff of the call on its way into the ledger."""

    def __init__(
        self, source: Source, file: int, piece: bytes, exact: bool, judged: Judgement, sha256: str
    ) -> None:
        self.source = source
        self.file = file
        self.piece = piece
        self.exact = exact
        self.judged = judged
        self.sha256 = sha256
        self.identity = ""
        self.known: Entry | None = None
        self.names_old: Entry | None = None
        self.offer: Repaired | None = None

    @property
    def waived(self) -> tuple[str, ...]:
        """Codes of findings that a rollback waives; none for any other patch."""
        if self.source.reverts is None:
            return ()
        from uet_git.queue.invert import waivable

        return tuple(dict.fromkeys((*waivable(self.judged.findings), *self.source.reverts.waived)))

    @property
    def standing(self) -> list[Finding]:
        """The findings that are not waived."""
        waived = self.waived
        return [f for f in self.judged.findings if f.code not in waived]


def collect(
    project: Project, sources: Sequence[Source], options: Options
) -> tuple[list[Part], str | None]:
    """Every patch of `sources`, judged, in series order, and the message of the cover letter, if there is one."""
    parts, cover = _read(project, sources, options)
    return _arranged(parts, options), cover


def _read(
    project: Project, sources: Sequence[Source], options: Options
) -> tuple[list[Part], str | None]:
    settings = project.settings_at(project.tip(options.target))
    limits, scope = settings.limits, validate.patterns_of(options.whole_scope)
    width, deflater = project.git.hex_length, project.objects.deflater
    policy = _policy(project, settings, options)
    parts: list[Part] = []
    cover: str | None = None
    pieces = [
        (n, p) for n, s in enumerate(sources) for p in (mbox.split(s.data) if s.data else [b""])
    ]
    exact = [s.data.startswith(b"From ") and _GIT_MBOX in s.data[:100] for s in sources]
    every = readahead.judged([p for _, p in pieces], limits, width, scope)
    for (number, piece), (sha256, judged) in zip(pieces, every, strict=True):
        if policy is not None and judged.patch.changes:
            judged = policy(judged)
        if judged.mail.is_cover and not judged.patch.changes and cover is None:
            cover = judged.mail.message.decode("utf-8", "backslashreplace")
            continue
        reverts = sources[number].reverts
        if reverts is not None and reverts.findings:
            judged = judged._replace(findings=(*reverts.findings, *judged.findings))
        deflater.add(sha256, piece)
        parts.append(Part(sources[number], number, piece, exact[number], judged, sha256))
    if not parts:
        judged = validate.judge(b"", limits, width)
        sha256 = hashlib.sha256(sources[0].data).hexdigest()
        parts.append(Part(sources[0], 0, sources[0].data, False, judged, sha256))
    return parts, cover


def _policy(
    project: Project, settings: Settings, options: Options
) -> Callable[[Judgement], Judgement] | None:
    """What adds the policy's findings to a judgement; None without a rule. Raises: LooserThanBase, UsageError."""
    own = validate.has_own_rules(options.origin, options.whole_scope)
    if not own and not validate.has_rules(project, settings):
        return None
    from uet_git.queue import judge

    bench = judge.Judge(project, settings)
    rules = bench.effective(options.given(b""), strict=True).policy

    def judged(found: Judgement) -> Judgement:
        more = bench.at_intake(found.patch, options.given(found.mail.message), rules)
        return found._replace(findings=(*found.findings, *more))

    return judged


def _arranged(parts: list[Part], options: Options) -> list[Part]:
    """Series order; a series that is not complete is refused whole."""
    if options.independent or len(parts) < 2:
        return parts
    where, wrong = series.arrange(
        [series.Part(p.file, p.judged.mail, p.judged.patch, p.exact) for p in parts]
    )
    parts = [parts[i] for i in where]
    if wrong is not None:
        for part in parts:
            part.judged = part.judged._replace(findings=(wrong, *part.judged.findings))
    return parts


def identify(project: Project, parts: Sequence[Part], options: Options) -> None:
    """Finds what was handed in before, if there is a ledger. Asks git, so it runs before the write transaction."""
    overrides: dict[str, Any] = {
        "message": options.message,
        "author": options.author,
        "sign_off": options.sign_off,
    }
    target_tip = project.tip(options.target)
    for part in parts:
        reverts = part.source.reverts
        own = {} if reverts is None else {"rolls_back": list(reverts.originals)}
        part.identity = identity_of(part.sha256, options.target, overrides | own)
    fresh = [p for p in parts if p.source.reverts is None]
    if not fresh or not project.has_ledger():
        return
    met = project.ledger.entries.by_identities([p.identity for p in fresh])
    for part in fresh if met else ():
        for entry in met.get(part.identity, ()):
            if entry.state in ("dropped", "rolled_back") or (
                entry.state == "committed" and not _reachable(project, entry, target_tip)
            ):
                part.names_old = part.names_old or entry
            else:
                part.known = entry
                break


def offer_repairs(project: Project, parts: Sequence[Part], options: Options) -> None:
    """Looks for a repaired reading of each refused diff. Reads files, so it runs before the transaction."""
    refused = [p for p in parts if p.known is None and not p.judged.patch.changes]
    if not refused:
        return
    from uet_git.queue import repaired

    tip = project.tip(options.target)
    limits, tree = project.settings_at(tip).limits, project.tip_tree(tip)
    for part in refused:
        part.judged, part.offer = repaired.at_intake(project, part.judged, tree, limits)


def _reachable(project: Project, entry: Entry, tip: str | None) -> bool:
    return (
        tip is not None
        and entry.commit_id is not None
        and refs.is_ancestor(project.git, entry.commit_id, tip)
    )
