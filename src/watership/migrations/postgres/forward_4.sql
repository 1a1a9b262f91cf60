-- What runs may use up, and the counters on which it is counted.

ALTER TABLE runs ADD COLUMN caps BYTEA;

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  reserved BIGINT NOT NULL,
  spent BIGINT NOT NULL
);
