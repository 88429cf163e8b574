-- Verdicts of gates that can be used again, and what a gate's reports said.

-- `verdict_key` is SHA-256 over everything that decides a verdict (model/verdict.py), NULL where it must not be used
-- again; `cached_from` the attempt whose verdict was used instead of running. `purpose` says what the tree was to the
-- run: the candidate, the base it stands on, or a tree that somebody wanted judged. `tier` is the sandbox.
-- `results` is JSON: what reports say, which criteria were met, which tests were flaky.
ALTER TABLE gates ADD COLUMN purpose TEXT NOT NULL DEFAULT 'candidate' CHECK (purpose IN ('candidate', 'base', 'asked'));
ALTER TABLE gates ADD COLUMN verdict_key TEXT;
ALTER TABLE gates ADD COLUMN cached_from TEXT REFERENCES gates (gate_id);
ALTER TABLE gates ADD COLUMN tier TEXT;
ALTER TABLE gates ADD COLUMN results TEXT;
CREATE INDEX gates_verdict ON gates (verdict_key, gate_id) WHERE verdict_key IS NOT NULL;

CREATE TRIGGER gate_cached BEFORE UPDATE OF cached_from ON gates WHEN NEW.cached_from IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'only the pass of the same verdict is used again')
  WHERE NOT EXISTS (
    SELECT 1 FROM gates AS source WHERE source.gate_id = NEW.cached_from AND source.cached_from IS NULL
      AND source.verdict_key = NEW.verdict_key AND source.state = 'passed' AND NEW.state = 'passed');
END;
