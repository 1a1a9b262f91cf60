-- What was used up is forgotten, and the caps with it.

DROP TABLE counters;
ALTER TABLE runs DROP COLUMN caps;
