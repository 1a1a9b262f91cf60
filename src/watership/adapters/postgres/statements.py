"""The statements by which a transaction locks and reads."""

from __future__ import annotations

from watership.adapters.ledger.columns import RUN

NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
OPEN = "state NOT IN ('succeeded', 'failed', 'cancelled')"
ROW = f"{RUN}, serial, revision"
# The time is read outside of the locking, so that it is the time at which the last lock was got.
LOCK = f"""
SELECT locked.*, {NOW} FROM (VALUES (1)) AS once LEFT JOIN LATERAL (
  SELECT id, revision FROM runs WHERE id = ANY($1::text::text[]) ORDER BY id FOR UPDATE) AS locked ON TRUE"""  # noqa: S608
READ = f"SELECT {ROW} FROM runs WHERE id = ANY($1::text::text[])"  # noqa: S608
# Without a lock, for a statement that verifies what was seen; with the intake's row, which is always there.
SEEN = f"""
SELECT seen.*, {NOW}, intake.weights, intake.epoch, until, last_safe, readonly, paused FROM intake LEFT JOIN LATERAL (
  SELECT {ROW}, input FROM runs WHERE id = ANY($1::text::text[])) AS seen ON TRUE"""  # noqa: S608
FREE = f"SELECT {ROW}, input FROM runs WHERE id = ANY($1::text::text[]) FOR UPDATE SKIP LOCKED"  # noqa: S608


def _due(held: str = "") -> str:
    """The search for what is due, without what is `held` back."""
    return f"""
WITH ready AS MATERIALIZED (
  SELECT {ROW}, input FROM runs WHERE deployment = $1 AND pool = $2 AND state = 'ready' {held}
  ORDER BY priority DESC, serial LIMIT $3 FOR UPDATE SKIP LOCKED
), waiting AS MATERIALIZED (
  SELECT {ROW}, input FROM runs WHERE state = 'waiting' AND wake_at <= $4 AND id IN (
    SELECT id FROM runs WHERE deployment = $1 AND pool = $2 AND state = 'waiting' AND wake_at IS NOT NULL
      AND wake_at <= $4 {held} ORDER BY wake_at, serial LIMIT $5)
  ORDER BY priority DESC, serial LIMIT $3 FOR UPDATE SKIP LOCKED
), running AS MATERIALIZED (
  SELECT {ROW}, input FROM runs WHERE state = 'running' AND lease_until <= $4 AND id IN (
    SELECT id FROM runs WHERE deployment = $1 AND pool = $2 AND state = 'running' AND lease_until <= $4 {held}
    ORDER BY lease_until, serial LIMIT $5)
  ORDER BY priority DESC, serial LIMIT $3 FOR UPDATE SKIP LOCKED
) SELECT * FROM ready UNION ALL SELECT * FROM waiting UNION ALL SELECT * FROM running"""  # noqa: S608


DUE = _due()
DUE_BUT_PAUSED = _due("AND (cancel_requested OR program <> ALL($6::text[]))")
LEASED = f"""
SELECT {ROW} FROM runs WHERE lease_owner = $1 AND state = 'running' ORDER BY id FOR UPDATE"""  # noqa: S608
UNCLAIMED = f"""
SELECT {ROW} FROM runs WHERE deployment = $1 AND epoch = 0 AND state IN ('ready', 'queued')
ORDER BY id FOR UPDATE"""  # noqa: S608
OPEN_CHILDREN = f"""
SELECT {ROW} FROM runs WHERE parent = $1 AND {OPEN} ORDER BY id FOR UPDATE"""  # noqa: S608
CHILDREN = "SELECT count(DISTINCT coalesce(parent_key, '')) FROM runs WHERE parent = $1"
JOURNALS = """
SELECT run_id, version, event FROM journal WHERE run_id = ANY($1::text::text[]) ORDER BY run_id, seq"""
INBOXES = """
SELECT run_id, number, id, name, value, at FROM signals WHERE run_id = ANY($1::text::text[]) ORDER BY run_id, number"""
INPUT = "SELECT input FROM runs WHERE id = $1"
ENTRY = "SELECT EXISTS (SELECT 1 FROM appends WHERE run_id = $1 AND entry_id = $2)"
SIGNAL = "SELECT EXISTS (SELECT 1 FROM signals WHERE run_id = $1 AND id = $2)"
COUNTS = "SELECT name, reserved, spent FROM counters WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE"
NEW_COUNTS = """
INSERT INTO counters (name, reserved, spent) SELECT name, 0, 0 FROM unnest($1::text[]) AS new(name)
ON CONFLICT (name) DO NOTHING"""
# A server that has not heard of the worker since its own start knows nothing of its lock either.
GONE = """
SELECT pg_try_advisory_xact_lock($1) AND NOT EXISTS (
  SELECT 1 FROM workers WHERE id = $2 AND database_started <> pg_postmaster_start_time())"""
# Everything that advisory locks keep still, with the time: small, and asked for in one go.
FACTS = f"""
SELECT {NOW}, weights, epoch, until, last_safe, readonly, paused,
  ARRAY(SELECT ARRAY[submission, run_id] FROM injections WHERE submission = ANY($1::text[])),
  ARRAY(SELECT ARRAY[scope, key, hash, run_id, at::text]
    FROM unnest($2::text[], $3::text[]) AS wanted(scope, key) JOIN requests USING (scope, key)),
  ARRAY(SELECT ARRAY[wanted.number::text, turn.kind, turn.value]
    FROM unnest($4::text[], $5::text[]) WITH ORDINALITY AS wanted(tenant, conversation, number)
    CROSS JOIN LATERAL (
      SELECT 'open' AS kind, id AS value FROM runs WHERE tenant = wanted.tenant
        AND conversation = wanted.conversation AND {OPEN} AND state <> 'queued'
      UNION ALL SELECT 'head', head.id FROM (
        SELECT id FROM runs WHERE tenant = wanted.tenant AND conversation = wanted.conversation
          AND {OPEN} AND state = 'queued' ORDER BY serial LIMIT $6) AS head
      UNION ALL SELECT 'queued', count(*)::text FROM runs WHERE tenant = wanted.tenant
        AND conversation = wanted.conversation AND {OPEN} AND state = 'queued'
    ) AS turn)
FROM intake"""  # noqa: S608
