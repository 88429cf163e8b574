"""fsck: proves the ledger against itself, its anchors and the commits; reads only (DESIGN 2 P3 P10, 6).

Codes, all damage but those marked (i), which are information:
 the file     database_damaged, dangling_row, migration_changed, schema_changed, schema_older (i), other_ledger,
              ledger_not_configured (i)
 the chain    event_missing, event_edited, event_moved, event_replaced
 the anchors  anchor_missing, anchor_damaged, anchor_differs, anchor_rolled_back, ledger_truncated,
              ledger_rolled_back, ledger_forked, unanchored (i)
 the rows     row_missing, row_without_event, row_changed, row_unreadable, state_mismatch, illegal_history,
              patch_damaged, redaction_undone, document_mismatch
 a rebuild    fields_unknown (i)
 quarantine/  quarantine_missing, quarantine_differs, quarantine_behind (i), quarantine_left_over (i),
              quarantine_stray (i)
 the commits  commit_differs, patch_differs, landed_twice, landing_missing, forged_trailer, pin_differs, pin_missing,
              commit_gone (i), commit_rewritten (i), commit_not_on_branch (i), commit_copied (i), foreign_trailer (i),
              landing_open (i), entry_stranded (i), stale_pin (i)
"""

from uet_git.errors import LedgerCorrupt, LedgerReadOnly, NoLedger
from uet_git.ledger import connection, inspect
from uet_git.ledger.ledger import Ledger
from uet_git.project import Project
from uet_git.queue import fsck_chain, fsck_handmade, fsck_quarantine, fsck_refs
from uet_git.queue.fsck_commits import Commits, Landings
from uet_git.queue.fsck_refs import Branches, Known
from uet_git.queue.fsck_rows import Rows
from uet_git.queue.problem import DAMAGE, INFORMATION, Problem, Problems

__all__ = ["DAMAGE", "INFORMATION", "Problem", "check"]

_OF_ROWS = (
    *("row_changed", "state_mismatch", "row_without_event", "illegal_history", "document_mismatch"),
    *("patch_damaged", "event_missing", "event_edited", "event_moved", "event_replaced"),
)
"""What already tells that the rows, and so what would be written of them, are not to be believed."""
_OTHER_COPY = ("ledger_truncated", "ledger_rolled_back", "ledger_forked")


def check(project: Project, *, full: bool = True) -> list[Problem]:
    """Everything that is not as it was recorded, damage first; `full` also compares each commit with its patch.

    Raises: NoLedger, LedgerMissing, LedgerEmpty, LedgerForeign, LedgerNewer, LedgerCorrupt (it cannot even be opened),
    and what git raises.
    """
    if not project.has_ledger():
        raise NoLedger(project.git.top or project.git.git_dir)
    problems = Problems()
    ledger = _open(project)
    try:
        with connection.translated(project.ledger_path):
            _check(project, ledger, problems, full=full)
    except LedgerCorrupt as exc:
        if not problems.has("database_damaged"):
            problems.damage("database_damaged", exc.detail, _look(project))
    finally:
        ledger.close()
    return problems.found()


def _open(project: Project) -> Ledger:
    """The ledger as it is: never migrated here; written to only by SQLite itself, to undo what a crash left."""
    try:
        return Ledger(project.ledger_path, project.clock, project.actor, read_only=True)
    except LedgerReadOnly:
        return Ledger(project.ledger_path, project.clock, project.actor)


def _check(project: Project, ledger: Ledger, problems: Problems, *, full: bool) -> None:
    if not _check_file(project, ledger, problems):
        return
    chain = fsck_chain.check(project, ledger, problems)
    fsck_chain.check_documents(ledger, chain.wrong, problems)
    rows = Rows(ledger, chain, problems)
    landings = Landings()
    for run in rows.runs():
        landings.add(run)
    commits = Commits(project, ledger, problems, landings, full=full)
    commits.unknown = rows.unknown
    known: dict[str, Known] = {}
    for entry, patch in rows.entries():
        known[entry.entry_id] = fsck_refs.known(entry)
        if entry.commit_id is not None:
            commits.check(entry, patch)
    rows.others()
    rows.lost()
    rows.told_unknown()
    fsck_handmade.check(ledger, chain, problems)
    if chain.whole and not problems.has("row_missing", "row_unreadable"):
        for table, parent in inspect.dangling(ledger):
            text = f"a row of {table} refers to a row of {parent} that is not there"
            problems.damage("dangling_row", text, _look(project))
    if problems.has(*_OTHER_COPY):
        return  # what landed since then is not in this copy: every look at the branches would only say so again
    Branches(project, ledger, problems, known, commits, rows.unsound).check()
    fsck_refs.check_pins(project, known, landings, problems)
    if not problems.has("row_missing", "row_unreadable"):
        fsck_quarantine.check(project, ledger, problems, compare=not problems.has(*_OF_ROWS))


def _check_file(project: Project, ledger: Ledger, problems: Problems) -> bool:
    """The database as a file; False if nothing in it can be read for sure."""
    for line in inspect.damage(ledger):
        problems.damage("database_damaged", line, _look(project))
    version, newest = inspect.version(ledger), inspect.newest_version()
    if version < newest:
        text = f"its schema is {version}, this version's is {newest}: the next command that writes brings it there"
        problems.note("schema_older", text, ("uet-git", "status"))
    for name in inspect.changed_migrations(ledger) if version >= newest else ():
        text = f"its migration {name} is not the one that this version ships"
        problems.damage("migration_changed", text, _look(project))
    for name in inspect.changed_schema(ledger) if version >= newest else ():
        problems.damage("schema_changed", f"{name} is not as it was made", _look(project))
    _check_config(project, ledger, problems)
    return version >= newest and not problems.has("database_damaged")


def _check_config(project: Project, ledger: Ledger, problems: Problems) -> None:
    configured = project.config_value("uet.ledger")
    set_it = ("git", "config", "uet.ledger", ledger.ledger_id)
    if configured is None:
        text = "git config uet.ledger does not name the ledger: its loss would not be noticed"
        problems.note("ledger_not_configured", text, set_it)
    elif configured != ledger.ledger_id:
        text = f"this is ledger {ledger.ledger_id}, git config uet.ledger names {configured}"
        problems.damage("other_ledger", text, ("git", "config", "--get-all", "uet.ledger"))


def _look(project: Project) -> tuple[str, ...]:
    return ("ls", "-l", str(project.home))
