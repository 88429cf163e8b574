"""Which sandboxes work on this machine, found out by really running one; and why the others do not, with the fix.

Looked up once a process, and remembered in a small file for as long as what decides it stays the
same: the boot, the program, the user, the container, the kernel's switches. A file that lies only
makes gates stop or run in a weaker tier, which is recorded; who can write it is the user already.
"""

import json
import os
import re
import time
from contextlib import suppress
from functools import cache
from hashlib import sha256
from typing import Final

from uet_git.errors import UetError
from uet_git.host import files, process
from uet_git.host.sandbox import Box, Tier
from uet_git.model.named import NamedTuple

_PROGRAMS: Final = {Tier.BUBBLEWRAP: "bwrap", Tier.UNSHARE: "unshare"}
_APPARMOR: Final = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
_CLONE: Final = "/proc/sys/kernel/unprivileged_userns_clone"
_MOST: Final = "/proc/sys/user/max_user_namespaces"
_SIZED: Final = (0, 7)  # bubblewrap has --size
_VERSION: Final = 1
DOUBTFUL: Final = 600.0  # seconds for which a failure is remembered: it may have been the moment's
_TRY: Final = """\
( : >inside ) || exit 11
case $1 in bubblewrap) [ ! -e "$2/secret" ] || exit 12; ( : >"$3/made" ) 2>/dev/null && exit 13; esac
[ "$(readlink /proc/self/ns/net)" != "$4" ] || exit 14
[ "$$" -lt 100 ] || exit 15
true
"""
_BROKEN: Final = {
    11: "a gate cannot write into its own tree",
    12: "what should be hidden can be seen",
    13: "what should be read-only can be written",
    14: "the network can be reached",
    15: "processes are not apart from the others",
}


class Found(NamedTuple):
    """Whether a tier works here; if not, the `cause` in words and the `fix`, a command (empty: none does it)."""

    tier: Tier
    works: bool
    program: str = ""
    version: str = ""
    sized: bool = False
    cause: str = ""
    fix: tuple[str, ...] = ()


class Choice(NamedTuple):
    """What a gate is to run in. `refused` says why it must not run at all, `weaker` why it is not bubblewrap."""

    found: Found
    refused: str = ""
    weaker: str = ""

    def box(self, **surroundings: object) -> Box:
        """The box with these surroundings, as `Box` names them."""
        assert not self.refused, self.refused
        found = self.found
        return Box(found.tier, found.program, sized=found.sized, **surroundings)  # type: ignore[arg-type]


def choose(wanted: str, required: bool) -> Choice:
    """The tier for `sandbox = wanted` and `require_sandbox = required`.

    `auto` takes the strongest that works; a tier by name must be had, as must any if required.
    """
    if wanted != "auto":
        found = look(Tier(wanted))
        if not found.works:
            return Choice(found, f'sandbox = "{wanted}", and {found.cause}')
        if found.tier is Tier.NONE and required:
            return Choice(found, 'require_sandbox = true, and sandbox = "none"')
        return Choice(found)
    strongest = look(Tier.BUBBLEWRAP)
    if strongest.works:
        return Choice(strongest)
    second = look(Tier.UNSHARE)
    if second.works:
        return Choice(second, weaker=strongest.cause)
    causes = (
        strongest.cause if strongest.cause == second.cause else f"{strongest.cause}; {second.cause}"
    )
    none = look(Tier.NONE)
    return Choice(none, f"require_sandbox = true, and {causes}" if required else "", causes)


@cache
def look(tier: Tier) -> Found:
    """Whether a tier works: remembered, else tried. Never raises: what goes wrong is the cause."""
    if tier is Tier.NONE:
        return Found(tier, True)
    program = process.find_program(_PROGRAMS[tier])
    if not os.path.isdir("/proc/self/ns"):
        return Found(tier, False, cause=f"only Linux has {tier}")
    if program is None:
        package = "bubblewrap" if tier is Tier.BUBBLEWRAP else "util-linux"
        fix = ("sudo", "apt-get", "install", package)
        return Found(tier, False, cause=f"{_PROGRAMS[tier]} is not installed", fix=fix)
    key = _key(program)
    found = _remembered(tier, program, key)
    if found is None:
        found = probe(tier, program)
        _remember(found, key)
    return found


def probe(tier: Tier, program: str) -> Found:
    """Runs a script in a box of this tier that tries what it should and should not be able to do."""
    import shutil
    import tempfile

    try:
        version = _version_of(program) if tier is Tier.BUBBLEWRAP else ""
        sized = tier is Tier.BUBBLEWRAP and _numbers(version) >= _SIZED
        folder = tempfile.mkdtemp(prefix="uet-git-")
        try:
            code, said = _tried(tier, program, sized, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, UetError) as exc:
        return Found(tier, False, program, cause=f"{program}: {exc}")
    if code == 0:
        return Found(tier, True, program, version, sized)
    broken = _BROKEN.get(code, "")
    cause, fix = (broken, ()) if broken else explained(said, f"exit {code}")
    return Found(
        tier, False, program, version, sized, f"{_PROGRAMS[tier]} does not work: {cause}", fix
    )


