-- A vote and a snooze for the quarantined entry of 0001.sql.
INSERT INTO approvals (entry_id, approver, target, policy, diff, approved_at, event_seq) VALUES ('01MCC5RM3T6PQH4HB7CH2QB7FE', 'person:Test', 'refs/heads/main', '{"min_reviewers":1}', '{"f8.txt":"modify 0123456789ab"}', '2027-01-15T08:00:01.000Z', 30);
INSERT INTO snoozes (entry_id, until, actor, event_seq) VALUES ('01MCC5RM3T6PQH4HB7CH2QB7FE', '2027-01-16T08:00:00.000Z', 'person:Test', 30);
