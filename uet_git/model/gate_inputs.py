"""Whether a patch changes what decides how gates judge: configuration of tests and tools, recipes, scripts.

Files that hold other things too (pyproject.toml, package.json, a Makefile) count only where the part that matters
differs.
"""

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from uet_git.model import globs, makefile
from uet_git.model.added import ReadBlob
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.records import Finding, Gate, Patch, TreeChange

_CODE: Final = "policy.gate_input"
_ALWAYS: Final = frozenset(
    {
        *(
            b"conftest.py",
            b"pytest.ini",
            b".pytest.ini",
            b"pytest.toml",
            b".pytest.toml",
            b"tox.ini",
        ),
        *(
            b"tox.toml",
            b"noxfile.py",
            b".coveragerc",
            b"codecov.yml",
            b".codecov.yml",
            b"phpunit.xml",
        ),
        *(b"phpunit.xml.dist", b".rspec", b"karma.conf.js", b".mocharc.json", b".mocharc.yml"),
        *(
            b".mocharc.js",
            b".mocharc.cjs",
            b"nextest.toml",
            b"testng.xml",
            b".nycrc",
            b".runsettings",
        ),
    }
)
_TEST_RUNNERS: Final = late(
    rb"(?:jest|vitest|playwright|cypress|ava|wdio)\.(?:config|setup)(?:\.[\w-]+)?\.(?:[cm]?[jt]s|json)\Z"
    rb"|[^/]*\.runsettings\Z"
)
_OF_TOOL: Final[dict[str, frozenset[bytes]]] = {
    "ruff": frozenset({b"ruff.toml", b".ruff.toml"}),
    "mypy": frozenset({b"mypy.ini", b".mypy.ini"}),
    "pyright": frozenset({b"pyrightconfig.json"}),
    "flake8": frozenset({b".flake8"}),
    "pylint": frozenset({b".pylintrc", b"pylintrc"}),
    "bandit": frozenset({b".bandit"}),
    "eslint": frozenset({b".eslintrc", b".eslintrc.json", b".eslintrc.js", b".eslintrc.cjs", b".eslintrc.yml",
                         b".eslintignore", b"eslint.config.js", b"eslint.config.mjs", b"eslint.config.ts"}),
    "tsc": frozenset({b"tsconfig.json"}),
    "biome": frozenset({b"biome.json", b"biome.jsonc"}),
    "golangci-lint": frozenset({b".golangci.yml", b".golangci.yaml", b".golangci.toml"}),
    "cargo": frozenset({b"clippy.toml", b".clippy.toml", b"rustfmt.toml", b".rustfmt.toml", b"deny.toml"}),
    "gitleaks": frozenset({b".gitleaks.toml", b".gitleaksignore"}),
    "rubocop": frozenset({b".rubocop.yml"}),
    "just": frozenset({b"justfile", b"Justfile", b".justfile"}),
    "task": frozenset({b"Taskfile.yml", b"Taskfile.yaml"}),
    "rake": frozenset({b"Rakefile"}),
    "ctest": frozenset({b"CTestTestfile.cmake"}),
}  # fmt: skip
_MAKEFILES: Final = (b"GNUmakefile", b"makefile", b"Makefile")
_MOST_INCLUDED: Final = 50
_PY_TOOLS: Final = ("pytest", "coverage", "tox", "nox", "hatch")
_JS_KEYS: Final = ("scripts", "jest", "mocha", "ava", "vitest", "nyc", "c8", "tap")
_INI_TESTS: Final = late(
    rb"(?:tool[:.])?(?:pytest\b.*|coverage\b.*|tox\b.*|nox\b.*|hatch\b.*)|testenv.*|nosetests|aliases"
)
_DEEP_KEY: Final = late(rb"(?:\.[ \t]*+[\w\"'-]++[ \t]*+){32}")
"""A key of so many parts is no one's; the parser's work grows with their square."""
_TOO_MUCH: Final = "more changes in files of this kind than is looked at"
_SEPARATORS: Final = ";&|()<>"
_PYTHON: Final = late(r"(?:.*/)?(?:python|pypy|py|coverage)[\d.]*")
_MODULE: Final = late(r"-[A-Za-ln-z]*m(.*)", re.DOTALL)
_IMPORTABLE: Final = (b".py", b".pyc", b".so", b".pyd")
_SHADOWS: Final = (
    frozenset(name.encode() for name in sys.stdlib_module_names)
    | {b"_pytest", b"pluggy", b"iniconfig", b"packaging", b"sitecustomize", b"usercustomize"}
) - {b"test"}
"""What Python and pytest import. `python -m` looks for it at the top of the tree first."""
_LARGEST: Final = 256 * 1024
"""Bytes of a file that is taken apart; any change of a larger one counts."""
_MOST: Final = 512 * 1024
"""Bytes of files that are taken apart for one patch, before and after together."""

