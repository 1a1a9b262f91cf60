-- Flags, and the record of their changes. ENABLE_READ_ONLY stands in the intake's row alone.

CREATE TABLE flags (
  name TEXT PRIMARY KEY,
  body BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE flag_changes (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  at INTEGER NOT NULL,
  by TEXT NOT NULL,
  reason TEXT NOT NULL,
  before BLOB,
  after BLOB NOT NULL
);

CREATE INDEX flag_changes_name ON flag_changes (name, number);

CREATE TRIGGER flag_changes_stay BEFORE UPDATE ON flag_changes
BEGIN
  SELECT RAISE(ABORT, 'the record of changes is not changed');
END;

CREATE TRIGGER flag_changes_remain BEFORE DELETE ON flag_changes
BEGIN
  SELECT RAISE(ABORT, 'the record of changes is not deleted');
END;
