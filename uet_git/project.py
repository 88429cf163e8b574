"""One open repository: the only place where the rooms are put together (DESIGN 3).

The ledger lies in `<git common dir>/uet`, so linked work trees share it; `.ledger` at a work tree's top is a link to
that folder, for people.
"""

import os
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from uet_git.errors import (
    ConfigError,
    DetachedHead,
    LedgerMissing,
    LedgerOnNetwork,
    LedgerReadOnly,
    NoLedger,
    UsageError,
)
from uet_git.host import files, heap, process
from uet_git.host.clock import Clock
from uet_git.ledger import ledger as ledgers
from uet_git.ledger.ledger import Ledger, Writer
from uet_git.model.records import EXECUTABLE, REGULAR, Oid, Patch
from uet_git.model.settings import Settings
from uet_git.plumbing import git as gits
from uet_git.plumbing import refs
from uet_git.plumbing.git import Begun, Git
from uet_git.plumbing.hookhome import HookHome
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.refs import RefWriter
from uet_git.plumbing.worktrees import WorkTrees

if TYPE_CHECKING:
    from uet_git.host.user_policy import UserPolicy

LINK = ".ledger"
CONFIG_FILE = "uet.toml"
TRUST_VARIABLE = "UET_TRUST"
WATCHING = "watching_since"
_UNCONFIGURED = Settings()
_TIGHTENING = tuple(
    f"UET_{t}"
    for t in (
        *("LIMITS_", "POLICY_", "QUEUE_", "GATES_", "COMMIT_", "PRESET"),
        *("SANDBOX", "REQUIRE_SANDBOX"),
    )
)
_PARSED_BYTES = 8 * 1024 * 1024


class Parsed:
    """Patches parsed in this process, by id, as long as their bytes stay under a bound (memory, not truth)."""

    def __init__(self) -> None:
        self._patches: dict[str, Patch] = {}
        self._bytes = 0

    def keep(self, patch_id: str, patch: Patch, size: int) -> None:
        """Remembers a patch if there is room."""
        if self._bytes + size <= _PARSED_BYTES:
            self._patches[patch_id] = patch
            self._bytes += size

    def take(self, patch_id: str) -> Patch | None:
        """The patch, if it is remembered."""
        return self._patches.get(patch_id)


