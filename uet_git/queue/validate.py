"""validate: judges a patch by its strict parse, before the tip is even looked at (DESIGN 7)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from uet_git.model import globs, paths
from uet_git.model.named import NamedTuple
from uet_git.model.reasons import REASONS, Gravity, gravest
from uet_git.model.records import Finding, Mail, Patch
from uet_git.model.settings import Limits, Settings

if TYPE_CHECKING:
    from uet_git.project import Project

_NO_PATCH = Patch(())


class Judgement(NamedTuple):
    """A mail, its patch, and every finding of the first judge.

    `first_line` is the line of the submitted bytes that the diff begins with; findings count from there.
    """

    mail: Mail
    patch: Patch
    findings: tuple[Finding, ...]
    first_line: int = 1

    @property
    def reason(self) -> str | None:
        """The gravest finding's code; None if nothing is in the way."""
        return blocking(self.findings)

    @property
    def flags(self) -> dict[str, int]:
        """`format_ok`, `scope_ok`, `constraints_ok` as 0 or 1: which kind of rule was broken."""
        return flags(self.findings)


def judge(piece: bytes, limits: Limits, hex_length: int, scope: Sequence[str] = ()) -> Judgement:
    """Reads and judges one mail or diff; never raises on any bytes."""
    if len(piece) > limits.patch_bytes:
        finding = Finding("size.patch", f"{len(piece)} bytes, the limit is {limits.patch_bytes}")
        return Judgement(Mail(None, None, b"", b"", b"", 0, 0, False, None), _NO_PATCH, (finding,))
    # Who gets judgements from the other core needs neither.
    from uet_git.model import mail, patchfile

    read = mail.read(piece)
    if read.refused is not None:
        return Judgement(read, _NO_PATCH, (read.refused,))
    first_line = _first_line(piece, read.diff)
    patch = patchfile.read(read.diff, limits, hex_length=hex_length, first_line=first_line)
    findings = [*patch.findings]
    if patch.changes:
        findings += paths.judge_patch(patch, limits)
        findings += _judged_scope(patch, scope)
    return Judgement(read, patch, tuple(findings), first_line)


def _first_line(piece: bytes, diff: bytes) -> int:
    """The line of a mail that its diff begins with; 1 where the mail has it encoded, so no line is the same."""
    return piece.count(b"\n", 0, len(piece) - len(diff)) + 1 if piece.endswith(diff) else 1


def _judged_scope(patch: Patch, scope: Sequence[str]) -> list[Finding]:
    if not scope:
        return []
    inside = tuple(scope)
    return [
        Finding("policy.out_of_scope", f"the scope is {', '.join(inside)}", path)
        for path in patch.paths
        if not globs.any_match(inside, [path])
    ]


def has_rules(project: "Project", settings: Settings) -> bool:
    """Whether a layer that holds for every patch has a rule; known without loading the rules' code."""
    return settings.has_rules or project.user_policy is not None


def has_own_rules(origin: Mapping[str, Any] | None, scope: Mapping[str, Any] | None) -> bool:
    """Whether a submission brings a policy, or a scope that is more than a list of paths to touch."""
    own = bool(origin) and "policy" in (origin or {})
    return own or bool(scope and (scope.get("create") or scope.get("forbidden")))


def patterns_of(scope: Mapping[str, Any] | None) -> list[str]:
    """The patterns of all paths that a scope lets a patch touch; empty for any."""
    return [*scope.get("write", ()), *scope.get("create", ())] if scope else []


def blocking(findings: Sequence[Finding]) -> str | None:
    """The gravest code that stops an entry; None if all are notes."""
    code = gravest(f.code for f in findings)
    return None if code is None or REASONS[code].gravity == Gravity.NOTE else code


def flags(findings: Sequence[Finding]) -> dict[str, int]:
    """The three stored flags (format, scope, constraints)."""
    classes = {
        f.code.split(".", 1)[0] for f in findings if REASONS[f.code].gravity > Gravity.APPLY_FAILED
    }
    scope_broken = "path" in classes or any(f.code == "policy.out_of_scope" for f in findings)
    return {
        "format_ok": int(not classes & {"parse", "size"}),
        "scope_ok": int(not scope_broken),
        "constraints_ok": int(not classes & {"mode", "content", "policy", "queue"}),
    }


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as the ledger keeps them; paths as text, undecodable bytes backslash-escaped."""
    return [
        {
            "code": f.code,
            "detail": f.detail,
            "path": None if f.path is None else f.path.decode("utf-8", "backslashreplace"),
            "line": f.line,
        }
        for f in findings
    ]