Parts = Callable[[bytes], Any]
Lookup = Callable[[bytes], tuple[int, str]]


def judge_gate_inputs(
    paths: Sequence[bytes],
    gates: Sequence[Gate],
    changes: Sequence[TreeChange] | None,
    read: ReadBlob | None,
    patch: Patch | None = None,
    lookup: Lookup | None = None,
) -> list[Finding]:
    """`policy.gate_input` for each such file. Without `changes` what the hunks of `patch` show must do.

    `lookup` gives mode and id of what lies at a path before the change.
    """
    uses = _used(tuple(gates))
    made = _made(uses, changes or (), read, lookup)
    found = []
    for path in paths:
        name = path.rpartition(b"/")[2].lower()  # some file systems do not see case
        if path in uses.named or path.lower() in uses.named or made(path):
            found.append(Finding(_CODE, "a gate runs or reads it by name", path))
        elif _is_module(path, uses.modules):
            found.append(Finding(_CODE, "a gate imports a module of that name", path))
        elif name in uses.whole or _TEST_RUNNERS.match(name):
            found.append(Finding(_CODE, "it says how tests or checks run", path))
    seen = {f.path for f in found}
    if changes is not None and read is not None:
        room = _MOST
        for change in changes:
            parts = _parts_of(change.path, uses)
            if parts is not None and change.path not in seen:
                sides = [read(oid) if oid else None for oid in (change.old_oid, change.new_oid)]
                sizes = [len(side or b"") for side in sides]
                room -= sum(sizes) if max(sizes) <= _LARGEST else 0
                if room < 0:
                    found.append(Finding(_CODE, _TOO_MUCH, change.path))
                    break
                found += _judged_parts(change.path, parts, sides)
    elif patch is not None:
        for part in patch.changes:
            if part.path not in seen and part.path.endswith((b"setup.cfg", b"pyproject.toml")):
                shown = [b"".join(h.old for h in part.hunks), b"".join(h.new for h in part.hunks)]
                found += _judged_parts(part.path, _ini_parts(uses.tools), shown)
    return found


class _Used(NamedTuple):
    """What gates use: the words of their commands, the paths and tools among these, and the tools' own files.

    `modules` are those that a Python runs by name.
    """

    words: frozenset[bytes]
    named: frozenset[bytes]
    tools: frozenset[str]
    whole: frozenset[bytes]
    modules: frozenset[bytes]


@lru_cache(maxsize=64)
def _used(gates: tuple[Gate, ...]) -> _Used:
    words = [word for gate in gates for word in _words(gate)]
    tools = frozenset(word.rpartition("/")[2] for word in words)
    return _Used(
        frozenset(word.encode("utf-8", "surrogateescape") for word in words),
        _folded(_plain(word).encode("utf-8", "surrogateescape") for word in words),
        tools,
        _folded(_ALWAYS.union(*(_OF_TOOL[t] for t in tools if t in _OF_TOOL))),
        frozenset(_modules(words)),
    )


def _folded(names: Iterable[bytes]) -> frozenset[bytes]:
    """Names as they are, and in small letters."""
    return frozenset(form for name in names for form in (name, name.lower()))


def _modules(words: Sequence[str]) -> Iterator[bytes]:
    """The first names of what `python -m` is told to run. Its other options end at the first word that is none."""
    rest = iter(words)
    for word in rest:
        if not _PYTHON.fullmatch(word):
            continue
        for option in rest:
            found = _MODULE.fullmatch(option)
            if found:
                module = found[1] or next(rest, "")
                yield module.partition(".")[0].encode("utf-8", "surrogateescape")
            elif option in ("-W", "-X", "--check-hash-based-pycs"):
                next(rest, None)
            elif not option.startswith("-") and option != "run" and not _PYTHON.fullmatch(option):
                break
            if option.startswith("-c") or (found and module != "coverage"):
                break


def _is_module(path: bytes, modules: frozenset[bytes]) -> bool:
    """Whether Python finds that file before a module that it is told to run, or that this one imports."""
    top, inside, below = path.partition(b"/")
    if inside:
        return top in modules or (
            bool(modules) and top in _SHADOWS and below.startswith(b"__init__.")
        )
    name = top.partition(b".")[0]
    return bool(modules) and top.endswith(_IMPORTABLE) and (name in modules or name in _SHADOWS)


