"""What of a Makefile some targets need, and which files it names. Whatever is not understood counts as needed."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late

_WHOLE: Final = late(
    rb"(?m)^[ ]*(?:-?s?include\b|(?:override[ ]+)?define\b|\.RECIPEPREFIX\b)|\$[({]eval\b"
)
_INCLUDE: Final = late(rb"(?m)^[ ]*-?s?include\b([^\n#]*)")
_RULE: Final = late(
    rb"^([^\s#:=][^:=\n]*):{1,2}(?![=:])([^\n]*)\n((?:\t[^\n]*\n?|[ ]*(?:#[^\n]*)?\n)*)",
    re.MULTILINE,
)
_ASSIGNMENT: Final = late(
    rb"^[ ]*(?:export[ ]+|override[ ]+)*([\w.-]+)[ ]*[:?+!]{0,3}=[^\n]*\n", re.MULTILINE
)
_ALWAYS: Final = (
    *(b"SHELL", b".SHELLFLAGS", b"MAKEFLAGS", b"GNUMAKEFLAGS", b"MFLAGS", b"MAKE", b"MAKEFILES"),
    *(b"VPATH", b"PATH", b".DEFAULT_GOAL", b"BASH_ENV", b"ENV", b"MAKESHELL", b".SECONDEXPANSION"),
)
_REFERENCE: Final = late(rb"\$[({](?:(?:call|value|origin|flavor)[ ]+)?([\w.-]+)|\$([A-Za-z_])")
_COMPUTED: Final = late(rb"\$[({](?:call[ ]+|value[ ]+)?[\w.-]*\$")
_EXPORT: Final = late(rb"(?m)^[ ]*export\b([^\n=]*)$")
_WORD: Final = late(rb"[^\s\"'`;&|()<>=,:$@{}]+")
_FOLDER: Final = late(rb"(?:\bcd|-C|--directory)[ \t=]+[\"']?(?:\./)?([\w./-]+)")
_AGAIN: Final = late(rb"\$[({]MAKE\b|\bg?make\b")
_ROUNDS: Final = 10
_COMPILED: Final = late(rb".*\.(?:c|cc|cpp|cxx|h|hh|hpp|m|s|S|o|a)\Z", re.DOTALL)
"""What a recipe names to compile it: it is judged, and does not judge."""


class Needed(NamedTuple):
    """`parts` are equal where nothing that the targets need differs. `text` is what is run for them."""

    parts: object
    text: bytes


class Named(NamedTuple):
    """Words of recipes that may be paths, the folders that they may be below, and the files that are included."""

    words: frozenset[bytes]
    folders: frozenset[bytes]
    included: frozenset[bytes]

    def may_name(self, path: bytes) -> bool:
        """Whether one of the words may be that file."""
        if _COMPILED.match(path):
            return False
        return path in self.words or any(
            path.startswith(f) and path[len(f) :] in self.words for f in self.folders
        )


class _Rule(NamedTuple):
    targets: list[bytes]
    needs: list[bytes]
    recipe: bytes
    whole: bytes


@lru_cache(maxsize=32)
def needed(data: bytes, targets: frozenset[bytes]) -> Needed:
    """What of a Makefile decides what the targets do; all of it where it includes or makes up other parts."""
    if _WHOLE.search(data):
        return Needed(data, data)
    joined = data.replace(b"\\\n", b" ") + b"\n"
    rules, rest = _rules(joined)
    variables: dict[bytes, list[bytes]] = {}
    for line in _ASSIGNMENT.finditer(rest):
        variables.setdefault(line[1], []).append(line[0])
    rest = re.sub(rb"(?m)^[ \t]*(?:#[^\n]*)?\n", b"", _ASSIGNMENT.sub(b"", rest))
    makes: dict[bytes, list[int]] = {}
    for number, rule in enumerate(rules):
        for target in dict.fromkeys(rule.targets):
            makes.setdefault(target, []).append(number)
    goals = b" ".join(variables.get(b".DEFAULT_GOAL", ()))
    first = [t for t in makes if not t.startswith(b".")][:1]
    asked = {t for t in targets if t in makes} or {*first, *_WORD.findall(goals)}
    for _ in range(_ROUNDS):
        used = _used(asked, rules, makes)
        lines = _variables([rest, *(r.whole for r in used)], variables)
        words = _asked_by(used, lines)
        if words.isdisjoint(makes.keys() - asked):
            break
        asked |= words & makes.keys()
    else:
        return Needed(data, data)
    phony = {w for r in rules if b".PHONY" in r.targets for w in r.needs} & asked
    texts = sorted(r.whole for r in used)
    text = b"\n".join([rest, *(r.recipe for r in used), *lines])
    return Needed((texts, sorted(lines), rest, sorted(phony)), text)


@lru_cache(maxsize=32)
def named(texts: tuple[bytes, ...]) -> Named:
    """The files that such texts may name; the commands in them are not understood, only read."""
    text = b"\n".join(texts)
    words = {w.removeprefix(b"./") for w in _WORD.findall(text)}
    included = {w.removeprefix(b"./") for found in _INCLUDE.findall(text) for w in found.split()}
    folders = {f.rstrip(b"/") + b"/" for f in _FOLDER.findall(text)}
    return Named(frozenset(words), frozenset(sorted(folders)[:50]), frozenset(included))


def _rules(joined: bytes) -> tuple[list[_Rule], bytes]:
    """The rules of plain names, and all other text. Special targets and patterns hold for others too."""
    rules = []

    def taken(found: re.Match[bytes]) -> bytes:
        targets = found[1].split()
        special = re.search(rb"[%$]|(?:^|\s)\.(?!PHONY\b)[A-Z]", found[1])
        needs, _, inline = found[2].partition(b"#")[0].partition(b";")
        if special or targets[0] in (b"ifeq", b"ifneq", b"export", b"vpath"):
            return found[0]
        recipe = inline + b"\n" + found[3]
        rules.append(_Rule(targets, needs.split(), recipe, found[0].strip()))
        return b""

    return rules, _RULE.sub(taken, joined)


def _used(asked: set[bytes], rules: Sequence[_Rule], makes: dict[bytes, list[int]]) -> list[_Rule]:
    """The rules for what is asked, and for what these need; adds that to `asked`."""
    waiting, used = list(asked), set[int]()
    while waiting:
        for number in makes.get(waiting.pop(), ()):
            if number not in used and b".PHONY" not in rules[number].targets:
                used.add(number)
                fresh = set(rules[number].needs) - asked
                asked |= fresh
                waiting += fresh
    return [rules[number] for number in sorted(used)]


def _asked_by(used: Sequence[_Rule], lines: Sequence[bytes]) -> set[bytes]:
    """Words that may be targets: of variables where a rule needs one, of recipes that run make again."""
    words: set[bytes] = set()
    if any(b"$" in need for rule in used for need in rule.needs):
        words.update(_WORD.findall(b"\n".join(lines)))
    for rule in used:
        if _AGAIN.search(rule.recipe):
            words.update(_WORD.findall(rule.recipe))
    return words


def _variables(texts: Sequence[bytes], variables: dict[bytes, list[bytes]]) -> list[bytes]:
    """The assignments that these texts use, those that they use in turn, and what holds for every command."""
    exported = _EXPORT.findall(texts[0])
    known = [line for lines in variables.values() for line in lines]
    if b".EXPORT_ALL_VARIABLES" in texts[0] or any(not e.strip() for e in exported):
        return known
    if any(_COMPUTED.search(text) for text in (*texts, *known)):
        return known
    of_all = {n for n, lines in variables.items() if any(b"export" in x[:20] for x in lines)}
    waiting = [*_ALWAYS, *sorted(of_all), *b" ".join(exported).split()]
    for text in texts:
        waiting += [a or b for a, b in _REFERENCE.findall(text)]
    seen: dict[bytes, None] = {}
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen[name] = None
            for line in variables.get(name, ()):
                waiting += [a or b for a, b in _REFERENCE.findall(line)]
    return [line for name in seen for line in variables.get(name, ())]
