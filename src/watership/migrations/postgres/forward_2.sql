-- Flags, and the record of their changes. ENABLE_READ_ONLY stands in the intake's row alone.

CREATE TABLE flags (
  name TEXT PRIMARY KEY,
  body BYTEA NOT NULL
);

CREATE TABLE flag_changes (
  number BIGINT PRIMARY KEY,
  name TEXT NOT NULL,
  at BIGINT NOT NULL,
  by TEXT NOT NULL,
  reason TEXT NOT NULL,
  before BYTEA,
  after BYTEA NOT NULL
);

CREATE INDEX flag_changes_name ON flag_changes (name, number);

CREATE FUNCTION flag_changes_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the record of changes is neither changed nor deleted';
END $$;

CREATE TRIGGER flag_changes_stay BEFORE UPDATE OR DELETE ON flag_changes
  FOR EACH ROW EXECUTE FUNCTION flag_changes_stay();
