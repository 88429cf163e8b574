"""Large ledgers for the benchmarks: made through the ledger's own writer, so that every guard holds."""

import subprocess
from pathlib import Path
from typing import Any

from bench.workloads import ENV, git
from uet_git.ledger.entries import Move
from uet_git.model.entry import StoredPatch
from uet_git.project import Project


def filled(folder: Path, entries: int) -> Path:
    """A repository whose ledger holds so many landed entries."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], env=ENV, check=True)
    git(folder, "commit", "-q", "--allow-empty", "-m", "base")
    with Project.open(str(folder)) as project:
        project.ensure_ledger()
        for start in range(0, entries, 5_000):
            _fill(project, start, min(start + 5_000, entries))
        from uet_git.queue import anchor

        anchor.anchor_now(project)
    return folder


def _fill(project: Project, start: int, end: int) -> None:
    clock, ledger = project.clock, project.ledger
    patches, rows, ids = [], [], []
    for number in range(start + 1, end + 1):
        patch_id, entry_id = clock.ulid(), clock.ulid()
        patches.append(
            (
                StoredPatch(patch_id, "0" * 64, 1, None, ["a"], 1, 1, 0, 1, None, clock.now()),
                b"x\x9c\x03\x00\x00\x00\x00\x01",
            )
        )
        row: dict[str, Any] = {
            **{
                "entry_id": entry_id,
                "patch_id": patch_id,
                "project_id": ledger.project_id,
                "number": number,
                "revision": 1,
            },
            **{
                "identity": f"{number:064x}",
                "sha256": "0" * 64,
                "target": "refs/heads/main",
                "title": f"Change {number}",
            },
            **{"submitter": "person:bench", "message": f"Change {number}\n"},
        }
        rows.append(row)
        ids.append(entry_id)
    with ledger.write() as write:
        write.entries.add_patches(patches)
        write.entries.add(rows, None)
        flags = {"format_ok": 1, "scope_ok": 1, "constraints_ok": 1}
        for frm, to, columns in (
            ("created", "validated", flags),
            ("validated", "queued", {}),
            ("queued", "applied", {"tree": "0" * 40}),
            ("applied", "verified", {}),
            ("verified", "committed", {"commit_id": "0" * 40}),
        ):
            write.entries.move([Move(i, frm, to, {}, columns) for i in ids])
