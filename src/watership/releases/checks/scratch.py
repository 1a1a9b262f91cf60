"""A scratch database is made for one rehearsal and is gone afterwards; what migrations leave is looked at there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from watership.errors import BadInput, Unavailable
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Row
from watership.releases.measurement import excerpt

SHAPE = """
SELECT coalesce(string_agg(what, E'\\n' ORDER BY what), '') AS shape FROM (
  SELECT format('column %s.%s %s%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
      CASE WHEN a.attnotnull THEN ' not null' ELSE '' END, pg_get_expr(d.adbin, d.adrelid)) AS what
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm')
      AND n.nspname !~ '^(pg_|information_schema)'
  UNION ALL SELECT format('index %s', pg_get_indexdef(i.indexrelid))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^(pg_|information_schema)'
  UNION ALL SELECT format('constraint %s %s', conname, pg_get_constraintdef(k.oid))
    FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE n.nspname !~ '^(pg_|information_schema)'
) parts
"""

COLUMNS = """
SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type,
    EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indkey[0] = a.attnum) AS indexed
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema)'
"""

UNINDEXED = """
SELECT conrelid::regclass::text AS table, conname AS name FROM pg_constraint k
  JOIN pg_namespace n ON n.oid = k.connamespace
  WHERE contype = 'f' AND n.nspname !~ '^(pg_|information_schema)' AND NOT EXISTS (
    SELECT 1 FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
      AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
"""

UNSOUND = """
SELECT format('the constraint %s of %s is not validated', conname, conrelid::regclass) AS what FROM pg_constraint k
  JOIN pg_namespace n ON n.oid = k.connamespace WHERE NOT convalidated AND n.nspname !~ '^(pg_|information_schema)'
UNION ALL SELECT format('the index %s is not valid', i.indexrelid::regclass) FROM pg_index i
  JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE NOT i.indisvalid AND n.nspname !~ '^(pg_|information_schema)'
UNION ALL SELECT format('the table %s has no primary key', c.oid::regclass) FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname !~ '^(pg_|information_schema)'
  AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p')
"""


class Refused(BadInput):
    """A script that the database refused, in its words."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A database of its own for one rehearsal."""

    scene: Scene
    url: str

    async def apply(self, files: Sequence[str]) -> None:
        """Run scripts one after the other. Raises Refused when one fails."""
        if files:
            await _psql(self.scene, urlsplit(self.url), [word for file in files for word in ("-f", file)])

    async def rows(self, statement: str) -> Sequence[Row]:
        return await self.scene.look.sql.rows(self.url, statement)

    async def shape(self) -> frozenset[str]:
        """Every column, index and constraint, in words."""
        (row,) = await self.rows(SHAPE)
        return frozenset(str(row["shape"]).splitlines())


@asynccontextmanager
async def scratch(scene: Scene, server: str) -> AsyncIterator[Scratch]:
    """A new, empty database of the PostgreSQL `server`, dropped after the block."""
    home = urlsplit(scene.address(server))
    place = re.sub(r"[^a-z0-9]+", "_", scene.key)[-30:]
    name = f"rehearsal_{scene.now():%d%H%M%S%f}_{place}"
    await _psql(scene, home, ["-c", f"CREATE DATABASE {name}"])
    try:
        yield Scratch(scene, home._replace(path=f"/{name}").geturl())
    finally:
        await _psql(scene, home, ["-c", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"])


async def _psql(scene: Scene, home: SplitResult, words: Sequence[str]) -> None:
    ended = await scene.look.commands.run(
        ("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "batch=1000", *words),
        variables=_variables(home),
        timeout=scene.timeout,
    )
    if ended.code == 2:  # how psql says that it could not connect
        raise Unavailable(f"psql did not reach {home.hostname}: {excerpt(ended.errors.strip(), 300)}")
    if ended.code != 0:
        raise Refused(f"The database refused it: {excerpt(ended.errors.strip(), 300)}")


def _variables(home: SplitResult) -> Mapping[str, str]:
    """Where psql connects to: a password in its arguments would be in the list of processes."""
    there = {
        "PGHOST": home.hostname,
        "PGPORT": str(home.port or 5432),
        "PGUSER": home.username and unquote(home.username),
        "PGPASSWORD": home.password and unquote(home.password),
        "PGDATABASE": unquote(home.path.removeprefix("/")) or "postgres",
        "PGOPTIONS": "-c client_min_messages=warning",
    }
    return {name: value for name, value in there.items() if value}
