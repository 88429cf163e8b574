"""Every error the product raises. A bad outcome (a conflict, a red gate) is a value; these are broken worlds.

The docstring of a class is its message. `code` names it in JSON, `exit_code` is that of the process
(DESIGN 14), `next` is the command that helps, as argv.
"""

from collections.abc import Sequence


class UetError(Exception):
    """Something in the world is broken."""

    code = "error"
    exit_code = 3
    default_next: tuple[str, ...] = ("uet-git", "doctor")

    def __init__(self, detail: str = "", *, next: Sequence[str] | None = None) -> None:  # noqa: A002
        self.detail = detail
        self.next = tuple(next) if next is not None else self.default_next
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The class's sentence, then what is special to this case."""
        doc = (type(self).__doc__ or "").strip().splitlines()[0].rstrip(".")
        return f"{doc}: {self.detail}" if self.detail else doc


class UsageError(UetError):
    """That command line cannot be carried out."""

    code = "usage"
    exit_code = 2
    default_next = ("uet-git", "--help")


class AmbiguousArgument(UsageError):
    """An argument can be read in two ways."""

    code = "usage.ambiguous"


class DetachedHead(UsageError):
    """HEAD is detached, so there is no branch to land on."""

    code = "usage.detached_head"


class LooserThanBase(UsageError):
    """A layer, flag or variable may tighten the rules above it, never loosen them."""

    code = "usage.looser"


class MergeInRange(UsageError):
    """The commit range contains a merge, which a series of patches cannot carry."""

    code = "parse.merge_in_range"


class NotARepository(UetError):
    """This is not a git repository."""

    code = "git.not_a_repository"
    default_next = ("git", "init")


class DubiousOwnership(NotARepository):
    """Git does not trust this repository, because someone else owns it."""

    code = "git.dubious_ownership"


class GitMissing(UetError):
    """The git command was not found, or is too old."""

    code = "git.missing"


class GitFailed(UetError):
    """A git command failed."""

    code = "git.failed"


class GitLocked(UetError):
    """Another git process holds a lock in this repository."""

    code = "git.locked"
    exit_code = 4
    default_next = ("uet-git", "doctor")


class NoIdentity(UetError):
    """Git does not know who you are, so nothing can be committed."""

    code = "git.no_identity"
    default_next = ("git", "config", "user.email", "you@example.com")


class SigningFailed(UetError):
    """Git could not sign the commit, so nothing landed."""

    code = "git.signing_failed"


class MissingObject(UetError):
    """The repository lacks an object that it should have."""

    code = "git.missing_object"
    default_next = ("git", "fsck")


class CorruptObject(UetError):
    """An object of the repository is damaged."""

    code = "git.corrupt_object"
    default_next = ("git", "fsck")


class ObjectTooLarge(UetError):
    """An object of the repository is larger than the limit."""

    code = "git.object_too_large"


class RefMoved(UetError):
    """A ref was moved by someone else in the same moment."""

    code = "git.ref_moved"
    exit_code = 4


class NoInput(UetError):
    """That input cannot be read."""

    code = "input.unreadable"
    exit_code = 2
    default_next = ("uet-git", "submit", "--help")


class LedgerMissing(UetError):
    """This repository is configured for a ledger, but the ledger is not there."""

    code = "ledger.missing"
    default_next = ("uet-git", "fsck", "--repair")


class NoLedger(UetError):
    """This repository has no ledger yet."""

    code = "ledger.none"
    default_next = ("uet-git", "init")


class LedgerForeign(UetError):
    """The ledger file is not a uet-git ledger; it was not touched."""

    code = "ledger.foreign"


class LedgerEmpty(UetError):
    """The ledger file is empty (zero bytes); it was not touched."""

    code = "ledger.empty"
    default_next = ("uet-git", "fsck", "--repair")


class LedgerCorrupt(UetError):
    """The ledger file is damaged; it was not touched."""

    code = "ledger.corrupt"
    default_next = ("uet-git", "fsck", "--repair")


class LedgerNewer(UetError):
    """The ledger was written by a newer uet-git; it was not touched."""

    code = "ledger.newer"
    default_next = ("python3", "-m", "pip", "install", "--upgrade", "uet-git")


class LedgerReadOnly(UetError):
    """The ledger cannot be written."""

    code = "ledger.read_only"


class LedgerBusy(UetError):
    """The ledger is in use by another process."""

    code = "ledger.busy"
    exit_code = 4
    default_next = ("uet-git", "status")


class LedgerOnNetwork(UetError):
    """The ledger would lie on a network file system, where SQLite is not safe."""

    code = "ledger.network_fs"


class BackupUnusable(UetError):
    """That file cannot become this repository's ledger; nothing was changed."""

    code = "ledger.backup_unusable"
    exit_code = 2
    default_next = ("uet-git", "restore", "--help")


class IllegalMove(UetError):
    """A state machine was asked for a move that its table does not have."""

    code = "ledger.illegal_move"
    exit_code = 70


class StaleMove(UetError):
    """Another process moved the same row first."""

    code = "ledger.stale_move"
    exit_code = 4


class DiskFull(UetError):
    """The disk is full; what was reported done is safe."""

    code = "io.disk_full"
    default_next = ("df", "-h", ".")


class IoFailed(UetError):
    """The operating system refused to read or write."""

    code = "io.failed"


class ConfigError(UetError):
    """The configuration cannot be used."""

    code = "config.invalid"


class QueueBusy(UetError):
    """Another process is draining the queue."""

    code = "queue.busy"
    exit_code = 4
    default_next = ("uet-git", "status")


class TipMoving(UetError):
    """The target's tip moved three times while patches were landing."""

    code = "queue.tip_moving"
    exit_code = 4
    default_next = ("uet-git", "apply")


class NotFound(UetError):
    """Nothing in the ledger has that number or id."""

    code = "ledger.not_found"
    exit_code = 2
    default_next = ("uet-git", "list")


class NeedsPerson(UetError):
    """This decision belongs to a person; an agent cannot take it."""

    code = "policy.needs_person"
    exit_code = 2


class NotTrusted(UetError):
    """These gates are not accepted on this machine, so none of them runs."""

    code = "gate.untrusted"
    exit_code = 1
    default_next = ("uet-git", "trust")


class RepositoryTampered(UetError):
    """The repository was changed while its gates ran, so the queue stops."""

    code = "gate.tampered"
    default_next = ("uet-git", "fsck")


class NotWaivable(UsageError):
    """That finding cannot be waived."""

    code = "policy.not_waivable"
    default_next = ("uet-git", "list")


class NotYours(UsageError):
    """Nobody approves their own change where the policy asks for reviewers."""

    code = "policy.own_change"
    default_next = ("uet-git", "list")


class Redacted(UsageError):
    """Its content was redacted, or lost with the database: nobody can read, judge or land it any more."""

    code = "ledger.redacted"
    default_next = ("uet-git", "list")


class SchemaMismatch(UetError):
    """A document does not satisfy its schema."""

    code = "schema.mismatch"
    exit_code = 70
