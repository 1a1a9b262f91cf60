-- What runs may use up, and the counters on which it is counted.

ALTER TABLE runs ADD COLUMN caps BLOB;

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  reserved INTEGER NOT NULL,
  spent INTEGER NOT NULL
) WITHOUT ROWID;
