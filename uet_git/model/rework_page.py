"""The rework packet as a page for people and agents: Markdown in which foreign text is only ever code.

Titles, paths, file text and logs stand in code spans and fenced blocks whose marks are longer than any run of backticks
in them, with control, direction and invisible characters as escapes: no HTML, link or heading of theirs comes through.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from uet_git.model import display

_TICKS: Final = re.compile("`+")
_WIDEST: Final = 1_100


def markdown(document: Mapping[str, Any]) -> str:
    """The page of a packet (rework.v1). Ends with a newline."""
    return "\n".join(_page(document)) + "\n"


def code(text: str, longest: int = 300) -> str:
    """Foreign text in one code span, in one line."""
    shown = display.line(text, longest)
    ticks = "`" * (1 + max((len(t) for t in _TICKS.findall(shown)), default=0))
    pad = " " if shown[:1] in "` " or shown[-1:] in "` " else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}" if shown.strip() else "(nothing)"


def block(lines: Sequence[str], info: str = "text") -> Iterator[str]:
    """Foreign lines in a fenced block."""
    shown = [display.shown(line, _WIDEST).replace("\n", "\\n") for line in lines]
    longest = max((len(t) for line in shown for t in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{info}"
    yield from shown
    yield fence


def _page(found: Mapping[str, Any]) -> Iterator[str]:
    label = f"{found['number']}" + (f".{found['revision']}" if found["revision"] > 1 else "")
    yield f"# Rework change {label}: {code(found['title'])}"
    yield ""
    target = found["target"].removeprefix("refs/heads/")
    where = "" if found["tip"] is None else f" (now at {found['tip'][:10]})"
    yield f"It is {found['state']}, for {code(target)}{where}."
    if found["reason"] is not None:
        yield f"Why: {found['reason']}: {code(found['words'], 1_000)}"
    yield from _findings(found["findings"])
    for gate in found["gates"]:
        yield from _gate(gate)
    yield from _conflicts(found)
    yield from _again(found, label)


def _findings(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not findings:
        return
    yield from ("", "## What was found", "")
    for each in findings:
        place = f" in {code(each['path'])}" if each["path"] else ""
        at = f", line {each['line']} of the patch" if each["line"] else ""
        waivable = " A person may waive it." if each["waivable"] else ""
        detail = f" {code(each['detail'], 1_000)}." if each["detail"] else ""
        yield f"- {each['code']}{place}{at}: {each['words']}{detail}{waivable}"


def _gate(gate: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"## Gate {code(gate['name'], 80)}: {gate['state']}", "")
    said = "" if gate["exit_code"] is None else f"Exit code {gate['exit_code']}. "
    detail = f"{code(gate['detail'])}. " if gate["detail"] else ""
    yield f"{said}{detail}It runs {code(' '.join(gate['run']))}."
    for test in gate["tests"]:
        yield from ("", f"### Failed: {code(test['name'])}", "")
        yield from block([test["message"], *test["details"].split("\n")])
    more = (gate["failed"] or 0) - len(gate["tests"])
    if gate["tests"] and more > 0:
        yield from ("", f"{more} more tests failed.")
    log = gate["log"]
    if log is not None and log["lines"]:
        rest = (
            ""
            if log["whole"]
            else f" (the end of {log['size']} bytes; all of it: {code(log['path'])})"
        )
        yield from ("", f"What it printed{rest}:", "")
        yield from block(log["lines"])


def _conflicts(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["conflicts"]:
        return
    yield from ("", "## What does not fit", "")
    yield "Lines that the other side lacks are marked with `>`."
    for each in found["conflicts"]:
        which = f", hunk {each['hunk']} of {each['hunks']}" if each["hunk"] else ""
        yield from ("", f"### {code(each['path'])}{which}", "")
        yield f"{each['code']}: {code(each['words'], 1_000)}"
        if each["already_there"]:
            yield from ("", "The file already has what the patch would make of it.")
        yield from _changed(each["changed_by"])
        yield from _lines("The patch expects:", each["expected"])
        yield from _lines("The file has now:", each["found"])
        yield from _lines("Similar text is here:", each["similar"])
        if each["same_name"]:
            names = ", ".join(map(code, each["same_name"]))
            yield from ("", f"Files of that name: {names}")
        if each["typed"]:
            yield from ("", "As it was handed in:", "")
            yield from block(each["typed"].removesuffix("\n").split("\n"), "diff")
    if found["more_conflicts"]:
        yield from ("", f"{found['more_conflicts']} more places do not fit.")


def _changed(found: Mapping[str, Any] | None) -> Iterator[str]:
    if found is None:
        return
    did = "Changed" if found["exact"] else "The file was last changed"
    who = "outside of the queue"
    if found["number"] is not None:
        later = "" if found["revision"] == 1 else f".{found['revision']}"
        who = f"by change {found['number']}{later}"
    yield from ("", f"{did} {who}: {code(found['title'])}, commit {found['commit'][:12]}.")


def _lines(title: str, lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not lines:
        return
    yield from ("", title, "")
    yield from block([f"{e['line']:>6} {'>' if e['differs'] else ' '} {e['text']}" for e in lines])


def _again(found: Mapping[str, Any], label: str) -> Iterator[str]:
    again = found["resubmit"]
    if again is None:
        return
    yield from ("", "## Hand it in again", "")
    if found["repaired"]:
        yield f"A person may take the repaired reading: `uet-git show {label}` shows it."
        yield ""
    if found["fits"]:
        yield f"The patch fits {code(found['target'].removeprefix('refs/heads/'))} as it is now."
        yield ""
    yield "Mend the patch against the files as they are now. It becomes the next revision of the same change:"
    yield ""
    yield from block([display.command(tuple(again["file"]))], "console")
    yield from ("", "Or with the patch on standard input:", "")
    yield from block([display.command(tuple(again["argv"]))], "console")
