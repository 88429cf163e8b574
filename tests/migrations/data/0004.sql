-- Rows about ordinary commits beside those of 0001.sql, whose events they name.
INSERT INTO hook_entries (entry_id, tree, base_tree, config, git_dir, pid, boot_id, passed_seq, entered_at) VALUES ('01MCC5RM2H4G53HV9BTZNG8Y1X', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'none', '/work/tree/.git', 1, 'boot', 22, '2027-01-15T08:00:00.100Z');
INSERT INTO branches (ref, baseline, tip, event_seq) VALUES ('refs/heads/main', 'cccccccccccccccccccccccccccccccccccccccc', 'cccccccccccccccccccccccccccccccccccccccc', 1);
INSERT INTO unverified_commits (commit_id, tree, via, entry_id, event_seq) VALUES ('dddddddddddddddddddddddddddddddddddddddd', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'post-commit', NULL, 1);
INSERT INTO rewrites (old_commit, new_commit, command, event_seq) VALUES ('dddddddddddddddddddddddddddddddddddddddd', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 'amend', 1);
