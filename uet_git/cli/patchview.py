"""Shows one entry with its diff to a person: escaped, coloured where wanted, hunks read by unidiff."""

import re
import sys
from typing import Any

from uet_git.cli import views
from uet_git.cli.render import Output, command
from uet_git.model import display, treechange
from uet_git.model.entry import StoredPatch
from uet_git.model.pattern import late
from uet_git.project import Project

SHOWN_BYTES = 1024 * 1024
LINES = 400
WIDEST = 10_000
_TELLING = (
    "old mode ",
    "new mode ",
    "new file mode ",
    "deleted file mode ",
    "rename ",
    "copy ",
    "Binary ",
    "GIT b",
)
_SLOW = late(rb"^Binary files [^\n]{1000}", re.MULTILINE)  # unidiff: seconds for such a line


def raw(out: Output, content: bytes) -> None:
    """The patch byte for byte on stdout, as it is asked for by name, to be piped; on a terminal it is shown."""
    if sys.stdout.isatty():
        for text in content.removesuffix(b"\n").split(b"\n"):
            out.text(display.shown(text, WIDEST))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def entry(out: Output, project: Project, document: dict[str, Any], stored: StoredPatch) -> None:
    """One entry for people."""
    label = f"{document['number']}.{document['revision']}"
    out.text(f"change {label}  {out.state(document['state'])}  {display.line(document['title'])}")
    for name, value in _facts(document):
        out.text(f"  {name:10} {display.line(str(value))}")
    for finding in document["findings"]:
        place = f" {display.name(finding['path'])}" if finding["path"] else ""
        at = f" (line {finding['line']} of the patch)" if finding["line"] else ""
        out.text(f"  {finding['code']}:{place}{at}")
        for text in (finding["detail"] or views.sentence(finding["code"])).splitlines():
            out.text(f"      {display.line(text)}")
    for gate in document["gates"]:
        seconds = "" if gate["seconds"] is None else f" ({gate['seconds']:.1f} s)"
        out.text(
            f"  gate {display.line(gate['name'])}: {out.state(gate['state'])}{seconds}"
            f" {display.line(gate['detail'] or '')}"
        )
        if gate["state"] in ("failed", "timeout", "error") and gate["output"]:
            _tail(out, gate["output"])
    out.text("history:")
    for event in project.ledger.events_of(entry=document["id"]):
        if event.kind != "step_finished":
            out.text("  " + views.event_line(event, ""))
    if stored.content is not None and treechange.is_listing(stored.content):
        listed = treechange.read(stored.content)
        argv = ("git", "diff", listed.base, listed.tree)
        out.text(f"staged: {len(listed.changes)} files; {command(argv)}")
    elif "patch.content" in document["unknown"]:
        out.text("patch: its content was lost with the database")
    else:
        diff(out, "patch:", stored.content, "uet-git show --patch prints it as it came")
    if document["repaired"] is not None:
        _repaired(out, project, document["id"])
    for argv in document["next"]:
        if argv[:2] == ["uet-git", "show"]:
            continue  # that is what was just done
        out.text(f"  next: {command(argv)}")


def _facts(document: dict[str, Any]) -> list[tuple[str, Any]]:
    names = (
        "id",
        "author",
        "submitter",
        "target",
        "priority",
        "reason",
        "detail",
        "commit",
        "tree",
        "issue",
        "series",
    )
    found = [(n, document[n]) for n in names if document[n] not in (None, "")]
    if document["reason"] and not document["detail"]:
        at = [n for n, _ in found].index("reason") + 1
        found.insert(at, ("detail", views.sentence(document["reason"])))
    if document["waiting_for"]:
        found.append(("waits for", ", ".join(map(str, document["waiting_for"]))))
    if "patch.files" not in document["unknown"]:
        found.append(("size", views.size(document)))
    if document["unknown"]:
        found.append(("unknown", f"since a rebuild: {', '.join(document['unknown'])}"))
    if document["rung"]:
        found.append(
            (
                "composed",
                f"{document['rung']}, {document['proved']} files proved, attempt {document['attempts']}",
            )
        )
    return found


def _tail(out: Output, path: str, lines: int = 15) -> None:
    """The end of a gate's output, and where the rest is."""
    try:
        with open(path, "rb") as file:
            kept = file.read()[-8192:].splitlines()[-lines:]
    except OSError:
        return
    for text in kept:
        out.text(f"      | {display.line(text)}")
    out.text(f"      (all of it: {display.line(path)})")


def _repaired(out: Output, project: Project, entry_id: str) -> None:
    """What a malformed patch is taken to say, and what was changed about it for that."""
    repair = project.ledger.repair_of(entry_id)
    if repair is None:
        return
    out.text("repaired, as a person may take it:")
    for words in repair.repairs:
        out.text(f"  - {display.line(words)}")
    for path, line, named in repair.places:
        if named and named != line:
            out.text(f"  - {display.name(path)}: a hunk for line {named} stands at line {line}")
    diff(out, "repaired patch:", repair.content, "uet-git show --json holds it")


def diff(out: Output, title: str, content: bytes | None, whole: str) -> None:
    """A patch under its title; `whole` says where to find it if it is too long."""
    if content is None:
        out.text(f"{title} its content was redacted")
        return
    out.text(title)
    if len(content) > SHOWN_BYTES:
        out.text(f"  {len(content)} bytes, too long to show; {whole}")
        return
    lines = coloured(content)
    ends = line_end(lines)
    for text, colour in lines[:LINES]:
        out.text("  " + out.paint(display.shown(text.rstrip(ends), 300), colour))
    if len(lines) > LINES:
        out.text(f"  ... {len(lines) - LINES} more lines")


def line_end(lines: list[tuple[str, str]]) -> str:
    """What ends lines so that it need not be shown: a carriage return is, where only some lines have it."""
    bodies = [t.removesuffix("\n") for t, _ in lines if t[:1] in ("+", "-", " ")]
    return "\r\n" if all(t.endswith("\r") for t in bodies) else "\n"


def counts(line: str) -> tuple[str, int, int] | None:
    """Path, added and removed lines of a line that `coloured` put before a file; None for any other."""
    found = re.fullmatch(r"(.*)  \+(\d+) -(\d+)", line, re.DOTALL)
    return None if found is None else (found[1], int(found[2]), int(found[3]))


def coloured(content: bytes) -> list[tuple[str, str]]:
    """A patch's lines with their colour. unidiff tells hunks from text; what it cannot read is shown as it is."""
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    text = content.decode("utf-8", "surrogateescape")
    if _SLOW.search(content):
        return [(line, "0") for line in text.split("\n")]
    try:
        patch = PatchSet(text)
    except (UnidiffParseError, ValueError, IndexError):
        return [(line, "0") for line in text.split("\n")]
    found: list[tuple[str, str]] = []
    for file in patch:
        found.append((f"{file.path}  +{file.added} -{file.removed}", "1"))
        found += [(line, "0") for line in file.patch_info or () if line.startswith(_TELLING)]
        for hunk in file:
            found.append((str(hunk).split("\n", 1)[0], "36"))
            found += [
                (f"{line.line_type}{line.value}", {"+": "32", "-": "31"}.get(line.line_type, "0"))
                for line in hunk
            ]
    return found or [(line, "0") for line in text.split("\n")]
