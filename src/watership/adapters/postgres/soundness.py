"""What PostgreSQL itself can tell of what is wrong with a database: its checks look at the catalogue, not at rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watership.adapters.postgres.pool import Session
from watership.adapters.postgres.shape import OURS

ORPHANED: Final = 300
"""Seconds after which a prepared transaction has been left behind: it keeps its locks, and restarts do not end it."""

_FAULTS: Final = f"""
SELECT format('index %s of %s is not valid: a build of it was broken off', indexrelid::regclass, indrelid::regclass)
  FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)
   AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS under_way WHERE under_way.index_relid = indexrelid)
UNION ALL
SELECT format('constraint %s of %s was never validated', conname, conrelid::regclass)
  FROM pg_constraint WHERE NOT convalidated AND conrelid <> 0 AND connamespace::regnamespace::text {OURS}
UNION ALL
SELECT DISTINCT format('foreign key %s of %s is switched off', conname, conrelid::regclass)
  FROM pg_trigger JOIN pg_constraint ON pg_constraint.oid = tgconstraint WHERE tgenabled = 'D' AND contype = 'f'
UNION ALL
SELECT format('prepared transaction %s was left behind %s s ago', gid,
              round(extract(epoch FROM clock_timestamp() - prepared)))
  FROM pg_prepared_xacts
 WHERE database = current_database() AND prepared < clock_timestamp() - make_interval(secs => {ORPHANED})
UNION ALL
SELECT format('%s pages failed their checksum, last at %s', checksum_failures, checksum_last_failure)
  FROM pg_stat_database WHERE datname = current_database() AND checksum_failures > 0
ORDER BY 1"""  # noqa: S608 - our own words


async def faults(session: Session) -> Sequence[str]:
    """What is wrong, each in a sentence; empty when PostgreSQL knows of nothing."""
    return [row[0] for row in await session.fetch(_FAULTS)]
