"""What `review` shows of one item: why it waits, what stands behind that, what it would change (DESIGN 12).

Everything foreign in the lines is escaped.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from uet_git.cli import patchview, reviewwhy, views
from uet_git.cli.reviewlines import BOLD, CYAN, DIM, GREEN, PLAIN, RED, YELLOW, Line, folded
from uet_git.model import display, mail, treechange
from uet_git.model.attention import Item
from uet_git.model.entry import PRIORITIES, Entry
from uet_git.project import Project

_FINDINGS: Final = 20
_MESSAGE: Final = 12  # lines
_FILES: Final = 40
_LONGEST: Final = 2_000  # characters of a patch's line
_BAR: Final = 30


def lines(project: Project, item: Item, width: int) -> list[Line]:
    """All of an item."""
    found: list[Line] = []
    many = len(item.entries) > 1
    for entry in item.entries:
        if many:
            title = f"change {entry.label}: {display.line(entry.title, 200)}"
            found += [Line(), Line(title, BOLD)] if found else [Line(title, BOLD)]
        found += _entry(project, entry, width)
    if item.lead.series_id is not None:
        found += _rest_of_series(project, item)
    return [part for line in found for part in folded(line, width)]


def _entry(project: Project, entry: Entry, width: int) -> Iterator[Line]:
    yield Line(_facts(entry), DIM)
    yield from _reasons(entry)
    yield from reviewwhy.behind(project, entry, width)
    stored = project.ledger.entries.patch(entry.patch_id)
    content = stored.content
    if content is None:
        yield Line()
        yield Line("its content was redacted", YELLOW)
        return
    yield from _message(entry)
    if treechange.is_listing(content):
        yield from _staged(content)
        return
    if entry.reason == "parse.repairable":
        yield from _typed(content)
        yield from _repaired(project, entry)
        return
    yield from _diff("It would change:", content)


def _facts(entry: Entry) -> str:
    from uet_git.cli.gatelines import ago
    from uet_git.host import clock

    said = [f"by {display.line(entry.submitter, 60)}"]
    written = views.author(entry)
    if written is not None:
        said.append(f"written by {display.line(written, 60)}")
    said.append(f"for {display.line(entry.target.removeprefix('refs/heads/'), 60)}")
    said.append(ago(clock.age(entry.created_at)))
    if PRIORITIES[entry.priority] != "normal":
        said.append(f"{PRIORITIES[entry.priority]} priority")
    if entry.issue:
        said.append(f"issue {display.line(entry.issue, 40)}")
    return ", ".join(said)


def _reasons(entry: Entry) -> Iterator[Line]:
    """The reason and every finding, in words."""
    yield Line()
    found = entry.findings
    if entry.reason is not None and all(f["code"] != entry.reason for f in found):
        found = [{"code": entry.reason, "detail": entry.detail, "path": None, "line": 0}, *found]
    waived = entry.waived or ()
    for finding in found[:_FINDINGS]:
        code = finding["code"]
        place = f"  {display.name(finding['path'])}" if finding["path"] else ""
        at = f" (line {finding['line']} of the patch)" if finding["line"] else ""
        yield Line(f"{code}{' (waived)' if code in waived else ''}:{place}{at}", YELLOW)
        yield Line(f"  {views.sentence(code)}")
        for text in (finding["detail"] or "").splitlines():
            if text.strip() and text != views.sentence(code):
                yield Line(f"  {display.line(text, 600)}")
    if len(found) > _FINDINGS:
        yield Line(f"... and {len(found) - _FINDINGS} more: uet-git show {entry.label}", DIM)


def _message(entry: Entry) -> Iterator[Line]:
    """The commit message below its subject, which the header shows."""
    subject, _, rest = entry.message.partition("\n")
    body = rest.strip("\n").splitlines()
    if len(subject) > 60:
        body = [subject, *body]
    if not body:
        return
    yield Line()
    for text in body[:_MESSAGE]:
        yield Line(f"  {display.line(text, 300)}")
    if len(body) > _MESSAGE:
        yield Line(f"  ... {len(body) - _MESSAGE} more lines of the message", DIM)


def _staged(content: bytes) -> Iterator[Line]:
    """What was staged for a commit by hand."""
    listed = treechange.read(content)
    yield Line()
    yield Line(f"staged for a commit by hand: {len(listed.changes)} files", BOLD)
    for change in listed.changes[:_FILES]:
        yield Line(f"  {display.name(change.path)}")
    yield Line(f"  git diff {listed.base} {listed.tree}", DIM)


def _diff(title: str, content: bytes) -> Iterator[Line]:
    """The diffstat and the diff."""
    yield Line()
    if len(content) > patchview.SHOWN_BYTES:
        yield Line(f"{title} {len(content)} bytes, too long to show here", BOLD)
        return
    rows = patchview.coloured(content)
    yield Line(title, BOLD)
    yield from _stat(rows)
    ends = patchview.line_end(rows)
    for text, colour in rows:
        yield Line(display.shown(text.rstrip(ends), _LONGEST), colour, words=False)


def _typed(content: bytes) -> Iterator[Line]:
    """A malformed diff as it came, which nothing can read; without the mail around it."""
    yield Line()
    yield Line("As it was typed:", BOLD)
    texts = mail.read(content).diff[: patchview.SHOWN_BYTES].split(b"\n")
    begins = (n for n, t in enumerate(texts) if t.startswith((b"diff ", b"--- ", b"+++ ", b"@@")))
    for text in texts[next(begins, 0) :]:
        if text == b"-- ":
            break
        colour = {b"+": GREEN, b"-": RED, b"@": CYAN}.get(text[:1], PLAIN)
        yield Line(display.shown(text, _LONGEST), colour, words=False)


def _stat(rows: Sequence[tuple[str, str]]) -> Iterator[Line]:
    """One line a file, where there are several; a single one has its counts in front of its hunks."""
    files = [found for text, colour in rows if colour == BOLD and (found := patchview.counts(text))]
    if len(files) < 2:
        return
    most = max(added + removed for _, added, removed in files)
    for path, added, removed in files[:_FILES]:
        scale = min(1.0, _BAR / most) if most else 0.0
        bar = "+" * round(added * scale) + "-" * round(removed * scale)
        yield Line(f"  {display.name(path, 60)} | {added + removed} {bar}", words=False)
    if len(files) > _FILES:
        yield Line(f"  ... and {len(files) - _FILES} more files", DIM)
    yield Line()


def _repaired(project: Project, entry: Entry) -> Iterator[Line]:
    """The repaired reading of a malformed diff, below the typed one."""
    repair = project.ledger.repair_of(entry.entry_id)
    if repair is None:
        return
    yield Line()
    yield Line("Mended in the repaired reading:", BOLD)
    for words in repair.repairs:
        yield Line(f"  - {display.line(words)}")
    for path, line, named in repair.places:
        if named and named != line:
            yield Line(f"  - {display.name(path)}: a hunk for line {named} stands at line {line}")
    if repair.content is not None:
        yield from _diff("As it is repaired:", repair.content)


def _rest_of_series(project: Project, item: Item) -> Iterator[Line]:
    """Where the other members of the series are."""
    shown = {e.number for e in item.entries}
    from uet_git.model import order

    members = project.ledger.entries.of_series(item.lead.series_id or "")
    others = [e for n, e in order.newest_revisions(members).items() if n not in shown]
    if others:
        yield Line()
        yield Line("In the same series:", BOLD)
    for entry in sorted(others, key=lambda e: e.series_index or 0):
        yield Line(f"  {entry.label}  {entry.state}  {display.line(entry.title, 80)}")
