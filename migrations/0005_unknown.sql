-- What a rebuild of the ledger could not restore.

-- `row_key` is the row's own key in `row_table`; `fields` is a JSON list of the columns that hold a default and not what
-- was there; `event_seq` the rebuild. A row that is whole has no line here.
CREATE TABLE unknown_fields (
  row_table TEXT NOT NULL,
  row_key TEXT NOT NULL,
  fields TEXT NOT NULL,
  event_seq INTEGER NOT NULL REFERENCES events (seq),
  PRIMARY KEY (row_table, row_key)
) STRICT, WITHOUT ROWID;
