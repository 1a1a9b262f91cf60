DROP INDEX findings_by_word;
ALTER TABLE findings DROP COLUMN chapters;
