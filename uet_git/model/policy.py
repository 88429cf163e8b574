"""PatchPolicy as a value: its rules, the presets, and how one layer of it tightens another (DESIGN 7.4).

Layers come in order: the user's own, the project's, a phase's, one submission's. Each names some rules; a deeper one
can only tighten what stands above it. `DOCUMENT` has the names that the fields have in `schema/patch_policy.v1.json`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from uet_git.errors import LooserThanBase
from uet_git.model.named import NamedTuple
from uet_git.model.policy_paths import PROTECTED, SOURCES
from uet_git.model.settings import PRESETS as PRESETS

LEVELS: Final = ("off", "note", "person", "refuse")
"""What a rule does with what it finds: nothing, record it, keep the patch for a person, refuse the patch."""
THRESHOLD: Final = 3


class Policy(NamedTuple):
    """The rules in force. None: no limit. Lists are path patterns, texts beside `preset` are levels.

    `max_lines_changed` counts added and removed lines; `oscillation_window` landed patches,
    `oscillation_threshold` how many patches in a row, this one included, turn the same line back and forth.
    """

    preset: str = "open"
    protected: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    max_files_changed: int | None = None
    max_lines_changed: int | None = None
    forbid_binary: bool = False
    require_tests_for: tuple[str, ...] = ()
    require_issue_ref: bool = False
    require_message: bool = False
    min_reviewers: int = 0
    secrets: str = "off"
    bidi: str = "off"
    invisible: str = "off"
    gate_inputs: str = "off"
    weakened_tests: str = "off"
    edited_tests: str = "off"
    lockfiles: str = "off"
    symlinks: str = "person"
    gitlinks: str = "person"
    type_changes: str = "person"
    portable_names: str = "person"
    oscillation_window: int | None = None
    oscillation_threshold: int = THRESHOLD

    @property
    def is_idle(self) -> bool:
        """Whether it has no rule beside those of safety, which hold without any policy."""
        return self._replace(preset="open") == _OPEN


_OPEN: Final = Policy()
FIELDS: Final = Policy._fields
_STANDARD: Final = Policy(
    preset="standard",
    protected=PROTECTED,
    secrets="person",
    bidi="person",
    invisible="person",
    gate_inputs="person",
    weakened_tests="person",
    edited_tests="note",
    lockfiles="note",
)
_STRICT: Final = _STANDARD._replace(
    preset="strict",
    max_files_changed=10,
    max_lines_changed=300,
    forbid_binary=True,
    require_tests_for=SOURCES,
    require_issue_ref=True,
    require_message=True,
    min_reviewers=1,
    edited_tests="person",
    lockfiles="person",
)
BY_PRESET: Final = {p.preset: p for p in (_OPEN, _STANDARD, _STRICT)}
DOCUMENT: Final = {
    "forbidden": "forbid_touching_paths",
    "protected": "protected_paths",
    "forbid_binary": "forbid_binary_patches",
    "require_tests_for": "require_tests_for_paths",
}
"""Fields whose name in the document is another one."""


class Layer(NamedTuple):
    """Rules from one place. `level` is global, project, phase or document; `where` names the place for people.

    `places` says for single rules that they come from elsewhere (a variable, a flag). What is looser in a `lenient`
    layer is passed over instead of refused.
    """

    level: str
    where: str
    rules: Mapping[str, Any]
    places: Mapping[str, str] = {}
    lenient: bool = False

    def place(self, key: str) -> str:
        """Where a rule of this layer was read."""
        return self.places.get(key, self.where)


class Source(NamedTuple):
    """Which layer a value comes from, and where that was read; `preset` if the layer named only a preset."""

    level: str
    where: str
    preset: str = ""

    def __str__(self) -> str:
        said = f"preset {self.preset}, " if self.preset else ""
        return f"{said}{self.where} ({self.level})"


class Effective(NamedTuple):
    """The policy in force, and for each field the layers that made its value, outermost first."""

    policy: Policy
    sources: dict[str, tuple[Source, ...]]


_BUILT_IN: Final = Source("default", "built in", "open")


def effective(layers: Iterable[Layer]) -> Effective:
    """Lays layers over each other, outermost first.

    Raises: LooserThanBase naming both values and both layers.
    """
    values: dict[str, Any] = _OPEN._asdict()
    sources: dict[str, tuple[Source, ...]] = dict.fromkeys(FIELDS, (_BUILT_IN,))
    for layer in layers:
        rules = dict(layer.rules)
        preset = rules.pop("preset", None)
        if preset is not None and _allowed("preset", preset, values, sources, layer):
            source = Source(layer.level, layer.place("preset"), preset)
            for key, value in BY_PRESET[preset]._asdict().items():
                _lay(key, value, values, sources, source)
            sources["preset"] = (Source(layer.level, layer.place("preset")),)
        for key, value in rules.items():
            if value is not None and _allowed(key, value, values, sources, layer):
                _lay(key, value, values, sources, Source(layer.level, layer.place(key)))
    return Effective(Policy(**values), sources)


def _allowed(
    key: str,
    value: Any,
    values: Mapping[str, Any],
    sources: Mapping[str, tuple[Source, ...]],
    layer: Layer,
) -> bool:
    """Whether a layer may say so. Raises: LooserThanBase, unless it is lenient."""
    now = values[key]
    if not is_looser(key, value, now):
        return True
    if layer.lenient:
        return False
    here = Source(layer.level, layer.place(key))
    above = "; ".join(map(str, sources[key]))
    raise LooserThanBase(f"{key} = {shown(value)} of {here} is looser than {shown(now)} of {above}")


def _lay(
    key: str,
    value: Any,
    values: dict[str, Any],
    sources: dict[str, tuple[Source, ...]],
    source: Source,
) -> None:
    """Takes the tighter of two values; where it is the new one, so is the source."""
    now = values[key]
    if KIND[key] == "union":
        merged = tuple(dict.fromkeys((*now, *value)))
        if merged != now:
            values[key] = merged
            sources[key] = (*sources[key], source) if now else (source,)
    elif value is not None and value != now and not is_looser(key, value, now):
        values[key], sources[key] = value, (source,)


def is_looser(key: str, value: Any, now: Any) -> bool:
    """Whether `value` asks for less than `now` does; more patterns are never less."""
    return _LOOSER[KIND[key]](value, now)


def shown(value: Any) -> str:
    """A value as `uet.toml` has it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(value) + "]"
    return str(value)


