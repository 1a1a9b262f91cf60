-- Programs of which nothing is claimed; NULL while there are none. The flags PAUSE.* say who paused them.

ALTER TABLE intake ADD COLUMN paused BLOB;

-- Until when a run is to have ended, and whether it was asked to end because it had not.

ALTER TABLE runs ADD COLUMN deadline INTEGER;
ALTER TABLE runs ADD COLUMN expired INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_deadline ON runs (deadline)
  WHERE deadline IS NOT NULL AND state NOT IN ('succeeded', 'failed', 'cancelled');

-- What a run was forked from.

ALTER TABLE runs ADD COLUMN origin BLOB;
