-- The first schema on PostgreSQL. Times are whole microseconds since 1970, UTC.
-- Ids compare by their bytes: nobody relies on a language's order of them, and it costs less.

CREATE TABLE runs (
  serial BIGINT GENERATED ALWAYS AS IDENTITY,  -- creation order, except between transactions that overlap
  id TEXT COLLATE "C" NOT NULL,
  program TEXT NOT NULL,
  -- Here, unlike in SQLite: one that is large is kept apart by PostgreSQL itself, and not rewritten with its row.
  input BYTEA NOT NULL,
  tenant TEXT COLLATE "C" NOT NULL,
  principal TEXT NOT NULL,
  pool TEXT COLLATE "C" NOT NULL,
  priority INTEGER NOT NULL,
  conversation TEXT COLLATE "C",
  parent TEXT COLLATE "C",
  parent_key TEXT COLLATE "C",
  depth INTEGER NOT NULL,
  reply_to TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  deployment TEXT COLLATE "C" NOT NULL,
  wake_at BIGINT,
  lease_owner TEXT COLLATE "C",
  lease_until BIGINT,
  epoch BIGINT NOT NULL,
  cancel_requested BOOLEAN NOT NULL,
  waits BYTEA,
  result BYTEA,
  failure BYTEA,
  successor TEXT COLLATE "C",
  seq INTEGER NOT NULL,
  inbox INTEGER NOT NULL,
  claims INTEGER NOT NULL,
  updated_at BIGINT NOT NULL,
  revision BIGINT NOT NULL DEFAULT 0,  -- raised by every update: who knows the row of this revision need not read it
  PRIMARY KEY (id)
) WITH (
  -- Room on each page for the next versions of its rows: an append then touches no index.
  fillfactor = 75,
  toast_tuple_target = 1024,
  -- It is a queue too: what was claimed and ended must not lie in the way of the next search.
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0.05
);

CREATE INDEX runs_serial ON runs (serial);
CREATE INDEX runs_ready ON runs (deployment, pool, priority DESC, serial) WHERE state = 'ready';
CREATE INDEX runs_waiting ON runs (deployment, pool, wake_at) WHERE state = 'waiting' AND wake_at IS NOT NULL;
-- Every index costs each move of a run: who is leased, and what was never claimed, is rarely asked, and found by these.
CREATE INDEX runs_running ON runs (deployment, pool, lease_until) WHERE state = 'running';
CREATE INDEX runs_turns ON runs (tenant, conversation, serial)
  WHERE conversation IS NOT NULL AND state NOT IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX runs_conversation ON runs (conversation, serial) WHERE conversation IS NOT NULL;
CREATE INDEX runs_parent ON runs (parent, parent_key) WHERE parent IS NOT NULL;
CREATE INDEX runs_census ON runs (deployment, state);

CREATE TABLE journal (
  run_id TEXT COLLATE "C" NOT NULL,
  seq INTEGER NOT NULL,
  epoch BIGINT NOT NULL,
  at BIGINT NOT NULL,
  version INTEGER NOT NULL,
  event BYTEA NOT NULL,
  PRIMARY KEY (run_id, seq)
);

-- Which writes have been committed: where an outcome is unknown it is looked up here.
CREATE TABLE appends (
  run_id TEXT COLLATE "C" NOT NULL,
  entry_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (run_id, entry_id)
);

CREATE TABLE signals (
  run_id TEXT COLLATE "C" NOT NULL,
  number INTEGER NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  name TEXT NOT NULL,
  value BYTEA NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (run_id, number),
  UNIQUE (run_id, id)
);

CREATE TABLE requests (
  scope TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  hash TEXT NOT NULL,
  run_id TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (scope, key)
);

CREATE INDEX requests_age ON requests (at);

CREATE TABLE injections (
  submission TEXT COLLATE "C" PRIMARY KEY,
  run_id TEXT NOT NULL
);

CREATE TABLE workers (
  id TEXT COLLATE "C" PRIMARY KEY,
  deployment TEXT NOT NULL,
  pool TEXT NOT NULL,
  slots INTEGER NOT NULL,
  seen_at BIGINT NOT NULL,
  database_started TIMESTAMPTZ NOT NULL  -- of the server that heard of it: after a restart no lock is held
);

CREATE TABLE deployments (
  id TEXT COLLATE "C" PRIMARY KEY,
  state TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  body BYTEA NOT NULL
);

CREATE TABLE intake (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  weights BYTEA NOT NULL,
  epoch BIGINT NOT NULL,
  until BIGINT,
  last_safe BYTEA,
  readonly BOOLEAN NOT NULL
);

INSERT INTO intake (one, weights, epoch, until, last_safe, readonly) VALUES (1, '{}', 0, NULL, NULL, FALSE);

-- What the broker is to carry, a letter for each transaction that has something for it.
CREATE TABLE outbox (
  number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  written_at BIGINT NOT NULL,
  taken_until BIGINT NOT NULL DEFAULT 0,  -- handed to a relay, which has until then to send it
  letter BYTEA NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0.0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0
);
