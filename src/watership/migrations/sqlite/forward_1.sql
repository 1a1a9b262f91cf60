-- The embedded store's first schema. Times are whole microseconds since 1970, UTC.

CREATE TABLE runs (
  serial INTEGER PRIMARY KEY,  -- creation order: there is one writer at a time, so it is commit order too
  id TEXT NOT NULL UNIQUE,
  program TEXT NOT NULL,
  tenant TEXT NOT NULL,
  principal TEXT NOT NULL,
  pool TEXT NOT NULL,
  priority INTEGER NOT NULL,
  conversation TEXT,
  parent TEXT,
  parent_key TEXT,
  depth INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  deployment TEXT NOT NULL,
  wake_at INTEGER,
  lease_owner TEXT,
  lease_until INTEGER,
  epoch INTEGER NOT NULL,
  cancel_requested INTEGER NOT NULL,
  waits BLOB,
  result BLOB,
  failure BLOB,
  successor TEXT,
  seq INTEGER NOT NULL,
  inbox INTEGER NOT NULL,
  claims INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);

-- Apart from its run, whose row is rewritten with every append.
CREATE TABLE inputs (
  serial INTEGER PRIMARY KEY,
  input BLOB NOT NULL
);

CREATE INDEX runs_ready ON runs (deployment, pool, priority DESC, serial) WHERE state = 'ready';
CREATE INDEX runs_waiting ON runs (deployment, pool, wake_at) WHERE state = 'waiting' AND wake_at IS NOT NULL;
CREATE INDEX runs_running ON runs (deployment, pool, lease_until) WHERE state = 'running';
CREATE INDEX runs_leased ON runs (lease_owner) WHERE state = 'running';
CREATE INDEX runs_unclaimed ON runs (deployment) WHERE epoch = 0 AND state IN ('ready', 'queued');
CREATE INDEX runs_turns ON runs (tenant, conversation, serial)
  WHERE conversation IS NOT NULL AND state NOT IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX runs_conversation ON runs (conversation, serial) WHERE conversation IS NOT NULL;
CREATE INDEX runs_parent ON runs (parent, parent_key) WHERE parent IS NOT NULL;
CREATE INDEX runs_census ON runs (deployment, state);

CREATE TABLE journal (
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  event BLOB NOT NULL,
  PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

-- Which writes have been committed: where an outcome is unknown it is looked up here.
CREATE TABLE appends (
  run_id TEXT NOT NULL,
  entry_id TEXT NOT NULL,
  PRIMARY KEY (run_id, entry_id)
) WITHOUT ROWID;

CREATE TABLE signals (
  run_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  value BLOB NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (run_id, number),
  UNIQUE (run_id, id)
) WITHOUT ROWID;

CREATE TABLE requests (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  hash TEXT NOT NULL,
  run_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
);

CREATE INDEX requests_age ON requests (at);

CREATE TABLE injections (
  submission TEXT PRIMARY KEY,
  run_id TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE workers (
  id TEXT PRIMARY KEY,
  deployment TEXT NOT NULL,
  pool TEXT NOT NULL,
  slots INTEGER NOT NULL,
  seen_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE deployments (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  body BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE intake (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  weights BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  until INTEGER,
  last_safe BLOB,
  readonly INTEGER NOT NULL
);

INSERT INTO intake (one, weights, epoch, until, last_safe, readonly) VALUES (1, X'7B7D', 0, NULL, NULL, 0);
