-- A build of the older schema obeys no pause, so that none may be shown. The record of changes stays.

DELETE FROM flags WHERE name LIKE 'PAUSE.%';
ALTER TABLE intake DROP COLUMN paused;

-- Runs keep no deadline then; one that is just being ended for it is so as cancelled.

DROP INDEX runs_deadline;
ALTER TABLE runs DROP COLUMN expired;
ALTER TABLE runs DROP COLUMN deadline;

-- A fork is a run like others then, without what it was to have otherwise; its journal an older build cannot read.

ALTER TABLE runs DROP COLUMN origin;
