ALTER TABLE findings DROP COLUMN share;
