"""submit: takes patches in. Each is judged, recorded and queued or set aside, all in one transaction (DESIGN 4)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from uet_git.errors import NotFound, UsageError
from uet_git.ledger.entries import Entries, Move
from uet_git.ledger.ledger import Writer
from uet_git.ledger.repairs import sha256
from uet_git.model import message, order, series
from uet_git.model.entry import Entry, Series, StoredPatch
from uet_git.model.named import NamedTuple
from uet_git.model.reasons import REASONS, Gravity
from uet_git.model.records import Finding
from uet_git.project import Project
from uet_git.queue import set_aside, validate
from uet_git.queue.again import look_ahead
from uet_git.queue.collect import BY_PERSON, Part, collect, identify, offer_repairs
from uet_git.queue.options import Options, Source

if TYPE_CHECKING:
    from uet_git.model.repair import Repaired


class Submitted(NamedTuple):
    """What became of one part: its entry, and whether the ledger had it before."""

    entry: Entry
    existing: bool


def submit(
    project: Project, sources: Sequence[Source], options: Options, *, run: str | None = None
) -> list[Submitted]:
    """Records every patch of `sources` and returns one Submitted for each, in series order.

    Raises: UsageError (options that do not go together), NotFound (a number that is not there).
    """
    parts, cover = collect(project, sources, options)
    identify(project, parts, options)
    offer_repairs(project, parts, options)
    look_ahead(project, parts, options)
    with project.ledger.write() as write:
        return record(project, write, parts, cover, options, run)


def record(
    project: Project,
    write: Writer,
    parts: Sequence[Part],
    cover: str | None,
    options: Options,
    run: str | None,
) -> list[Submitted]:
    """Records judged patches inside a transaction."""
    overrides = {} if run is not None else project.overrides()  # a run has them in its own event
    taken = Intake(project, write, options, run).take(parts, cover)
    if overrides:
        write.note("note", {"overrides": overrides, "submitted": [t.entry.label for t in taken]})
    return taken


def check_options(entries: Entries | None, parts: Sequence[Part], options: Options) -> None:
    """Whether the numbers that options name are there and may be replaced. Raises: NotFound, UsageError."""
    replaced = [n for n in (options.replaces, options.replaces_series) if n is not None]
    for number in (*options.depends_on, *replaced):
        if entries is None or entries.revision(number) is None:
            raise NotFound(f"change {number}")
        if number in replaced:
            replaceable(entries, number)
    if options.replaces is not None and len(parts) != 1:
        raise UsageError("--replaces takes one patch; use --replaces-series for several")


def replaceable(entries: Entries, number: int) -> Entry:
    """The newest revision of a change that has not landed. Raises: NotFound, UsageError."""
    entry = entries.revision(number)
    if entry is None:
        raise NotFound(f"change {number}")
    if entry.state in ("committed", "rolled_back"):
        raise UsageError(
            f"change {number} has landed; hand in a new patch instead",
            next=("uet-git", "show", str(number)),
        )
    return entry


def is_series(parts: Sequence[Part], options: Options) -> bool:
    """Whether the patches of one call are one series."""
    return len(parts) > 1 and not options.independent and options.replaces is None


def same_twice(part: Part) -> UsageError:
    """One patch is in a series twice."""
    return UsageError(f"{part.source.name}: the same patch is in this series twice")


def words(part: Part, options: Options) -> tuple[str, str]:
    """Title and message that an entry gets."""
    mail = part.judged.mail
    own = options.message or part.source.message
    given = message.clean(own.encode("utf-8", "backslashreplace")) if own else b""
    name = f"Apply {_shown(part.source.name)}"
    # A mail may have no message, and then the commit has none (as `git am` writes it); a bare diff needs one.
    text = _text(given or mail.message or (b"" if mail.author else name.encode() + b"\n"))
    return _text(message.title(text.encode())) or name, text


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


class Intake:
    """One call's entries on their way into the ledger, inside its write transaction."""

    def __init__(self, project: Project, write: Writer, options: Options, run: str | None) -> None:
        self.project = project
        self.write = write
        self.options = options
        self.run = run
        self.entries = project.ledger.entries
        self.clock = project.clock
        self.next_number = self.entries.next_number()
        self.rows: list[dict[str, Any]] = []
        self.added: dict[str, str] = {}  # identity to entry id
        self.patches: list[tuple[StoredPatch, Part]] = []
        self.moves: list[Move] = []
        self.offers: list[tuple[str, Repaired]] = []
        self.superseded: list[Entry] = []
        self.left_out: list[Entry] = []
        self.met: dict[str, list[Entry]] = {}
        self.members: list[Entry] = []  # of the series that is replaced

    def take(self, parts: Sequence[Part], cover: str | None) -> list[Submitted]:
        """Writes everything; returns what became of each part."""
        check_options(self.entries, parts, self.options)
        places = self._places(parts)
        self.met = self.entries.by_identities([p.identity for p in parts if p.known is None])
        fresh = [p for p in parts if p.known is None]
        whole = fresh and is_series(parts, self.options)
        series_id = self._add_series(parts, cover) if whole else None
        became: list[tuple[str, bool]] = []  # entry id, and whether the ledger had it
        blocked = self._blocked_from_the_start(parts) if series_id is not None else None
        before: Entry | None = None
        for index, (part, place) in enumerate(zip(parts, places, strict=True), 1):
            if (twin := self._twin(part)) is not None:
                became.append((twin, True))
                continue
            moves_over = place is not None and self.options.replaces_series is not None
            if part.known is None and not moves_over:
                part.known = self._met_meanwhile(part)
            if part.known is not None:
                before = part.known
                became.append((part.known.entry_id, True))
                continue
            follows = before.number if before is not None and series_id is not None else None
            held = blocked if series_id is not None else None
            entry_id, stopped = self._add(part, place, series_id, index, follows, held)
            blocked = blocked or (f"part {index} of the series was not taken" if stopped else None)
            became.append((entry_id, False))
            before = None
        self._write()
        return self._reread(became)

    def _blocked_from_the_start(self, parts: Sequence[Part]) -> str | None:
        """What keeps every member of an all-or-nothing series from landing; None if nothing does."""
        bad = [
            index
            for index, part in enumerate(parts, 1)
            if part.known is None and validate.blocking(part.standing) is not None
        ]
        return f"part {bad[0]} of the series was not taken" if bad and self.atomic else None

    def _write(self) -> None:
        self.write.entries.add_patches([(stored, None) for stored, _ in self.patches])
        self.write.entries.add(self.rows, self.run)
        self.moves.sort(key=lambda m: m.frm != "created")  # like moves are one statement
        self.write.entries.move(self.moves, run=self.run)
        for entry_id, offer in self.offers:
            self.write.repairs.add(entry_id, offer.diff, offer.repairs, offer.places)
        for old in self.superseded:
            set_aside.supersede(self.write, old, self.run)
        for old in self.left_out:
            set_aside.leave_out(self.write, self.entries, old, self.run)
        if self.run is not None and self.rows:
            self.write.runs.count(self.run, {"patches_created": len(self.rows)})
        take = self.project.objects.deflater.take  # it had all this time
        self.write.entries.fill_patches(
            (take(p.sha256, p.piece), s.patch_id) for s, p in self.patches
        )

    def _reread(self, became: Sequence[tuple[str, bool]]) -> list[Submitted]:
        found = {e.entry_id: e for e in self.entries.by_ids(list(dict(became)))}
        return [Submitted(found[i], existing) for i, existing in became]

    # -- which number and revision ---------------------------------------------------------------------------

    def _places(self, parts: Sequence[Part]) -> list[Entry | None]:
        """For each part the entry that it is a new revision of, if any."""
        if self.options.replaces is not None:
            return [replaceable(self.entries, self.options.replaces)]
        if self.options.replaces_series is None:
            return [None] * len(parts)
        first = replaceable(self.entries, self.options.replaces_series)
        members = [first] if first.series_id is None else self._open_members(first.series_id)
        self.members = members
        for part in parts:
            # The new version is a series of its own: what it repeats unchanged moves there as well.
            if part.known is not None and part.known.entry_id in {m.entry_id for m in members}:
                part.known = None
        old = [series.changed_lines(self._patch_of(m)) for m in members]
        fresh = [i for i, part in enumerate(parts) if part.known is None]
        pairs = series.pair(old, [series.changed_lines(parts[i].judged.patch) for i in fresh])
        gone = set(range(len(members))) - {i for i in pairs if i is not None}
        self.left_out += [members[i] for i in sorted(gone) if members[i].state != "dropped"]
        places: list[Entry | None] = [None] * len(parts)
        for part_index, pair in zip(fresh, pairs, strict=True):
            places[part_index] = None if pair is None else members[pair]
        return places

    def _open_members(self, series_id: str) -> list[Entry]:
        newest = order.newest_revisions(self.entries.of_series(series_id))
        return [e for e in newest.values() if e.state not in ("committed", "rolled_back")]

    def _patch_of(self, entry: Entry) -> Any:
        stored = self.entries.patch(entry.patch_id)
        limits = self.project.settings_at(None).limits
        return validate.judge(stored.content or b"", limits, self.project.git.hex_length).patch

    def _twin(self, part: Part) -> str | None:
        """The entry of the same patch earlier in this call. Raises: UsageError if the call is one series."""
        twin = self.added.get(part.identity)
        if twin is not None and not self.options.independent:
            raise same_twice(part)
        return twin

    def _met_meanwhile(self, part: Part) -> Entry | None:
        """The same bytes handed in by another process since we looked."""
        for entry in self.met.get(part.identity, ()):
            if entry.state not in ("dropped", "rolled_back") and entry != part.names_old:
                return entry
        return None

    # -- series ----------------------------------------------------------------------------------------------

    @property
    def atomic(self) -> bool:
        """All or none: asked for, or so in the series that is replaced."""
        old = self.members[0].series_id if self.members else None
        found = None if old is None else self.entries.series(old)
        return self.options.atomic or (found is not None and bool(found.atomic))

    def _add_series(self, parts: Sequence[Part], cover: str | None) -> str:
        series_id = self.clock.ulid()
        atomic = int(self.atomic)
        self.write.entries.add_series(
            Series(series_id, len(parts), atomic, cover, self.clock.now())
        )
        return series_id

    # -- one entry -------------------------------------------------------------------------------------------

    def _add(
        self,
        part: Part,
        place: Entry | None,
        series_id: str | None,
        index: int,
        follows: int | None,
        held: str | None,
    ) -> tuple[str, bool]:
        """Adds one entry with its first moves; tells whether it was stopped."""
        judged = part.judged
        stored = self._stored(part)
        entry_id = self.clock.ulid()
        row = self._row(part, stored, entry_id)
        if place is not None:
            row.update(self._in_place_of(place, row["depends_on"]))
            if place.state != "dropped":
                self.superseded.append(place)
        else:
            row.update(number=self.next_number, revision=1)
            self.next_number += 1
            if part.names_old is not None:
                row["replaces"] = part.names_old.entry_id
        if series_id is not None:
            row.update(series_id=series_id, series_index=index)
        if follows is not None:
            row["depends_on"] = sorted({*row["depends_on"], follows})
        self.rows.append(row)
        self.added[part.identity] = entry_id
        findings = [*judged.findings, *self._history_findings(part, held)]
        if place is not None and judged.reason is not None:
            from uet_git.queue import tally

            findings = tally.told(self.project, findings, place)
        row["findings"] = validate.as_json(findings)
        stopped = self._first_moves(entry_id, findings, part)
        if part.offer is not None and self.moves[-1].to == "quarantined":
            self.moves[-1].payload["repaired"] = sha256(part.offer.diff)
            self.offers.append((entry_id, part.offer))
        if not stopped:
            self.project.parsed.keep(stored.patch_id, judged.patch, len(part.piece))
        return entry_id, stopped

    def _in_place_of(self, old: Entry, depends_on: Sequence[int]) -> dict[str, Any]:
        """What a new revision takes over: number, place, and what the old one waits for."""
        row: dict[str, Any] = {
            **{"number": old.number, "revision": old.revision + 1, "replaces": old.entry_id},
            "priority": old.priority,
        }
        if self.options.replaces_series is None:
            row.update(series_id=old.series_id, series_index=old.series_index)
        if old.rollback_of is not None and self._rolls_back_still():
            row.update(_rollback(self.project.ledger.rolls_back(old.entry_id), "next revision"))
        own = {m.number for m in self.members}
        row["depends_on"] = sorted({*old.depends_on} - own | {*depends_on})
        return row

    def _rolls_back_still(self) -> bool:
        """Whether the next revision of a rollback counts as one: not a part of it, nor what an agent says it is."""
        return not (self.options.partial or self.project.actor.startswith("agent:"))

    def _history_findings(self, part: Part, held: str | None) -> list[Finding]:
        found = []
        if part.names_old is not None and part.names_old.reason in BY_PERSON:
            found.append(Finding("queue.dropped_before", f"as change {part.names_old.label}"))
        if held is not None:
            code = "queue.series_incomplete" if self.atomic else "queue.dependency_dropped"
            found.append(Finding(code, held))
        return found

    def _first_moves(self, entry_id: str, findings: Sequence[Finding], part: Part) -> bool:
        """created -> dropped, quarantined, or validated -> queued; what a rollback waives is recorded."""
        waived = list(part.waived)
        code = validate.blocking([f for f in findings if f.code not in waived])
        marks = validate.flags(findings)
        if code is None:
            move = Move(entry_id, "created", "validated", {}, marks)
            if waived and part.source.reverts is not None:
                payload = {"waived": waived, "why": part.source.reverts.why}
                columns = {**marks, "waived": waived}
                move = Move(entry_id, "created", "validated", payload, columns, "patch_released")
            self.moves += [move, Move(entry_id, "validated", "queued", {}, {})]
            return False
        to = "dropped" if REASONS[code].gravity == Gravity.DROPPED else "quarantined"
        detail = next((f.detail for f in findings if f.code == code), "")
        columns = {**marks, "reason": code, "detail": detail}
        self.moves.append(
            Move(entry_id, "created", to, {"reason": code, "detail": detail}, columns)
        )
        return True

    def _stored(self, part: Part) -> StoredPatch:
        patch = part.judged.patch
        paths = [p.decode("utf-8", "backslashreplace") for p in patch.paths]
        stored = StoredPatch(
            self.clock.ulid(), part.sha256, len(part.piece), None, paths, len(patch.changes),
            patch.insertions, patch.deletions, patch.hunks, part.source.base, self.clock.now(),
        )  # fmt: skip
        self.patches.append((stored, part))
        return stored

    def _row(self, part: Part, stored: StoredPatch, entry_id: str) -> dict[str, Any]:
        options, mail = self.options, part.judged.mail
        title, text = words(part, options)
        author = options.author or (tuple(map(_text, mail.author)) if mail.author else (None, None))
        row: dict[str, Any] = {
            **{
                "entry_id": entry_id,
                "patch_id": stored.patch_id,
                "project_id": self.project.ledger.project_id,
            },
            **{"identity": part.identity, "sha256": part.sha256, "target": options.target},
            **{
                "priority": options.priority,
                "title": title,
                "message": text,
            },
            **{"author_name": author[0], "author_email": author[1]},
            "author_date": None if mail.date is None else mail.date.decode("ascii"),
            "message_id": None if mail.message_id is None else _text(mail.message_id),
            **{"submitter": self.project.actor, "origin": options.origin, "issue": options.issue},
            "scope": options.whole_scope,
            **{"depends_on": list(options.depends_on), "allow_behind": int(options.allow_behind)},
            "sign_off": int(options.sign_off),
        }
        row.update(options.ids)
        if (reverts := part.source.reverts) is not None:
            row.update(_rollback(reverts.originals, reverts.why))
        return row


def _rollback(originals: Sequence[str], why: str) -> dict[str, Any]:
    """What is kept of an entry that rolls others back: the newest of them in its row, all in its first event."""
    return {"rollback_of": originals[0], "rolls_back": list(originals), "why": why}


def _shown(name: str) -> str:
    return name.rsplit("/", 1)[-1].encode("utf-8", "backslashreplace").decode("utf-8")
