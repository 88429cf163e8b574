-- One row that a rebuild could not restore whole, of 0001.sql.
INSERT INTO unknown_fields (row_table, row_key, fields, event_seq) VALUES ('series', '01MCC5RM2H4G53HV9BTZNG8Y1X', '["atomic","cover"]', 1);
