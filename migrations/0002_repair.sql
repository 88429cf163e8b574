-- The readings of malformed diffs that are offered to a person: what `release --repaired` would hand in.

-- `content` is a strict git diff compressed with zlib, NULL once redacted; `sha256` is that of its bytes, and stands in
-- the event that set the entry aside. `repairs` are sentences, `places` [path, line, line named by the hunk] lists.
CREATE TABLE repairs (
  entry_id TEXT PRIMARY KEY REFERENCES entries (entry_id),
  sha256 TEXT NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  content BLOB,
  repairs TEXT NOT NULL,
  places TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;
