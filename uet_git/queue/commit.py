"""Makes the commits that land: the patch's author, the user's committer, the message with its trailer (DESIGN 8)."""

import os
import time
from functools import cached_property

from uet_git.errors import SigningFailed
from uet_git.host import process
from uet_git.model import message
from uet_git.model.entry import Entry
from uet_git.model.records import Oid
from uet_git.model.settings import CommitSettings
from uet_git.plumbing import git as gits
from uet_git.plumbing import identity
from uet_git.project import Project

TRAILER = b"Uet-Patch"
INCOMING = b"Uet-Patch-Origin"


def landed_message(
    entry: Entry, settings: CommitSettings, sign_off: tuple[bytes, bytes] | None = None
) -> bytes:
    """The commit message of an entry: its own, an incoming trailer of ours renamed, and our trailer at the end."""
    text = message.clean(entry.message.encode("utf-8", "backslashreplace"))
    if TRAILER.lower() in text.lower():
        text = message.rename_trailer(text, TRAILER, INCOMING)
    if sign_off is not None:
        text = message.sign_off(text, *sign_off)
    return (
        message.with_trailer(text, TRAILER, entry.entry_id.encode()) if settings.trailer else text
    )


class Committer:
    """Makes commit objects for one drain; asks git who the user is once. Close it."""

    def __init__(self, project: Project, settings: CommitSettings) -> None:
        self.project = project
        self.settings = settings
        self._asked: gits.Begun | None = None
        self._author: tuple[bytes, bytes] | None = None
        self._fixed = process.variable("GIT_COMMITTER_DATE")
        self._moment = (-1, b"")  # seconds since the epoch, and how git writes them
        self.signs = (project.config_value("commit.gpgsign") or "").lower() in (
            "true",
            "yes",
            "on",
            "1",
        )

    def ask(self) -> None:
        """Has git begin to find out who commits, unless that is stated."""
        if self._asked is None and self._stated is None:
            self._asked = identity.ask(self.project.git, "COMMITTER")

    @cached_property
    def who(self) -> tuple[bytes, bytes]:
        """The committer's name and mail address. Raises: NoIdentity."""
        if self._stated is not None:
            return self._stated
        self.ask()
        assert self._asked is not None
        return identity.told(self._asked)

    @cached_property
    def _stated(self) -> tuple[bytes, bytes] | None:
        return identity.stated(self.project.config_value)

    def close(self) -> None:
        """Lets go of the question, if nobody wanted to know."""
        if self._asked is not None:
            self._asked.close()

    def make(self, entry: Entry, tree: Oid, parent: Oid | None) -> Oid:
        """Puts the commit of an entry on `parent`; pending, but for signed ones, which git writes.

        Raises: NoIdentity, SigningFailed.
        """
        text = landed_message(entry, self.settings, self.who if entry.sign_off else None)
        author = self._author_of(entry)
        date = entry.author_date.encode("ascii") if entry.author_date else self._now()
        if self.signs:
            return self._signed(text, tree, parent, author, date)
        parents = [] if parent is None else [parent]
        body = message.commit_object(
            tree, parents, author, date, self.who, self._committed_at(), text
        )
        return self.project.objects.put("commit", body)

    def _author_of(self, entry: Entry) -> tuple[bytes, bytes]:
        if entry.author_name is not None and entry.author_email is not None:
            return entry.author_name.encode(), entry.author_email.encode()
        if self._author is None:
            self._author = identity.find(self.project.git, "AUTHOR")
        return self._author

    def _now(self) -> bytes:
        seconds = self.project.clock.time_ns() // 1_000_000_000
        if self._moment[0] != seconds:  # the system looks its time zone up anew for each
            zone = time.strftime("%z", time.localtime(seconds)).encode("ascii")
            self._moment = (seconds, b"%d %b" % (seconds, zone))
        return self._moment[1]

    def _committed_at(self) -> bytes:
        if self._fixed is None:
            return self._now()
        stamp = (
            self.project.git.run("var", "GIT_COMMITTER_IDENT")
            .out.rstrip(b"\n")
            .rpartition(b"> ")[2]
        )
        self._fixed = None if not stamp else self._fixed
        return stamp or self._now()

    def _signed(
        self, text: bytes, tree: Oid, parent: Oid | None, author: tuple[bytes, bytes], date: bytes
    ) -> Oid:
        """Has git sign: the tree is written first, as git refuses one that it does not have."""
        self.project.objects.write()
        env = {
            "GIT_AUTHOR_NAME": os.fsdecode(author[0]),
            "GIT_AUTHOR_EMAIL": os.fsdecode(author[1]),
            "GIT_AUTHOR_DATE": "@" + date.decode("ascii"),
        }
        parents = () if parent is None else ("-p", parent)
        done = self.project.git.run(
            "commit-tree", "-S", *parents, "-F", "-", tree, stdin=text, env=env, check=False
        )
        if done.code != 0:
            raise SigningFailed(
                gits.words(done.err),
                next=("git", "config", "--get-regexp", "^(user.signingkey|gpg)"),
            )
        return Oid(done.out.decode("ascii").strip())
