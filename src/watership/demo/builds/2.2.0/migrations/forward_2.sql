-- Expand: 2.0.5 neither reads nor writes the column.
ALTER TABLE findings ADD COLUMN chapters INTEGER;
CREATE INDEX findings_by_word ON findings (word);
