"""What a gate can see, reach and change: bubblewrap, unshare or nothing around its process (DESIGN 9).

A `Box` is one gate's surroundings as data; `wrap` writes the command line that makes them. Which
tiers work here is found out by `sandbox_probe`.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Final

from uet_git.host.gate_limits import MB, GateLimits
from uet_git.host.toolchains import needed, within
from uet_git.model.named import NamedTuple


class Tier(StrEnum):
    """How a gate is held, strongest first."""

    BUBBLEWRAP = "bubblewrap"
    UNSHARE = "unshare"
    NONE = "none"


_SCRATCH: Final = ("/tmp", "/var/tmp")  # noqa: S108  # writable, empty, gone afterwards
_SOCKETS: Final = "/run"  # of the container engine, the session bus, the agents that hold keys
_ROOM: Final = 1024 * MB  # bytes in each of the folders that are memory
_RESOLVER: Final = "/etc/resolv.conf"


class Box(NamedTuple):
    """The surroundings of one gate. Paths are absolute.

    `tree` is where it runs; it and what is `writable` (its HOME, its TMPDIR) lie at their own paths,
    so that caches with absolute paths stay warm. `hidden` must not be seen: the repository's git
    directory and work trees, the ledger, the other scratch trees. `readable` is shown although it
    lies in something hidden; what the tools on PATH need is added to it. `program` is the tier's own,
    `sized` whether it can bound its folders in memory.
    """

    tier: Tier = Tier.NONE
    program: str = ""
    tree: str = ""
    writable: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    network: bool = False
    sized: bool = False
    limits: GateLimits = GateLimits()

    @property
    def has_namespace(self) -> bool:
        """Whether the gate's processes have a process namespace of their own."""
        return self.tier is not Tier.NONE

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """The gate's variables; paths of its own folders without links, as a link may not be seen inside."""
        own = {name: os.path.realpath(env[name]) for name in ("HOME", "TMPDIR") if name in env}
        return {**env, **(own if self.tier is Tier.BUBBLEWRAP else {})}

    def wrap(
        self, argv: Sequence[str], env: Mapping[str, str], *, timeout: float, mark: str
    ) -> list[str]:
        """The command line that runs argv in this box. Its first output is `mark` on a line: then the box stood."""
        limits = self.limits.shell(timeout, confined_user=self._has_own_user())
        # The first process of a namespace hears no signals and must reap the others: let that be the shell.
        last = 'exec 2>/dev/null; "$@" 2>&1; exit $?' if self.tier is Tier.UNSHARE else 'exec "$@"'
        script = f'{limits}; printf "%s\\n" "$1"; shift; {last}'
        inner = ["/bin/sh", "-c", script, "sh", mark, *argv]
        if self.tier is Tier.BUBBLEWRAP:
            return [*self._bubblewrap(env), "--", *inner]
        if self.tier is Tier.UNSHARE:
            flags = ["--user", "--map-current-user", "--pid", "--fork", "--kill-child"]
            network = [] if self.network else ["--net"]
            return [self.program, *flags, *network, "--mount-proc", "--", *inner]
        return inner

    def _has_own_user(self) -> bool:
        return self.tier is not Tier.NONE and os.getuid() != 0

    def _bubblewrap(self, env: Mapping[str, str]) -> Iterator[str]:
        yield from (self.program, "--unshare-all", "--die-with-parent", "--new-session")
        if self.network:
            yield "--share-net"
        yield from ("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev")
        if self.sized:
            yield from ("--size", str(_ROOM), "--tmpfs", "/dev/shm")  # noqa: S108
        yield from self._mounts(env)
        yield from ("--chdir", os.path.realpath(self.tree))

    def _mounts(self, env: Mapping[str, str]) -> Iterator[str]:
        homes = home_folders()
        hidden = _existing([*homes, _SOCKETS, *self.hidden])
        scratch = _existing(_SCRATCH)
        writable = _existing([self.tree, *self.writable])
        readable = [*self.readable, *needed(env, (*hidden, *scratch), homes)]
        if self.network:
            readable.append(_RESOLVER)
        links: dict[str, str] = {}
        shown = [_followed(path, (*hidden, *scratch), links) for path in readable]
        kinds = {
            **dict.fromkeys(_existing(shown), "readable"),
            **dict.fromkeys(scratch, "scratch"),
            **dict.fromkeys(hidden, "hidden"),
            **dict.fromkeys(writable, "writable"),
        }
        ordered = sorted(kinds, key=lambda path: (path.count("/"), path))
        kept = [p for p in ordered if kinds[p] not in _useless_below(p, kinds)]
        for path in kept:
            yield from self._mount(path, kinds[path])
        for link, target in links.items():
            if kinds.get(_around(link, kinds) or "") in ("hidden", "scratch"):
                yield from ("--symlink", target, link)
        for path in kept:
            if kinds[path] == "hidden" and os.path.isdir(path):
                yield from ("--remount-ro", path)

    def _mount(self, path: str, kind: str) -> Iterator[str]:
        if kind == "readable":
            yield from ("--ro-bind", path, path)
        elif kind == "writable":
            yield from ("--bind", path, path)
        elif not os.path.isdir(path):
            yield from ("--ro-bind", os.devnull, path)
        else:
            if self.sized:
                yield from ("--size", str(_ROOM))
            yield from ("--tmpfs", path)


@cache
def _passwd_home() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def home_folders() -> tuple[str, ...]:
    """The user's real home: what HOME says and what the system says. `/` is nobody's home."""
    named = (os.environ.get("HOME", ""), _passwd_home())
    found = dict.fromkeys(os.path.realpath(p) for p in named if os.path.isabs(p))
    return tuple(p for p in found if p != "/" and os.path.isdir(p))


def _existing(paths: Sequence[str]) -> tuple[str, ...]:
    """Real paths of those that are there, each once; never the root."""
    real = dict.fromkeys(os.path.realpath(p) for p in paths)
    return tuple(p for p in real if p != "/" and os.path.lexists(p))


def _around(path: str, kinds: Mapping[str, str]) -> str | None:
    """The nearest mount that a path lies strictly below; None for the root."""
    while (parent := os.path.dirname(path)) != path:
        if parent in kinds:
            return parent
        path = parent
    return None


def _useless_below(path: str, kinds: Mapping[str, str]) -> tuple[str, ...]:
    """Kinds of mount that would change nothing at a path, by what is around it."""
    around = _around(path, kinds)
    if around is None or kinds[around] == "readable":
        return ("readable",)
    return ("writable",) if kinds[around] == "writable" else ("hidden",)


def _followed(path: str, hidden: Sequence[str], links: dict[str, str]) -> str:
    """The real path; links on the way that lie in something hidden are added to `links`, to be made again."""
    done, rest = "/", [part for part in path.split("/") if part]
    for _ in range(4_000):
        if not rest:
            return done
        part = rest.pop(0)
        here = os.path.normpath(os.path.join(done, part))
        if not os.path.islink(here):
            done = here
            continue
        target = os.readlink(here)
        if any(within(here, folder) for folder in hidden):
            links[here] = target
        rest = [p for p in target.split("/") if p] + rest
        done = "/" if target.startswith("/") else done
    return os.path.realpath(path)
