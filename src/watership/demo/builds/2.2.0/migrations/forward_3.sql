-- Expand: 2.1.0 neither reads nor writes the column.
ALTER TABLE findings ADD COLUMN share REAL;