def _words(gate: Gate) -> Iterator[str]:
    """The words of a gate's command, and of a shell line that it gives to a shell."""
    for argument in gate.run:
        yield argument
        if not gate.shell and not any(c in argument for c in " \n;&|"):
            continue
        try:
            lexer = shlex.shlex(argument, posix=True, punctuation_chars=_SEPARATORS)
            lexer.whitespace_split = True
            yield from lexer
        except ValueError:
            yield from argument.split()


def _plain(word: str) -> str:
    """A word as a path of the tree: `./run.sh`, `--config=x.toml`, `tests/test_a.py::test_b`."""
    if word.startswith("-") and "=" in word:
        word = word.partition("=")[2]
    return word.partition("::")[0].removeprefix("./")


def _parts_of(path: bytes, uses: _Used) -> Parts | None:
    """What reads the part that matters out of a file of which only a part does; None for every other file."""
    name = path.rpartition(b"/")[2].lower()
    if name == b"pyproject.toml":
        return _toml_parts(uses.tools)
    if name == b"setup.cfg":
        return _ini_parts(uses.tools)
    if name == b"package.json":
        return _json_parts
    if path.lower() in (b"gnumakefile", b"makefile") and "make" in uses.tools:
        return lambda data: makefile.needed(data, uses.words).parts
    return None


def _made(
    uses: _Used, changes: Sequence[TreeChange], read: ReadBlob | None, lookup: Lookup | None
) -> Callable[[bytes], bool]:
    """Tells whether make, where a gate runs it, reads or runs the file at a path."""
    if "make" not in uses.tools or read is None:
        return lambda _: False
    after = {c.path: (c.old_oid, c.new_oid) for c in changes}
    texts: list[bytes] = []
    patterns: dict[bytes, None] = {}
    waiting = list(_MAKEFILES)
    for path in waiting:  # grows by what is included
        oids = after.get(path) or (lookup(path)[1] if lookup is not None else "",)
        for data in (read(oid)[:_LARGEST] for oid in oids if oid):
            text = makefile.needed(data, uses.words).text if path in _MAKEFILES else data
            texts.append(text)
            more = sorted(makefile.named((text,)).included - patterns.keys())[:_MOST_INCLUDED]
            patterns.update(dict.fromkeys(more))
            waiting += more[: max(0, _MOST_INCLUDED - len(waiting))]
    names = makefile.named(tuple(texts))
    known = tuple(f"/{p.decode('utf-8', 'surrogateescape')}" for p in patterns if b"$" not in p)
    fits = globs.compiled(tuple(p for p in known if globs.fault(p) is None)).match
    computed = any(b"$" in p for p in patterns)

    def made(path: bytes) -> bool:
        included = fits(path) is not None or (computed and path.endswith((b".mk", b".make")))
        return path not in _MAKEFILES and (included or names.may_name(path))

    return made


def _judged_parts(path: bytes, parts: Parts, sides: Sequence[bytes | None]) -> Iterator[Finding]:
    """Compares the part that matters before and after."""
    if any(len(side or b"") > _LARGEST for side in sides):
        parts = bytes
    before, after = (None if side is None else parts(side) for side in sides)
    if (before or after) and before != after:
        yield Finding(_CODE, "the part of it that gates or tests use changes", path)


def _toml_parts(tools: Iterable[str]) -> Parts:
    wanted = {*_PY_TOOLS, *tools}

    def parts(data: bytes) -> Any:
        import tomllib

        if _DEEP_KEY.search(data):
            return data
        try:
            tree = tomllib.loads(data.decode("utf-8", "replace"))
        except (ValueError, RecursionError):  # ValueError also for a number of too many digits
            return data
        table = tree.get("tool")
        return {k: v for k, v in table.items() if k in wanted} if isinstance(table, dict) else {}

    return parts


def _ini_parts(tools: Iterable[str]) -> Parts:
    names = {t.encode("utf-8", "surrogateescape") for t in tools}

    def parts(data: bytes) -> Any:
        pieces = re.split(rb"(?m)^\[([^\]\n]*)\][^\n]*\n?", data)
        return {
            name: body
            for name, body in zip(pieces[1::2], pieces[2::2], strict=False)
            if _INI_TESTS.fullmatch(name)
            or re.split(rb"[-.:]", name.removeprefix(b"tool."))[0] in names
        }

    return parts


def _json_parts(data: bytes) -> Any:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return data
    return {k: tree[k] for k in _JS_KEYS if k in tree} if isinstance(tree, dict) else {}