class Project:
    """An open repository with its ledger, objects and refs. Close it."""

    def __init__(self, git: Git, clock: Clock, *, origin: str | None = None) -> None:
        self.git = git
        self.clock = clock
        self.parsed = Parsed()
        self.jobs = 0  # gates that run at once; 0: one for each processor
        self._origin = origin or process.variable("UET_ORIGIN")
        self._ledger: Ledger | None = None
        self._settings: dict[str, Settings] = {}
        self._written: dict[str, Settings] = {}
        self._flags: dict[str, object] = {}
        self.notified = 0  # the last event that the user's own program was told of
        self.patience: float | None = None  # seconds to wait for other writers; None: for ever

    @classmethod
    def open(
        cls, folder: str | None = None, *, origin: str | None = None, clock: Clock | None = None
    ) -> "Project":
        """Opens the repository that `folder` (default: the current one) lies in. Raises: NotARepository."""
        return cls(gits.discover(folder or os.getcwd()), clock or Clock(), origin=origin)

    def close(self) -> None:
        """Ends every child and closes the database."""
        for name in ("objects", "refs"):
            part = self.__dict__.pop(name, None)
            if part is not None:
                part.close()
                if name == "objects":
                    part.deflater.close()
                heap.left(part)
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- where things are ------------------------------------------------------------------------------------

    @property
    def home(self) -> Path:
        """The folder that holds the ledger."""
        return Path(self.git.common_dir) / "uet"

    @property
    def ledger_path(self) -> Path:
        """The database file."""
        return self.home / ledgers.FILE_NAME

    @cached_property
    def config(self) -> dict[str, list[str]]:
        """Git's configuration as it stands; keys in lower case as `git config --list` prints them."""
        return gits.config(self.git)

    def forget_config(self) -> None:
        """Has the configuration read anew by whoever asks next; for what lives longer than a command."""
        self.__dict__.pop("config", None)

    def config_value(self, key: str) -> str | None:
        """The last value of a git configuration key."""
        values = self.config.get(key)
        return values[-1] if values else None

    @cached_property
    def actor(self) -> str:
        """Who this process acts for: `agent:NAME` with an origin, else `person:NAME`."""
        if self._origin:
            return f"agent:{self._origin}"
        name = self.config_value("user.name") or process.user_name()
        kind = "ci" if process.variable("CI") in ("true", "1") else "person"
        return f"{kind}:{_plain(name or 'unknown')}"

    @cached_property
    def objects(self) -> Objects:
        """The repository's objects."""
        return Objects(self.git)

    @cached_property
    def refs(self) -> RefWriter:
        """The repository's refs."""
        return RefWriter(self.git)

    @cached_property
    def hook_home(self) -> HookHome:
        """What hooks and commands leave for each other."""
        return HookHome(str(self.home))

    @cached_property
    def worktrees(self) -> WorkTrees:
        """The repository's work trees."""
        return WorkTrees(self.git)

    def log_ref(self) -> str:
        """The ref whose commits hold the ledger's events."""
        return refs.log_ref(self.ledger.ledger_id)

    # -- the ledger ------------------------------------------------------------------------------------------

    def has_ledger(self) -> bool:
        """Whether this repository has a ledger. Raises: LedgerMissing if it should have one and has not."""
        if self.ledger_path.exists():
            return True
        known = self.config_value("uet.ledger")
        if known is not None:
            raise LedgerMissing(f"ledger {known} should be at {self.ledger_path}")
        return False

    @property
    def ledger(self) -> Ledger:
        """The open ledger. Raises: NoLedger, LedgerMissing and what opening raises."""
        if self._ledger is None:
            if not self.has_ledger():
                raise NoLedger(self.git.top or self.git.git_dir)
            self._ledger = self._open_ledger()
        return self._ledger

    def _open_ledger(self) -> Ledger:
        writable = os.access(self.ledger_path, os.W_OK) and os.access(self.home, os.W_OK)
        return Ledger(
            self.ledger_path,
            self.clock,
            self.actor,
            read_only=not writable,
            patience=self.patience,
        )

    def require_writable(self) -> None:
        """Raises: LedgerReadOnly if the ledger's folder or file cannot be written."""
        for path in (self.ledger_path, self.home):
            if not os.access(path, os.W_OK):
                raise LedgerReadOnly(str(path))

    def ensure_ledger(self, *, force: bool = False) -> bool:
        """Makes the ledger if there is none; tells whether it did. `force` allows a network file system.

        Raises: LedgerMissing, LedgerOnNetwork, LedgerReadOnly, DiskFull.
        """
        if self.has_ledger():
            self.require_writable()
            self._remember_ledger(self._note_ledger())
            return False
        kind = files.network_file_system(self.git.common_dir)
        if kind is not None and not force:
            raise LedgerOnNetwork(
                f"{self.git.common_dir} is on {kind}", next=("uet-git", "init", "--force")
            )
        with files.os_errors(f"making {self.home}", read_only=LedgerReadOnly):
            self.home.mkdir(mode=0o700, exist_ok=True)
        ledgers.create(self.ledger_path, self.clock, self.actor)
        with closing(refs.ask_branches(self.git)) as asked:
            note = self._note_ledger()
            try:
                if self.ledger.meta(WATCHING) is None:
                    with self.ledger.write() as write:
                        self.begin_to_watch(write, asked)
            finally:
                self._remember_ledger(note)
        with suppress(UsageError):  # somebody else's `.ledger`: we go by the folder, doctor tells
            self.link()
        return True

    def begin_to_watch(self, write: Writer, asked: Begun | None = None) -> None:
        """Records every branch's tip as the baseline: what is older is `before` the ledger."""
        write.handmade.baseline(refs.branches(self.git, asked))
        write.set_meta(WATCHING, self.clock.now())

    def _note_ledger(self) -> Begun | None:
        """Has git note which ledger there should be, None where it knows."""
        if self.config_value("uet.ledger") is not None:
            return None
        return self.git.begin("config", "uet.ledger", self.ledger.ledger_id, check=False)

    def _remember_ledger(self, note: Begun | None) -> None:
        if note is None:
            return
        if note.end().code != 0:
            from uet_git.plumbing.stalelocks import remove_config_lock

            # A killed process of ours can have left the lock; another's lock only puts the note off.
            born = self.ledger_path.stat().st_ctime
            again = remove_config_lock(self.git, born) and self._note_ledger()
            if not again or again.end().code != 0:
                return
        self.config["uet.ledger"] = [self.ledger.ledger_id]

    def link(self) -> str | None:
        """Puts the `.ledger` link into this work tree and hides it from git; None in a bare repository.

        Raises: UsageError if something else has that name.
        """
        if self.git.top is None:
            return None
        self.hide_link()
        link = os.path.join(self.git.top, LINK)
        if os.path.lexists(link):
            if not os.path.islink(link):
                raise UsageError(f"{link} exists and is not our link", next=("ls", "-ld", link))
            if os.path.realpath(link) == os.path.realpath(self.home):
                return link
            if os.path.basename(os.readlink(link)) != self.home.name:
                raise UsageError(f"{link} exists and is not our link", next=("ls", "-ld", link))
            os.unlink(link)  # ours, of a repository that was moved or copied
        with files.os_errors(f"linking {link}"):
            os.symlink(os.path.relpath(self.home, self.git.top), link)
        return link

    def hide_link(self, *, look_only: bool = False) -> bool:
        """Keeps the link out of `git status` by a line in info/exclude; tells whether the line was missing."""
        from uet_git.plumbing import excludes

        return excludes.hide(self.git, LINK, look_only=look_only)

    # -- the target ------------------------------------------------------------------------------------------

    def target(self, onto: str | None, *, like_am: bool) -> str:
        """The full name of the branch to land on (DESIGN 4): `onto`; else for `like_am` the checked-out branch;
        else `uet.branch`; else the checked-out branch. Raises: DetachedHead, UsageError.
        """
        if onto is not None:
            name = onto if onto.startswith("refs/heads/") else f"refs/heads/{onto}"
            if self.tip(name) is None and name != gits.branch(self.git):
                raise UsageError(
                    f"there is no branch {_plain(onto)}", next=("git", "branch", "--list")
                )
            return name
        configured = self.config_value("uet.branch")
        if configured is not None and not like_am:
            return (
                configured if configured.startswith("refs/heads/") else f"refs/heads/{configured}"
            )
        branch = gits.branch(self.git)
        if branch is None:
            raise DetachedHead("name the branch with --onto", next=("git", "branch", "--list"))
        return branch

    def settings_at(self, tip: Oid | None) -> Settings:
        """The settings in the `uet.toml` of a commit (P6: the target's tip decides), tightened by flags and variables.

        Raises: ConfigError; LooserThanBase, UsageError for a flag or variable.
        """
        blob = self.config_blob(tip) or ""
        if blob not in self._settings:
            self._settings[blob] = self._tightened(self.written(Oid(blob)))
        return self._settings[blob]

    def written(self, blob: Oid | None) -> Settings:
        """The settings as a `uet.toml` says them, nothing laid over; those of none without one. Raises: ConfigError."""
        if not blob:
            return _UNCONFIGURED
        if blob not in self._written:
            from uet_git.host import config

            self._written[blob] = config.parse_toml(self.objects.blob(blob), blob)
        return self._written[blob]

    def _tightened(self, settings: Settings) -> Settings:
        if not self._flags and not process.any_variable(_TIGHTENING):
            return settings
        from uet_git.host import tighten

        return tighten.tighten(settings, self._flags)

    def override(self, **flags: object) -> None:
        """Flags over every target's settings, by setting name with `__` for the dot; they only tighten (P6)."""
        self._flags |= {k.replace("__", "."): v for k, v in flags.items() if v is not None}
        self._settings.clear()

    def overrides(self) -> dict[str, object]:
        """What is laid over every target's settings in this call, by name of flag or variable: for the record."""
        if not self._flags and not process.any_variable((*_TIGHTENING, TRUST_VARIABLE)):
            return {}
        from uet_git.host import tighten

        return tighten.in_force(self._flags, TRUST_VARIABLE)

    @cached_property
    def user_policy(self) -> "UserPolicy | None":
        """The user's own policy, None without one. Raises: ConfigError."""
        from uet_git.host import user_policy

        return user_policy.read()

    def tip(self, target: str) -> Oid | None:
        """Where a ref (full name) points right now; None while a branch is unborn. Starts no process."""
        return self.objects.resolve(target)

    def config_blob(self, tip: Oid | None) -> Oid | None:
        """The id of a commit's `uet.toml`, None without one. Raises: ConfigError."""
        return None if tip is None else self.config_blob_in(self.tree_of(tip))

    @property
    def config_path(self) -> str:
        """Where `uet.toml` is, as one types it here."""
        top = self.git.top
        return CONFIG_FILE if top is None else os.path.relpath(os.path.join(top, CONFIG_FILE))

    def config_blob_in(self, tree: Oid) -> Oid | None:
        """The id of a tree's `uet.toml`, None without one. Raises: ConfigError."""
        entry = self.objects.tree(tree).get(CONFIG_FILE.encode())
        if entry is None:
            return None
        if entry[0] not in (REGULAR, EXECUTABLE):
            # Read as "no gates", a link here would let everything through (P6).
            raise ConfigError(
                f"{CONFIG_FILE} on the branch is not a regular file",
                next=("git", "log", "--", self.config_path),
            )
        return Oid(entry[1])

    def tree_of(self, commit: Oid) -> Oid:
        """The tree of a commit."""
        return Oid(self.objects.commit(commit)[5 : 5 + self.git.hex_length].decode("ascii"))

    def tip_tree(self, tip: Oid | None) -> Oid:
        """The tree of a tip; the empty tree for an unborn branch."""
        return Oid(self.git.empty_tree) if tip is None else self.tree_of(tip)


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\n", " ")
