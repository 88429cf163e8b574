-- What people decided about changes that wait: votes for them, and until when one is not to be shown.

-- A vote holds for what was looked at: `policy` is JSON of the rules then in force, `diff` of what the patch did to each
-- path (model/approval.py). A row's event has the same.
CREATE TABLE approvals (
  entry_id TEXT NOT NULL REFERENCES entries (entry_id),
  approver TEXT NOT NULL,
  target TEXT NOT NULL,
  policy TEXT NOT NULL,
  diff TEXT NOT NULL,
  approved_at TEXT NOT NULL,
  event_seq INTEGER NOT NULL REFERENCES events (seq),
  PRIMARY KEY (entry_id, approver)
) STRICT, WITHOUT ROWID;

-- Over once `until` is past, or once the entry has moved since.
CREATE TABLE snoozes (
  entry_id TEXT PRIMARY KEY REFERENCES entries (entry_id),
  until TEXT NOT NULL,
  actor TEXT NOT NULL,
  event_seq INTEGER NOT NULL REFERENCES events (seq)
) STRICT, WITHOUT ROWID;

-- Whose lines are held when they are handed in again; the one look that `apply` pays where nothing is.
CREATE INDEX entries_held ON entries (target)
  WHERE state = 'quarantined' OR (state = 'dropped' AND reason = 'queue.dropped_by_person');
