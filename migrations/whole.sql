-- Made from the numbered steps by `python -m tests.migrations.whole`: what they lead to in a new ledger.
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE migrations (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_at TEXT NOT NULL
) STRICT;

CREATE TABLE states (
  machine TEXT NOT NULL,
  state TEXT NOT NULL,
  is_initial INTEGER NOT NULL CHECK (is_initial IN (0, 1)),
  PRIMARY KEY (machine, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE transitions (
  machine TEXT NOT NULL,
  from_state TEXT NOT NULL,
  to_state TEXT NOT NULL,
  PRIMARY KEY (machine, from_state, to_state),
  FOREIGN KEY (machine, from_state) REFERENCES states (machine, state),
  FOREIGN KEY (machine, to_state) REFERENCES states (machine, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  event_id TEXT NOT NULL, -- a ULID; nothing looks an event up by it, so no index pays for it
  ts TEXT NOT NULL,
  actor TEXT NOT NULL,
  run_id TEXT,
  entry_id TEXT,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  from_state TEXT, -- as in the payload, for the guards below: SQLite's JSON functions are not for trusted_schema=OFF
  to_state TEXT,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;

CREATE INDEX events_entry ON events (entry_id, seq) WHERE entry_id IS NOT NULL;

CREATE INDEX events_run ON events (run_id, seq) WHERE run_id IS NOT NULL AND entry_id IS NULL;

CREATE TRIGGER events_no_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events cannot be updated'); END;

CREATE TRIGGER events_no_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events cannot be deleted'); END;

CREATE TABLE runs (
  run_id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  phase_id TEXT,
  workstream_id TEXT,
  execution_request_id TEXT,
  kind TEXT NOT NULL CHECK (kind IN ('apply', 'rollback', 'hook', 'agent')),
  state TEXT NOT NULL,
  state_reason TEXT,
  trigger_type TEXT NOT NULL CHECK (trigger_type IN ('manual', 'ci', 'error_pipeline', 'scheduled', 'other')),
  trigger_ref TEXT,
  requested_by TEXT NOT NULL,
  created_at TEXT NOT NULL,
  started_at TEXT,
  ended_at TEXT,
  step_attempts INTEGER NOT NULL DEFAULT 0 CHECK (step_attempts >= 0),
  patches_created INTEGER NOT NULL DEFAULT 0 CHECK (patches_created >= 0),
  patches_applied INTEGER NOT NULL DEFAULT 0 CHECK (patches_applied >= 0),
  patches_committed INTEGER NOT NULL DEFAULT 0 CHECK (patches_committed >= 0),
  patches_set_aside INTEGER NOT NULL DEFAULT 0 CHECK (patches_set_aside >= 0),
  errors INTEGER NOT NULL DEFAULT 0 CHECK (errors >= 0),
  event_seq INTEGER NOT NULL REFERENCES events (seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX runs_open ON runs (state) WHERE state IN ('pending', 'running');

CREATE TRIGGER run_insert BEFORE INSERT ON runs
BEGIN
  SELECT RAISE(ABORT, 'a run starts in its initial state')
  WHERE NOT EXISTS (SELECT 1 FROM states WHERE machine = 'run' AND state = NEW.state AND is_initial);
END;

CREATE TRIGGER run_move BEFORE UPDATE OF state ON runs WHEN NEW.state IS NOT OLD.state
BEGIN
  SELECT RAISE(ABORT, 'illegal move of a run')
  WHERE NOT EXISTS (SELECT 1 FROM transitions WHERE machine = 'run' AND from_state = OLD.state AND to_state = NEW.state);
  SELECT RAISE(ABORT, 'a run moves only with its event')
  WHERE NOT EXISTS (
    SELECT 1 FROM events WHERE seq = NEW.event_seq AND seq > OLD.event_seq AND run_id = NEW.run_id
      AND from_state = OLD.state AND to_state = NEW.state);
END;

CREATE TRIGGER run_no_delete BEFORE DELETE ON runs
BEGIN SELECT RAISE(ABORT, 'runs cannot be deleted'); END;

CREATE TABLE patches (
  patch_id TEXT PRIMARY KEY,
  sha256 TEXT NOT NULL,
  size INTEGER NOT NULL,
  format TEXT NOT NULL CHECK (format IN ('unified_diff')),
  content BLOB,
  files_touched TEXT NOT NULL,
  files INTEGER NOT NULL,
  insertions INTEGER NOT NULL,
  deletions INTEGER NOT NULL,
  hunks INTEGER NOT NULL,
  base_commit TEXT,
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE series (
  series_id TEXT PRIMARY KEY,
  total INTEGER NOT NULL CHECK (total >= 1),
  atomic INTEGER NOT NULL CHECK (atomic IN (0, 1)),
  cover TEXT,
  created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
  seq INTEGER PRIMARY KEY,
  entry_id TEXT NOT NULL UNIQUE,
  patch_id TEXT NOT NULL REFERENCES patches (patch_id),
  project_id TEXT NOT NULL,
  phase_id TEXT,
  workstream_id TEXT,
  execution_request_id TEXT,
  prompt_id TEXT,
  tool_run_id TEXT,
  number INTEGER NOT NULL CHECK (number >= 1),
  revision INTEGER NOT NULL CHECK (revision >= 1),
  series_id TEXT REFERENCES series (series_id),
  series_index INTEGER,
  identity TEXT NOT NULL,
  target TEXT NOT NULL,
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 3),
  state TEXT NOT NULL,
  reason TEXT,
  detail TEXT,
  findings TEXT NOT NULL,
  format_ok INTEGER NOT NULL DEFAULT 0 CHECK (format_ok IN (0, 1)),
  scope_ok INTEGER NOT NULL DEFAULT 0 CHECK (scope_ok IN (0, 1)),
  constraints_ok INTEGER NOT NULL DEFAULT 0 CHECK (constraints_ok IN (0, 1)),
  waived TEXT,
  title TEXT NOT NULL,
  message TEXT NOT NULL,
  author_name TEXT,
  author_email TEXT,
  author_date TEXT,
  message_id TEXT,
  submitter TEXT NOT NULL,
  origin TEXT,
  issue TEXT,
  scope TEXT,
  depends_on TEXT NOT NULL DEFAULT '[]',
  allow_behind INTEGER NOT NULL DEFAULT 0 CHECK (allow_behind IN (0, 1)),
  sign_off INTEGER NOT NULL DEFAULT 0 CHECK (sign_off IN (0, 1)),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  tried_tip TEXT,
  rung TEXT,
  proved INTEGER,
  tree TEXT,
  commit_id TEXT,
  replaces TEXT REFERENCES entries (entry_id),
  rollback_of TEXT REFERENCES entries (entry_id),
  rolled_back_by TEXT REFERENCES entries (entry_id),
  made_by_run TEXT REFERENCES runs (run_id),
  landed_by_run TEXT REFERENCES runs (run_id),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  event_seq INTEGER NOT NULL,
  UNIQUE (number, revision)
) STRICT;

CREATE INDEX entries_identity ON entries (identity);

CREATE INDEX entries_series ON entries (series_id, series_index) WHERE series_id IS NOT NULL;

CREATE INDEX entries_commit ON entries (commit_id) WHERE commit_id IS NOT NULL;

CREATE INDEX entries_patch ON entries (patch_id);

CREATE INDEX entries_replaces ON entries (replaces) WHERE replaces IS NOT NULL;

CREATE TRIGGER entry_insert BEFORE INSERT ON entries
BEGIN
  SELECT RAISE(ABORT, 'an entry starts in its initial state')
  WHERE NOT EXISTS (SELECT 1 FROM states WHERE machine = 'entry' AND state = NEW.state AND is_initial);
  SELECT RAISE(ABORT, 'an entry starts with its event')
  WHERE NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.event_seq AND entry_id = NEW.entry_id);
END;

CREATE TRIGGER entry_fixed BEFORE UPDATE OF entry_id, patch_id, number, revision, identity, created_at ON entries
BEGIN SELECT RAISE(ABORT, 'what an entry is cannot change'); END;

CREATE TRIGGER entry_no_delete BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'entries cannot be deleted'); END;

CREATE TABLE step_attempts (
  step_attempt_id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL REFERENCES runs (run_id),
  sequence INTEGER NOT NULL CHECK (sequence >= 1),
  entry_id TEXT REFERENCES entries (entry_id),
  tool_id TEXT NOT NULL,
  tool_run_id TEXT,
  execution_request_id TEXT,
  prompt_id TEXT,
  state TEXT NOT NULL,
  state_reason TEXT,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  UNIQUE (run_id, sequence),
  CHECK ((ended_at IS NULL) = (state IN ('pending', 'running')))
) STRICT, WITHOUT ROWID;

CREATE INDEX steps_entry ON step_attempts (entry_id) WHERE entry_id IS NOT NULL;

CREATE TRIGGER step_insert BEFORE INSERT ON step_attempts
BEGIN
  SELECT RAISE(ABORT, 'unknown state of a step')
  WHERE NOT EXISTS (SELECT 1 FROM states WHERE machine = 'step' AND state = NEW.state);
  SELECT RAISE(ABORT, 'a step belongs to a running run')
  WHERE NOT EXISTS (SELECT 1 FROM runs WHERE run_id = NEW.run_id AND state = 'running');
END;

CREATE TRIGGER step_move BEFORE UPDATE OF state ON step_attempts WHEN NEW.state IS NOT OLD.state
BEGIN
  SELECT RAISE(ABORT, 'illegal move of a step')
  WHERE NOT EXISTS (SELECT 1 FROM transitions WHERE machine = 'step' AND from_state = OLD.state AND to_state = NEW.state);
END;

CREATE TRIGGER step_no_delete BEFORE DELETE ON step_attempts
BEGIN SELECT RAISE(ABORT, 'steps cannot be deleted'); END;

CREATE TABLE gates (
  gate_id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL REFERENCES runs (run_id),
  entry_id TEXT REFERENCES entries (entry_id),
  project_id TEXT NOT NULL,
  name TEXT NOT NULL,
  gate_type TEXT NOT NULL
    CHECK (gate_type IN ('unit_tests', 'integration_tests', 'e2e_tests', 'security_scan', 'lint', 'custom')),
  state TEXT NOT NULL,
  required INTEGER NOT NULL CHECK (required IN (0, 1)),
  tree TEXT NOT NULL,
  definition TEXT NOT NULL,
  exit_code INTEGER,
  duration_seconds REAL CHECK (duration_seconds IS NULL OR duration_seconds >= 0),
  output_path TEXT,
  output_truncated INTEGER CHECK (output_truncated IN (0, 1)),
  detail TEXT,
  created_at TEXT NOT NULL,
  started_at TEXT,
  ended_at TEXT,
  event_seq INTEGER NOT NULL
, purpose TEXT NOT NULL DEFAULT 'candidate' CHECK (purpose IN ('candidate', 'base', 'asked')), verdict_key TEXT, cached_from TEXT REFERENCES gates (gate_id), tier TEXT, results TEXT) STRICT, WITHOUT ROWID;

CREATE INDEX gates_entry ON gates (entry_id) WHERE entry_id IS NOT NULL;

CREATE INDEX gates_run ON gates (run_id);

CREATE TRIGGER gate_insert BEFORE INSERT ON gates
BEGIN
  SELECT RAISE(ABORT, 'a gate starts in its initial state')
  WHERE NOT EXISTS (SELECT 1 FROM states WHERE machine = 'gate' AND state = NEW.state AND is_initial);
END;

CREATE TRIGGER gate_move BEFORE UPDATE OF state ON gates WHEN NEW.state IS NOT OLD.state
BEGIN
  SELECT RAISE(ABORT, 'illegal move of a gate')
  WHERE NOT EXISTS (SELECT 1 FROM transitions WHERE machine = 'gate' AND from_state = OLD.state AND to_state = NEW.state);
  SELECT RAISE(ABORT, 'a gate moves only with its event')
  WHERE NOT EXISTS (
    SELECT 1 FROM events WHERE seq = NEW.event_seq AND seq > OLD.event_seq
      AND run_id = NEW.run_id AND entry_id IS NEW.entry_id
      AND from_state = OLD.state AND to_state = NEW.state);
END;

CREATE TRIGGER gate_no_delete BEFORE DELETE ON gates
BEGIN SELECT RAISE(ABORT, 'gates cannot be deleted'); END;

CREATE TABLE landings (
  landing_id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL REFERENCES runs (run_id),
  target TEXT NOT NULL,
  old TEXT NOT NULL,
  new TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('intended', 'done', 'abandoned')),
  worktrees TEXT NOT NULL,
  commits TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  pid INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  ended_at TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX landings_open ON landings (landing_id) WHERE state = 'intended';

CREATE TRIGGER landing_move BEFORE UPDATE OF state ON landings WHEN OLD.state <> 'intended'
BEGIN SELECT RAISE(ABORT, 'a closed landing stays closed'); END;

CREATE TRIGGER landing_no_delete BEFORE DELETE ON landings
BEGIN SELECT RAISE(ABORT, 'landings cannot be deleted'); END;

CREATE TABLE pauses (
  target TEXT PRIMARY KEY,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  since TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE repairs (
  entry_id TEXT PRIMARY KEY REFERENCES entries (entry_id),
  sha256 TEXT NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  content BLOB,
  repairs TEXT NOT NULL,
  places TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;

CREATE INDEX gates_verdict ON gates (verdict_key, gate_id) WHERE verdict_key IS NOT NULL;

CREATE TRIGGER gate_cached BEFORE UPDATE OF cached_from ON gates WHEN NEW.cached_from IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'only the pass of the same verdict is used again')
  WHERE NOT EXISTS (
    SELECT 1 FROM gates AS source WHERE source.gate_id = NEW.cached_from AND source.cached_from IS NULL
      AND source.verdict_key = NEW.verdict_key AND source.state = 'passed' AND NEW.state = 'passed');
END;

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

CREATE TABLE branches (
  ref TEXT PRIMARY KEY,
  baseline TEXT,
  tip TEXT NOT NULL,
  event_seq INTEGER NOT NULL REFERENCES events (seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE unverified_commits (
  commit_id TEXT PRIMARY KEY,
  tree TEXT NOT NULL,
  via TEXT NOT NULL,
  entry_id TEXT REFERENCES entries (entry_id),
  event_seq INTEGER NOT NULL REFERENCES events (seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE rewrites (
  old_commit TEXT NOT NULL,
  new_commit TEXT NOT NULL,
  command TEXT NOT NULL,
  event_seq INTEGER NOT NULL REFERENCES events (seq),
  PRIMARY KEY (old_commit, new_commit)
) STRICT, WITHOUT ROWID;

CREATE TABLE unknown_fields (
  row_table TEXT NOT NULL,
  row_key TEXT NOT NULL,
  fields TEXT NOT NULL,
  event_seq INTEGER NOT NULL REFERENCES events (seq),
  PRIMARY KEY (row_table, row_key)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE snoozes (
  entry_id TEXT PRIMARY KEY REFERENCES entries (entry_id),
  until TEXT NOT NULL,
  actor TEXT NOT NULL,
  event_seq INTEGER NOT NULL REFERENCES events (seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX entries_held ON entries (target)
  WHERE state = 'quarantined' OR (state = 'dropped' AND reason = 'queue.dropped_by_person');

CREATE INDEX entries_open ON entries (state, seq)
  WHERE state <> 'committed' AND state <> 'dropped' AND state <> 'rolled_back';

CREATE TRIGGER events_in_order BEFORE INSERT ON events
BEGIN
  SELECT RAISE(FAIL, 'events follow one another without gaps')
  WHERE NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events);
END;

CREATE TRIGGER entry_move BEFORE UPDATE OF state ON entries WHEN NEW.state IS NOT OLD.state
BEGIN
  SELECT CASE
    WHEN NOT EXISTS (
      SELECT 1 FROM transitions WHERE machine = 'entry' AND from_state = OLD.state AND to_state = NEW.state)
      THEN RAISE(FAIL, 'illegal move of an entry')
    WHEN NOT EXISTS (
      SELECT 1 FROM events WHERE seq = NEW.event_seq AND seq > OLD.event_seq AND entry_id = NEW.entry_id
        AND from_state = OLD.state AND to_state = NEW.state)
      THEN RAISE(FAIL, 'an entry moves only with its event')
    WHEN NEW.state = 'validated' AND NEW.waived IS NULL
      AND NOT (NEW.format_ok AND NEW.scope_ok AND NEW.constraints_ok)
      THEN RAISE(FAIL, 'validated needs all three flags or a recorded waiver')
    WHEN NEW.state = 'applied' AND NEW.tree IS NULL THEN RAISE(FAIL, 'applied names its tree')
    WHEN NEW.state = 'committed' AND NEW.commit_id IS NULL THEN RAISE(FAIL, 'committed names its commit')
    WHEN NEW.state IN ('quarantined', 'dropped') AND NEW.reason IS NULL
      THEN RAISE(FAIL, 'quarantined and dropped need a reason')
    WHEN NEW.state = 'rolled_back' AND NEW.rolled_back_by IS NULL
      THEN RAISE(FAIL, 'rolled_back names its revert')
  END;
END;

INSERT INTO states VALUES
  ('entry', 'applied', 0),
  ('entry', 'apply_failed', 0),
  ('entry', 'committed', 0),
  ('entry', 'created', 1),
  ('entry', 'dropped', 0),
  ('entry', 'quarantined', 0),
  ('entry', 'queued', 0),
  ('entry', 'rolled_back', 0),
  ('entry', 'validated', 0),
  ('entry', 'verified', 0),
  ('gate', 'blocked', 0),
  ('gate', 'canceled', 0),
  ('gate', 'error', 0),
  ('gate', 'failed', 0),
  ('gate', 'passed', 0),
  ('gate', 'pending', 1),
  ('gate', 'running', 0),
  ('gate', 'skipped', 0),
  ('gate', 'timeout', 0),
  ('run', 'canceled', 0),
  ('run', 'failed', 0),
  ('run', 'pending', 1),
  ('run', 'quarantined', 0),
  ('run', 'running', 0),
  ('run', 'succeeded', 0),
  ('step', 'canceled', 0),
  ('step', 'failed', 0),
  ('step', 'pending', 1),
  ('step', 'running', 0),
  ('step', 'succeeded', 0);

INSERT INTO transitions VALUES
  ('entry', 'applied', 'dropped'),
  ('entry', 'applied', 'quarantined'),
  ('entry', 'applied', 'queued'),
  ('entry', 'applied', 'verified'),
  ('entry', 'apply_failed', 'dropped'),
  ('entry', 'apply_failed', 'quarantined'),
  ('entry', 'apply_failed', 'queued'),
  ('entry', 'committed', 'rolled_back'),
  ('entry', 'created', 'dropped'),
  ('entry', 'created', 'quarantined'),
  ('entry', 'created', 'validated'),
  ('entry', 'quarantined', 'dropped'),
  ('entry', 'quarantined', 'validated'),
  ('entry', 'queued', 'applied'),
  ('entry', 'queued', 'apply_failed'),
  ('entry', 'queued', 'dropped'),
  ('entry', 'queued', 'quarantined'),
  ('entry', 'validated', 'dropped'),
  ('entry', 'validated', 'quarantined'),
  ('entry', 'validated', 'queued'),
  ('entry', 'verified', 'committed'),
  ('entry', 'verified', 'dropped'),
  ('entry', 'verified', 'quarantined'),
  ('entry', 'verified', 'queued'),
  ('gate', 'blocked', 'pending'),
  ('gate', 'blocked', 'skipped'),
  ('gate', 'pending', 'blocked'),
  ('gate', 'pending', 'running'),
  ('gate', 'pending', 'skipped'),
  ('gate', 'running', 'canceled'),
  ('gate', 'running', 'error'),
  ('gate', 'running', 'failed'),
  ('gate', 'running', 'passed'),
  ('gate', 'running', 'skipped'),
  ('gate', 'running', 'timeout'),
  ('run', 'failed', 'quarantined'),
  ('run', 'pending', 'canceled'),
  ('run', 'pending', 'running'),
  ('run', 'running', 'canceled'),
  ('run', 'running', 'failed'),
  ('run', 'running', 'quarantined'),
  ('run', 'running', 'succeeded'),
  ('step', 'pending', 'running'),
  ('step', 'running', 'canceled'),
  ('step', 'running', 'failed'),
  ('step', 'running', 'succeeded');