def as_document(policy: Policy) -> dict[str, Any]:
    """The `constraints` of a patch_policy document; what has no limit is left out."""
    found: dict[str, Any] = {"allowed_formats": ["unified_diff"], "patch_required": True}
    for key, value in policy._asdict().items():
        if value is not None:
            found[DOCUMENT.get(key, key)] = list(value) if isinstance(value, tuple) else value
    return found


KIND: Final = {  # how two values of a rule compare: which one is the tighter
    "preset": "preset",
    **dict.fromkeys(("protected", "forbidden", "require_tests_for"), "union"),
    **dict.fromkeys(("max_files_changed", "max_lines_changed", "oscillation_threshold"), "lower"),
    **dict.fromkeys(("min_reviewers", "oscillation_window"), "higher"),
    **dict.fromkeys(("forbid_binary", "require_issue_ref", "require_message"), "true"),
    **dict.fromkeys(
        (
            *("secrets", "bidi", "invisible", "gate_inputs", "weakened_tests", "edited_tests"),
            *("lockfiles", "symlinks", "gitlinks", "type_changes", "portable_names"),
        ),
        "level",
    ),
}
_LOOSER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "preset": lambda new, old: PRESETS.index(new) < PRESETS.index(old),
    "union": lambda _new, _old: False,
    "lower": lambda new, old: old is not None and new > old,
    "higher": lambda new, old: old is not None and new < old,
    "true": lambda new, old: bool(old) and not new,
    "level": lambda new, old: LEVELS.index(new) < LEVELS.index(old),
}
LEVELED: Final = tuple(key for key, kind in KIND.items() if kind == "level")
SAFETY: Final = ("symlinks", "gitlinks", "type_changes", "portable_names")
"""Levels that are `person` in every preset: the safety rules hold without a policy."""
