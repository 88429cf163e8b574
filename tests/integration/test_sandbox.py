"""A hidden home or repository takes no tool along, shows no secret beside it, and which sandbox works is found by trying."""

import json
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import make_repo
from uet_git.cli import checkledger, checkup
from uet_git.host import process, sandbox, sandbox_probe, toolchains
from uet_git.host.gate_env import gate_environment
from uet_git.host.process import run_gate
from uet_git.host.sandbox import Box, Tier
from uet_git.host.sandbox_probe import Choice, Found, choose, explained, look
from uet_git.model.settings import Settings

EXCUSED = os.environ.get("UET_TEST_NO_BWRAP") == "1"
SECRETS = (
    *(".ssh/id", ".aws/credentials", ".cargo/credentials.toml", ".local/share/keyrings/login"),
    *(".config/gh/hosts.yml", ".npmrc", "other/project/.env"),
)


class House:
    """A home with secrets, a repository in it, and a scratch tree in its cache: as they lie by default."""

    def __init__(self, top: Path) -> None:
        self.home = top / "home"
        for name in SECRETS:
            self.script(self.home / name, "secret")
        self.repo = make_repo(self.home / "src" / "repo", {"a.txt": b"one\n"})
        base = self.home / ".cache" / "uet-git" / "ID"
        self.tree, self.own = base / "trees" / "0" / "tree", base / "home"
        self.tree.mkdir(parents=True)
        (self.own / "tmp").mkdir(parents=True)
        self.log = top / "log"

    def script(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def tool(self, path: str) -> Path:
        """A program that says `ran` and what it finds in a folder beside its own."""
        where = self.home / path
        self.script(where.parent.parent / "lib" / "data", "data\n")
        return self.script(
            where, '#!/bin/sh\necho ran; cat "$(dirname "$(readlink -f "$0")")/../lib/data"\n'
        )

    def box(self) -> Box:
        found = look(Tier.BUBBLEWRAP)
        if not found.works and EXCUSED:
            pytest.skip(f"UET_TEST_NO_BWRAP: {found.cause}")
        assert found.works, found.cause
        return Box(
            found.tier, found.program, str(self.tree), (str(self.own),), (str(self.repo),), sized=found.sized
        )  # fmt: skip

    def run(self, line: str | list[str], box: Box | None = None) -> tuple[int | None, str]:
        env = gate_environment(
            home=str(self.own), temporary=str(self.own / "tmp"), ceiling=str(self.tree.parent)
        )
        ended = run_gate(
            line, cwd=str(self.tree), env=env, timeout=20, log_path=str(self.log), box=box or self.box()
        )  # fmt: skip
        assert ended.error == ""
        return ended.code, self.log.read_text()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    # The temporary folder of tests would hide all of it by itself.
    monkeypatch.setattr(sandbox, "_SCRATCH", ())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    _forget()
    yield House(tmp_path)
    _forget()


def _forget() -> None:
    for remembered in (toolchains._needed, toolchains._whole, toolchains._mixed, look):
        remembered.cache_clear()


def path(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"]))


def no_secret(house: House) -> None:
    """Nothing of the home can be read that is not a tool or the gate's own."""
    paths = [*(house.home / name for name in SECRETS), house.repo / "a.txt", house.repo / ".git"]
    line = f'for p in {shlex.join(map(str, paths))}; do test -e "$p" && echo "$p"; done; true'
    assert house.run(line) == (0, "")


LAYOUTS = {
    "pyenv": (".pyenv/shims", ".pyenv/shims/tool"),
    "nvm": (".nvm/versions/node/v20/bin", ".nvm/versions/node/v20/bin/tool"),
    "cargo": (".cargo/bin", ".cargo/bin/tool"),
    "own-prefix": ("opt/thing/bin", "opt/thing/bin/tool"),
    "conda": ("miniconda3/bin", "miniconda3/bin/tool"),
    "in-the-repository": ("src/repo/tools/bin", "src/repo/tools/bin/tool"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_tool_in_the_home_runs(house: House, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder, program = LAYOUTS[name]
    house.tool(program)
    path(monkeypatch, house.home / folder)
    code, said = house.run(["tool"])
    assert said.startswith("ran\n"), said
    # `~/.cargo` holds tools and tokens: only its programs are shown.
    assert (code, "\ndata\n" in said) == ((1, False) if name == "cargo" else (0, True))
    no_secret(house)


LINKED = {
    "pipx": (".local/bin/tool", ".local/share/pipx/venvs/tool/bin/tool"),
    "npm-global": (".npm-global/bin/tool", ".npm-global/lib/node_modules/x/bin/tool"),
    "node-modules": ("src/repo/node_modules/.bin/tool", "src/repo/node_modules/x/cli/tool"),
    "a-bin-elsewhere": ("bin/tool", "dotfiles/bin/tool"),
}


@pytest.mark.parametrize("name", LINKED)
def test_a_tool_behind_a_link_runs(
    house: House, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    link, program = (house.home / p for p in LINKED[name])
    house.tool(LINKED[name][1])
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(program, link.parent))
    path(monkeypatch, link.parent)
    assert house.run(["tool"]) == (0, "ran\ndata\n")
    no_secret(house)


def test_a_folder_of_programs_that_is_a_link(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.tool("dotfiles/bin/tool")
    (house.home / "bin").symlink_to("dotfiles/bin")
    path(monkeypatch, house.home / "bin")
    assert house.run(["tool"]) == (0, "ran\ndata\n")
    no_secret(house)


def test_a_script_among_secrets_is_shown_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = house.script(house.home / "other" / "project" / "run", "#!/bin/sh\necho ran\n")
    link = house.home / ".local" / "bin" / "tool"
    link.parent.mkdir(parents=True)
    link.symlink_to(script)
    path(monkeypatch, link.parent)
    assert house.run(["tool"]) == (0, "ran\n")
    no_secret(house)


def test_a_virtual_environment_in_the_hidden_repository(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `.venv` in a work tree: the gate's Python must be this one, and the work tree must not be seen."""
    import venv

    folder = house.repo / ".venv"
    venv.create(folder, symlinks=True, with_pip=False)
    monkeypatch.setenv("VIRTUAL_ENV", str(folder))
    path(monkeypatch, folder / "bin")
    code, said = house.run(["python", "-c", "import sys, json; print(sys.prefix)"])
    assert (code, said) == (0, f"{folder}\n")
    assert house.run(["touch", str(folder / "x")])[0] == 1
    no_secret(house)


def test_a_path_that_names_the_home_or_the_repository_shows_neither(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path(monkeypatch, house.home, house.repo, house.home.parent, house.home / ".local")
    no_secret(house)


def test_its_own_folders_are_writable_at_their_own_paths(house: House) -> None:
    line = f'pwd; echo 1 >f && echo 2 >"$HOME/g" && echo 3 >"$TMPDIR/h" && echo 4 >/tmp/{house.repo.name}'
    code, said = house.run(f"{line.rsplit(' && ', 1)[0]}; cd '{house.tree}' && cat f")
    assert (code, said) == (0, f"{house.tree}\n1\n")
    assert (house.tree / "f").read_text() == "1\n"
    assert (house.own / "g").read_text() == "2\n"
    assert (house.own / "tmp" / "h").read_text() == "3\n"


@pytest.mark.parametrize("where", ["home", "repo", "usr", "beside"])
def test_nothing_else_is(house: House, where: str) -> None:
    folder = {
        "home": house.home,
        "repo": house.repo,
        "usr": Path("/usr"),
        "beside": house.tree.parent,
    }
    code, said = house.run(f"echo x >'{folder[where]}/made-by-a-gate'")
    assert code != 0
    assert any(w in said for w in ("Read-only", "Permission denied", "nonexistent"))
    assert not (folder[where] / "made-by-a-gate").exists()


def test_folders_reached_through_links(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As /home -> /var/home, or a cache on another disk."""
    link = house.home.parent / "link"
    link.symlink_to(house.home)
    monkeypatch.setenv("HOME", str(link))
    moved = House.__new__(House)
    moved.__dict__.update(house.__dict__)
    relative = house.tree.relative_to(house.home)
    moved.tree, moved.own = link / relative, link / house.own.relative_to(house.home)
    moved.repo = link / "src" / "repo"
    line = 'echo "$HOME"; echo x >"$HOME/f" && echo y >"$TMPDIR/g" && pwd -P'
    assert moved.run(line) == (0, f"{house.own}\n{house.tree}\n")
    no_secret(moved)


def test_a_hidden_file_cannot_be_read(house: House) -> None:
    file = house.script(house.home.parent / "ledger.db", "rows")
    box = house.box()._replace(hidden=(str(file),))
    assert "rows" not in house.run(["cat", str(file)], box)[1]
    house.run(f"echo x >'{file}'; rm -f '{file}'", box)
    assert file.read_text() == "rows"


def test_what_is_hidden_in_what_is_shown_stays_hidden(house: House) -> None:
    inner = house.home / "shown" / "inner"
    house.script(inner / "secret", "x")
    house.script(house.home / "shown" / "file", "y")
    box = house.box()._replace(readable=(str(house.home / "shown"),), hidden=(str(inner),))
    line = f"cat '{house.home}/shown/file'; ls -A '{inner}'; echo x >'{house.home}/shown/file'"
    code, said = house.run(line, box)
    assert code != 0
    assert said.startswith("y")
    assert "secret" not in said


def test_the_common_temporary_folder_is_its_own(tmp_path: Path) -> None:
    """Everything of this test lies in it, the tree too: that is seen, and nothing else."""
    _forget()
    house = House(tmp_path)
    beside = tmp_path / "beside"
    beside.write_text("x")
    name = f"uet-{os.getpid()}"
    code, said = house.run(f"ls '{beside}' '{house.home}/.ssh'; echo 1 >/tmp/{name} && ls /tmp")
    assert code == 0
    assert name in said
    assert "id" not in said.split()
    assert not Path("/tmp", name).exists()
    assert beside.read_text() == "x"


def test_names_resolve_where_the_network_is_allowed(house: House) -> None:
    """On many systems /etc/resolv.conf leads into /run, which is hidden."""
    if not os.path.exists("/etc/resolv.conf"):
        pytest.skip("this machine has no /etc/resolv.conf")
    box = house.box()._replace(network=True)
    assert house.run(["cat", "/etc/resolv.conf"], box)[1] == Path("/etc/resolv.conf").read_text()


def test_the_sockets_of_the_machine_are_hidden(house: House) -> None:
    assert house.run("ls -A /run; ls -A /dev/shm")[1] == ""


# --- which one works -----------------------------------------------------------------------------


def found(tier: str, works: bool) -> Found:
    return Found(Tier(tier), works, f"/x/{tier}", cause="" if works else f"no {tier} here")


CHOICES = [
    # bubblewrap works, unshare works, wanted, required: what runs, why not, why not bubblewrap
    (True, True, "auto", True, "bubblewrap", "", ""),
    (False, True, "auto", True, "unshare", "", "no bubblewrap here"),
    (False, False, "auto", False, "none", "", "no bubblewrap here; no unshare here"),
    (False, False, "auto", True, "none", "require_sandbox = true, and no bubblewrap here; no unshare here", "no"),
    (False, True, "bubblewrap", False, "bubblewrap", 'sandbox = "bubblewrap", and no bubblewrap here', ""),
    (True, True, "unshare", True, "unshare", "", ""),
    (True, False, "unshare", False, "unshare", 'sandbox = "unshare", and no unshare here', ""),
    (True, True, "none", False, "none", "", ""),
    (True, True, "none", True, "none", 'require_sandbox = true, and sandbox = "none"', ""),
]  # fmt: skip


@pytest.mark.parametrize("case", CHOICES)
def test_choices(
    case: tuple[bool, bool, str, bool, str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by name is had or nothing runs; `auto` takes what works; what is required is never let go."""
    has_first, has_second, wanted, required, tier, refused, weaker = case
    there = {
        Tier.BUBBLEWRAP: found("bubblewrap", has_first),
        Tier.UNSHARE: found("unshare", has_second),
        Tier.NONE: found("none", True),
    }
    monkeypatch.setattr(sandbox_probe, "look", there.__getitem__)
    got = choose(wanted, required)
    assert (got.found.tier, got.refused) == (Tier(tier), refused)
    assert got.weaker.startswith(weaker)
    if refused:
        with pytest.raises(AssertionError):
            got.box()
    else:
        box = got.box(tree="/t", network=True)
        assert (box.tier, box.tree, box.network) == (Tier(tier), "/t", True)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A bwrap that counts how often it is run, and then is the real one."""
    real = process.find_program("bwrap")
    if EXCUSED and not look(Tier.BUBBLEWRAP).works:
        pytest.skip("UET_TEST_NO_BWRAP")
    assert real, "bubblewrap is needed"
    made = tmp_path / "programs" / "bwrap"
    made.parent.mkdir()
    made.write_text(f'#!/bin/sh\necho x >>"{tmp_path}/runs"\nexec {real} "$@"\n')
    made.chmod(0o755)
    monkeypatch.setenv("PATH", f"{made.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    look.cache_clear()
    yield made
    look.cache_clear()


def runs(program: Path) -> int:
    look.cache_clear()
    file = program.parent.parent / "runs"
    before = len(file.read_bytes()) if file.exists() else 0
    look(Tier.BUBBLEWRAP)
    return (len(file.read_bytes()) if file.exists() else 0) - before


def test_what_works_is_remembered_until_something_changes(program: Path) -> None:
    assert runs(program) > 0
    assert runs(program) == 0
    assert look(Tier.BUBBLEWRAP).works
    assert look(Tier.BUBBLEWRAP).program == str(program)
    os.utime(program, (1, 1))
    assert runs(program) > 0
    assert runs(program) == 0
    memory = program.parent.parent / "cache" / "uet-git" / "sandbox-bubblewrap.json"
    for damage in (
        "",
        "{",
        "[]",
        '{"key": 1}',
        json.dumps({**json.loads(memory.read_text()), "key": "x"}),
    ):
        memory.write_text(damage)
        assert runs(program) > 0
    assert memory.stat().st_mode & 0o777 == 0o600


def test_a_failure_is_remembered_for_a_while_only(program: Path) -> None:
    file = program.parent.parent / "runs"
    program.write_text(f'#!/bin/sh\necho x >>"{file}"\necho "bwrap: no such luck" >&2\nexit 1\n')
    assert runs(program) > 0
    assert runs(program) == 0
    assert look(Tier.BUBBLEWRAP).cause == "bwrap does not work: bwrap: no such luck"
    memory = program.parent.parent / "cache" / "uet-git" / "sandbox-bubblewrap.json"
    kept = json.loads(memory.read_text())
    memory.write_text(json.dumps({**kept, "at": time.time() - 601}))
    assert runs(program) > 0


LEAKY = {
    "reaches the network": ("--share-net", "the network can be reached"),
    "writes": ("writes", "what should be read-only can be written"),
    "no namespace of processes": ("none", "what should be hidden can be seen"),
    "does not write": ("lies", "a gate cannot write into its own tree"),
}


@pytest.mark.parametrize("how", LEAKY)
def test_a_sandbox_that_does_not_hold_is_not_used(program: Path, how: str) -> None:
    """It exits 0, and yet does not do what is asked of it."""
    real = program.read_text().rsplit("exec ", 1)[1].split()[0]
    kind, cause = LEAKY[how]
    body = {
        "--share-net": f'shift; exec {real} --unshare-all --share-net "$@"',
        "writes": f'for a; do shift; [ "$a" = --ro-bind ] && a=--bind; set -- "$@" "$a"; done; exec {real} "$@"',
        "none": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
        "lies": "exit 0",
    }
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {real} --version\n{body[kind]}\n')
    look.cache_clear()
    got = look(Tier.BUBBLEWRAP)
    assert not got.works
    assert got.cause == f"bwrap does not work: {cause}"


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "find_program", lambda name: None)
    look.cache_clear()
    got = look(Tier.BUBBLEWRAP)
    look.cache_clear()
    assert (got.works, got.cause) == (False, "bwrap is not installed")
    assert got.fix == ("sudo", "apt-get", "install", "bubblewrap")


SAID = [
    ("bwrap: setting up uid map: Permission denied", {"apparmor": "1"}, "AppArmor", "sysctl"),
    ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", {"apparmor": "1"}, "AppArmor", "sysctl"),
    ("bwrap: No permissions to create new namespace, likely", {"clone": "0"}, "the kernel keeps", "sysctl"),
    ("unshare: unshare failed: No space left on device", {"most": "0"}, "allows no user namespaces", "sysctl"),
    ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", {}, "systempaths=unconfined", ""),
    ("bwrap: Creating new namespace failed: Operation not permitted", {"seccomp": "2"}, "seccomp=unconfined", ""),
    ("unshare: unrecognized option '--map-current-user'\nTry 'unshare --help'", {}, "Try", ""),
    ("", {}, "exit 7", ""),
]  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_causes_have_words_and_a_fix(
    case: tuple[str, dict[str, str], str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said, machine, words, fix = case
    names = {
        sandbox_probe._APPARMOR: "apparmor",
        sandbox_probe._CLONE: "clone",
        sandbox_probe._MOST: "most",
    }
    status = f"Name:\tx\nSeccomp:\t{machine.get('seccomp', '0')}\n"
    monkeypatch.setattr(
        sandbox_probe, "_read", lambda path: status if path.endswith("status") else machine.get(names[path], "")
    )  # fmt: skip
    cause, command = explained(said, "exit 7")
    assert words in cause
    assert (fix in command) if fix else not command


def test_the_box_of_no_tier_keeps_the_environment() -> None:
    env = {"HOME": "/h", "PATH": "/p"}
    assert Box().environment(env) == env
    argv = Box().wrap(["a", "b c"], env, timeout=1, mark="M")
    assert argv[:2] == ["/bin/sh", "-c"]
    assert argv[-3:] == ["M", "a", "b c"]
    assert isinstance(Choice(found("none", True)).box(), Box)


# --- what doctor says ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "state", "words"),
    [
        (True, True, "ok", "gates see no network, and neither your home nor the repository"),
        (False, True, "note", "unshare: gates have no network, but can read and write your files; no bubblewrap"),
        (False, False, "note", "none works: gates run with your rights; no bubblewrap here"),
    ],
)  # fmt: skip
def test_the_doctor_names_the_cause(
    first: bool, second: bool, state: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {
        Tier.BUBBLEWRAP: found("bubblewrap", first)._replace(fix=("fix", "it")),
        Tier.UNSHARE: found("unshare", second),
    }
    monkeypatch.setattr(sandbox_probe, "look", there.__getitem__)
    (check,) = checkup.sandboxes()
    assert (check.name, check.state) == ("sandbox", state)
    assert words in check.text
    assert check.next == (() if first else (("fix", "it"),))


def test_the_doctor_says_when_gates_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {t: found(t, False) for t in (Tier.BUBBLEWRAP, Tier.UNSHARE)}
    there = {**gone, Tier.NONE: found("none", True)}
    monkeypatch.setattr(sandbox_probe, "look", there.__getitem__)
    (check,) = checkledger._held(Settings(require_sandbox=True))
    assert check.state == "problem"
    assert "require_sandbox = true, and no bubblewrap here" in check.text
    (check,) = checkledger._held(Settings())
    assert (check.state, "your rights" in check.text) == ("note", True)
