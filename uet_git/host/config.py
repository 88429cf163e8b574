"""The text of `uet.toml`, flags and UET_* variables -> Settings (DESIGN 13); unknown is an error.

`parse_toml` reads what the target's tip says; `tighten` lets flags and variables make it stricter,
never looser (P6).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from uet_git.errors import ConfigError
from uet_git.host import config_keys as keys
from uet_git.host.toml_lines import line_of
from uet_git.model.records import Gate
from uet_git.model.settings import CommitSettings, Limits, QueueSettings, Settings

FILE: Final = "uet.toml"
_LARGEST: Final = 1024 * 1024  # bytes


def parse_toml(data: bytes, source: str = "", name: str = FILE) -> Settings:
    """Reads a `uet.toml`. `source` is its blob id, `name` what messages call it.

    Raises: ConfigError with the file, the line and what is wrong there.
    """
    return _Reader(data, name).settings(source)


def parse_policy(data: bytes, name: str) -> tuple[tuple[str, object], ...]:
    """The rules of a user's policy file: `version` and [policy], as in `uet.toml`. Raises: ConfigError."""
    return _Reader(data, name).policy_only()


class _Reader:
    """One text being read; keeps what messages need."""

    def __init__(self, data: bytes, name: str) -> None:
        import tomllib

        self.name = name
        if len(data) > _LARGEST:
            raise ConfigError(f"{name}: is larger than {_LARGEST} bytes")
        try:
            self.text = data.decode("utf-8")
        except UnicodeDecodeError as exc:
            line = data.count(b"\n", 0, exc.start) + 1
            raise ConfigError(f"{name}:{line}: is not UTF-8") from None
        try:
            self.tree = tomllib.loads(self.text)
        except (tomllib.TOMLDecodeError, RecursionError) as exc:
            raise ConfigError(self._syntax(exc)) from None

    def _syntax(self, exc: BaseException) -> str:
        message, _, place = str(exc).rpartition(" (at ")
        numbers = [int(w) for w in place.replace(",", " ").replace(")", " ").split() if w.isdigit()]
        line = numbers[0] if numbers else self.text.count("\n") + 1
        return f"{self.name}:{line}: not TOML: {message or exc}"

    def wrong(self, path: tuple[str, ...], what: str) -> ConfigError:
        line = line_of(self.text, path)
        place = f"{self.name}:{line}" if line else self.name
        return ConfigError(f"{place}: {what}")

    def table(self, path: tuple[str, ...]) -> dict[str, Any]:
        """The table at `path`, empty if it is absent."""
        value: Any = self.tree
        for part in path:
            value = value.get(part, {})
            if not isinstance(value, dict):
                raise self.wrong(path, f"`{'.'.join(path)}` must be a table, [{'.'.join(path)}]")
        return dict(value)

    def known(self, path: tuple[str, ...], table: dict[str, Any], allowed: Iterable[str]) -> None:
        """Refuses the first key of `table` that is not allowed, with the nearest that is."""
        names = sorted(allowed)
        for key in table:
            if key not in names:
                hint = _nearest(key, names) or f"known are {', '.join(names)}"
                where = f" in [{'.'.join(path)}]" if path else ""
                raise self.wrong((*path, key), f"unknown key `{key}`{where}; {hint}")

    def values(
        self, path: tuple[str, ...], table: dict[str, Any], specs: Mapping[str, keys.Key]
    ) -> dict[str, Any]:
        """The checked values of the keys of `table` that `specs` names."""
        out = {}
        for key, spec in specs.items():
            if key not in table:
                continue
            shown = ".".join((*path, key))
            try:
                out[key] = spec.check(table[key])
            except ValueError as exc:
                raise self.wrong((*path, key), f"`{shown}` {exc}") from None
        return out

    def settings(self, source: str) -> Settings:
        self.known((), self.tree, [*keys.TOP, *keys.TABLES, "gates"])
        if "version" not in self.tree:
            raise ConfigError(f"{self.name}:1: `version = 1` is missing")
        top = self.values((), self.tree, keys.TOP)
        del top["version"]
        if top.get("require_sandbox") and top.get("sandbox") == "none":
            raise self.wrong(
                ("sandbox",), '`sandbox = "none"` contradicts `require_sandbox = true`'
            )
        parts: dict[str, dict[str, Any]] = {}
        for part, specs in keys.TABLES.items():
            table = self.table((part,))
            self.known((part,), table, [*specs, *keys.INNER.get(part, ())])
            parts[part] = self.values((part,), table, specs)
        policy = parts["policy"]
        names_preset = "preset" in policy
        preset = policy.pop("preset", "open")
        return Settings(
            limits=Limits(**parts["limits"]),
            commit=CommitSettings(**parts["commit"]),
            queue=QueueSettings(**parts["queue"]),
            gates=self.gates(),
            preset=preset,
            policy=tuple(sorted(policy.items())),
            names_preset=names_preset,
            phases=self.phases(),
            source=source,
            **parts["hooks"],
            **top,
        )

    def policy_only(self) -> tuple[tuple[str, object], ...]:
        self.known((), self.tree, ["version", "policy"])
        if "version" not in self.tree:
            raise ConfigError(f"{self.name}:1: `version = 1` is missing")
        self.values((), self.tree, keys.TOP)
        table = self.table(("policy",))
        self.known(("policy",), table, keys.POLICY)
        return tuple(sorted(self.values(("policy",), table, keys.POLICY).items()))

    def phases(self) -> tuple[tuple[str, tuple[tuple[str, object], ...]], ...]:
        """The tables [policy.phases.ID]: rules for the patches of one phase."""
        found = []
        for name in self.table(("policy", "phases")):
            path = ("policy", "phases", name)
            table = self.table(path)
            self.known(path, table, keys.POLICY)
            found.append((name, tuple(sorted(self.values(path, table, keys.POLICY).items()))))
        return tuple(found)

    def gates(self) -> tuple[Gate, ...]:
        table = self.table(("gates",))
        gates = tuple(self.gate(name) for name in table)
        folded: dict[str, str] = {}
        for gate in gates:
            other = folded.setdefault(gate.name.lower(), gate.name)
            if other != gate.name:
                path = ("gates", gate.name)
                raise self.wrong(path, f"gate `{gate.name}` differs from `{other}` only in case")
        self._check_needs({g.name: g for g in gates})
        return gates

    def gate(self, name: str) -> Gate:
        path = ("gates", name)
        if not keys.GATE_NAME.fullmatch(name):
            rule = "letters, digits, '-' and '_', at most 64, a letter or digit first"
            raise self.wrong(path, f"gate name {name!r}: use {rule}")
        table = self.table(path)
        self.known(path, table, [*keys.GATE, "criteria"])
        values = self.values(path, table, keys.GATE)
        if ("run" in values) == ("shell" in values):
            both = "both `run` and `shell`" if "run" in values else "neither `run` nor `shell`"
            raise self.wrong(path, f"gate `{name}` has {both}; it needs exactly one")
        if "criteria" in table:
            inner = (*path, "criteria")
            criteria = self.table(inner)
            self.known(inner, criteria, keys.CRITERIA)
            values["criteria"] = tuple(self.values(inner, criteria, keys.CRITERIA).items())
            self._check_criteria(name, values)
        shell = values.pop("shell", None)
        if shell is not None:
            values |= {"run": shell, "shell": True}
        return Gate(name=name, **values)

    def _check_criteria(self, name: str, values: dict[str, Any]) -> None:
        """What a criterion looks at must be there to be looked at."""
        for key, _ in values["criteria"]:
            report = "coverage" if key == "min_coverage" else "junit"
            if report not in values:
                path = ("gates", name, "criteria", key)
                raise self.wrong(path, f"gate `{name}` has `{key}`, which needs `{report}`")

    def _check_needs(self, gates: dict[str, Gate]) -> None:
        for gate in gates.values():
            path = ("gates", gate.name, "needs")
            for need in gate.needs:
                if need not in gates:
                    hint = _nearest(need, gates) or f"known are {', '.join(gates)}"
                    what = f"gate `{gate.name}` needs `{need}`: no such gate; {hint}"
                    raise self.wrong(path, what)
                if gate.required and not gates[need].required:
                    what = f"is required, but needs `{need}`, which is not"
                    raise self.wrong(path, f"gate `{gate.name}` {what}")
                missing = sorted(set(gate.on) - set(gates[need].on))
                if missing:
                    what = f"needs `{need}`, which does not run on {', '.join(missing)}"
                    raise self.wrong(path, f"gate `{gate.name}` {what}")
        circle = _circle(gates)
        if circle:
            path = ("gates", circle[0], "needs")
            raise self.wrong(path, f"gates need each other in a circle: {' -> '.join(circle)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the known name that is most like this one; empty if none is."""
    import difflib

    near = difflib.get_close_matches(name, list(known), 1, 0.5)
    return f"did you mean `{near[0]}`?" if near else ""


def _circle(gates: Mapping[str, Gate]) -> list[str]:
    """Gate names along one circle of needs, its first again at the end; empty if there is none."""
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter({g.name: g.needs for g in gates.values()}).prepare()
    except CycleError as exc:
        return list(reversed(exc.args[1]))
    return []
