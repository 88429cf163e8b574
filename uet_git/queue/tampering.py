"""tampering: a gate changed the repository instead of its tree: nothing lands until a person looked (DESIGN 9)."""

from uet_git.errors import RepositoryTampered, UetError
from uet_git.project import Project


def pause(project: Project, target: str, found: RepositoryTampered) -> None:
    """Pauses the queue of a target; a ledger that cannot take it must not hide what was found."""
    try:
        with project.ledger.write() as write:
            write.landings.pause(target, found.code, found.detail, project.actor)
    except (UetError, OSError):
        return
