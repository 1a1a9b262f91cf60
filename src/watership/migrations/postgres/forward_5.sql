-- Programs of which nothing is claimed; NULL while there are none. The flags PAUSE.* say who paused them.

ALTER TABLE intake ADD COLUMN paused BYTEA;

-- Until when a run is to have ended, and whether it was asked to end because it had not.

ALTER TABLE runs ADD COLUMN deadline BIGINT;
ALTER TABLE runs ADD COLUMN expired BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX runs_deadline ON runs (deadline)
  WHERE deadline IS NOT NULL AND state NOT IN ('succeeded', 'failed', 'cancelled');

-- What a run was forked from.

ALTER TABLE runs ADD COLUMN origin BYTEA;
