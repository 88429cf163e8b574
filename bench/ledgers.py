"""Large ledgers for the benchmarks: made through the ledger's own writer, so that every guard holds."""

import hashlib
import subprocess
import zlib
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


HELD = ("policy.protected_path", "policy.lockfile", "gate.failed", "queue.dropped_before")


def held(folder: Path, entries: int, quarantined: int) -> Path:
    """A repository whose ledger holds so many landed entries and so many quarantined ones, of several reasons."""
    filled(folder, entries - quarantined)
    with Project.open(str(folder)) as project:
        rows, patches, ids = [], [], []
        for place in range(quarantined):
            number = entries - quarantined + place + 1
            content = _diff(f"part{place % 20}/file{place}.txt", 5 + place % 60)
            patch_id, sha256 = project.clock.ulid(), hashlib.sha256(content).hexdigest()
            lines = content.count(b"\n+") - 1
            about = (patch_id, sha256, len(content), None, [f"part{place % 20}/file{place}.txt"])
            stored = StoredPatch(*about, 1, lines, 0, 1, None, project.clock.now())
            patches.append((stored, zlib.compress(content)))
            rows.append({**_row(project, number, patch_id), "sha256": sha256})
            ids.append(rows[-1]["entry_id"])
        with project.ledger.write() as write:
            write.entries.add_patches(patches)
            write.entries.add(rows, None)
            moves = []
            for place, entry_id in enumerate(ids):
                code = HELD[place % len(HELD)]
                finding = {"code": code, "detail": "as a benchmark says", "path": None, "line": 0}
                columns = {"reason": code, "detail": "as a benchmark says", "findings": [finding]}
                moves.append(Move(entry_id, "created", "quarantined", {"reason": code}, columns))
            write.entries.move(moves)
        from uet_git.queue import anchor

        anchor.anchor_now(project)
    return folder


def _diff(name: str, lines: int) -> bytes:
    """A new file of so many lines."""
    head = f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n"
    body = "".join(f"+line {n} of a file that somebody wants to add\n" for n in range(lines))
    return f"{head}@@ -0,0 +1,{lines} @@\n{body}".encode()


def _row(project: Project, number: int, patch_id: str) -> dict[str, Any]:
    """A new entry's columns."""
    return {
        **{"entry_id": project.clock.ulid(), "patch_id": patch_id, "number": number, "revision": 1},
        **{"project_id": project.ledger.project_id, "identity": f"{number:064x}", "sha256": "0" * 64},
        **{"target": "refs/heads/main", "title": f"Change {number}", "submitter": "person:bench"},
        "message": f"Change {number}\n",
    }  # fmt: skip


def _fill(project: Project, start: int, end: int) -> None:
    clock, ledger = project.clock, project.ledger
    patches, rows, ids = [], [], []
    for number in range(start + 1, end + 1):
        patch_id = clock.ulid()
        patches.append(
            (
                StoredPatch(patch_id, "0" * 64, 1, None, ["a"], 1, 1, 0, 1, None, clock.now()),
                b"x\x9c\x03\x00\x00\x00\x00\x01",
            )
        )
        row = _row(project, number, patch_id)
        rows.append(row)
        ids.append(row["entry_id"])
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
