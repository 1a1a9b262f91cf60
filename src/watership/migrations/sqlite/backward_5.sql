-- A build of the older schema obeys no pause, so that none may be shown. The record of changes stays.

DELETE FROM flags WHERE name LIKE 'PAUSE.%';
ALTER TABLE intake DROP COLUMN paused;
