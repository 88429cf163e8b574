-- Ordinary commits: what went through our hooks, what they only saw, and what nobody saw (DESIGN 11).

-- One row for an entry that pre-commit made: what was staged on what, under which `uet.toml` (blob id, or `none`), and
-- by which git process. `passed_seq` is the event that verified it, NULL if none did.
CREATE TABLE hook_entries (
  entry_id TEXT PRIMARY KEY REFERENCES entries (entry_id),
  tree TEXT NOT NULL,
  base_tree TEXT NOT NULL,
  config TEXT NOT NULL,
  git_dir TEXT NOT NULL,
  pid INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  passed_seq INTEGER REFERENCES events (seq),
  entered_at TEXT NOT NULL
) STRICT;
CREATE INDEX hook_entries_tree ON hook_entries (tree);

-- Branches as they were when somebody last looked. `baseline` is where one was when the ledger began to watch it, NULL
-- for one that came later.
CREATE TABLE branches (
  ref TEXT PRIMARY KEY,
  baseline TEXT,
  tip TEXT NOT NULL,
  event_seq INTEGER NOT NULL REFERENCES events (seq)
) STRICT, WITHOUT ROWID;

-- Commits without a passed verdict that a hook reported; `via` names the hook, `entry_id` what pre-commit had made of it.
CREATE TABLE unverified_commits (
  commit_id TEXT PRIMARY KEY,
  tree TEXT NOT NULL,
  via TEXT NOT NULL,
  entry_id TEXT REFERENCES entries (entry_id),
  event_seq INTEGER NOT NULL REFERENCES events (seq)
) STRICT, WITHOUT ROWID;

-- Which commit became which, as post-rewrite said it.
CREATE TABLE rewrites (
  old_commit TEXT NOT NULL,
  new_commit TEXT NOT NULL,
  command TEXT NOT NULL,
  event_seq INTEGER NOT NULL REFERENCES events (seq),
  PRIMARY KEY (old_commit, new_commit)
) STRICT, WITHOUT ROWID;