def _tried(tier: Tier, program: str, sized: bool, folder: str) -> tuple[int, str]:
    tree, hidden, shown = (os.path.join(folder, name) for name in ("tree", "hidden", "shown"))
    for path in (tree, hidden, shown):
        os.mkdir(path)
    with open(os.path.join(hidden, "secret"), "x", encoding="ascii"):
        pass
    box = Box(tier, program, tree, hidden=(hidden,), readable=(shown,), sized=sized)
    env = {"PATH": os.defpath, "LC_ALL": "C"}
    network = os.readlink("/proc/self/ns/net")
    script = ["/bin/sh", "-c", _TRY, "sh", tier, hidden, shown, network]
    argv = box.wrap(script, env, timeout=10, mark="")
    done = process.run(argv, cwd=tree, env=env, timeout=10)
    if done.code == 0 and not os.path.exists(os.path.join(tree, "inside")):
        return 11, ""
    return done.code, done.err.decode("utf-8", "backslashreplace")


def explained(said: str, otherwise: str) -> tuple[str, tuple[str, ...]]:
    """The cause in words and the fix, from what bwrap or unshare said before it gave up."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else otherwise
    if not re.search(r"not permitted|denied|permissions|No space left", last, re.IGNORECASE):
        return last, ()
    if _read(_APPARMOR) == "1":
        fix = ("sudo", "sysctl", "-w", "kernel.apparmor_restrict_unprivileged_userns=0")
        return (
            f"AppArmor keeps it from making a user namespace (Ubuntu 23.10 and newer): {last}",
            fix,
        )
    if _read(_CLONE) == "0":
        fix = ("sudo", "sysctl", "-w", "kernel.unprivileged_userns_clone=1")
        return f"the kernel keeps users from making namespaces: {last}", fix
    if _read(_MOST) == "0":
        fix = ("sudo", "sysctl", "-w", "user.max_user_namespaces=15000")
        return f"the kernel allows no user namespaces: {last}", fix
    if "mount proc" in last:
        flag = "--security-opt systempaths=unconfined"
        return f"this container covers parts of /proc (start it with {flag}): {last}", ()
    if _seccomp() == "2":
        flag = "--security-opt seccomp=unconfined"
        return (
            f"this container's seccomp filter forbids namespaces (start it with {flag}): {last}",
            (),
        )
    return last, ()


def _version_of(program: str) -> str:
    said = process.run([program, "--version"], env={"PATH": os.defpath}, timeout=10).out
    found = re.search(rb"\d+(\.\d+)+", said)
    return found[0].decode() if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split("."))) if version else ()


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


def _seccomp() -> str:
    found = re.search(r"^Seccomp:\s+(\d)", _read("/proc/self/status"), re.MULTILINE)
    return found[1] if found else ""


def _key(program: str) -> str:
    """What decides whether a tier works, as one text."""
    facts: list[object] = [_VERSION, program, os.getuid(), files.boot_id(), _seccomp()]
    facts += [_read(path) for path in (_APPARMOR, _CLONE, _MOST, "/proc/self/attr/current")]
    with suppress(OSError):
        st = os.stat(program)
        facts += [st.st_mtime_ns, st.st_ino, st.st_size, st.st_mode]
    for name in ("user", "mnt", "pid"):
        with suppress(OSError):
            facts.append(os.readlink(f"/proc/self/ns/{name}"))
    return sha256(repr(facts).encode()).hexdigest()


def _file(tier: Tier) -> str:
    return os.path.join(process.cache_folder(), "uet-git", f"sandbox-{tier}.json")


def _remembered(tier: Tier, program: str, key: str) -> Found | None:
    try:
        with open(_file(tier), encoding="utf-8") as file:
            kept = json.load(file)
        if kept["key"] != key:
            return None
        if kept["works"] is not True and not 0 <= time.time() - kept["at"] < DOUBTFUL:
            return None
        works, sized = kept["works"] is True, kept["sized"] is True
        texts = str(kept["version"]), str(kept["cause"])
        return Found(tier, works, program, texts[0], sized, texts[1], tuple(map(str, kept["fix"])))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _remember(found: Found, key: str) -> None:
    path = _file(found.tier)
    kept = {"key": key, "at": time.time(), **found._asdict()}
    with suppress(OSError, UetError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        files.write_atomic(path, json.dumps(kept).encode())
