"""What a database's catalogue says of everything that an application has in it, by name, and a sum of its rows.

The order of columns is left out: PostgreSQL puts a column that comes back at the end, and nothing mends that.
"""

from __future__ import annotations

from typing import Final

from watership.adapters.postgres.pool import Session

VERSIONS: Final = "application_versions"
"""The table that keeps every step taken: our bookkeeping, and no part of the shape."""

OURS: Final = "!~ '^(pg_|information_schema)'"
"""Of a schema's name: what is not PostgreSQL's own."""

_RELATION: Final = (
    f"relname NOT IN ('{VERSIONS}', '{VERSIONS}_position_seq') AND relnamespace::regnamespace::text {OURS}"
)

_SHAPE: Final = f"""
WITH own AS (SELECT * FROM pg_class WHERE relkind NOT IN ('i', 'I', 't') AND {_RELATION})
SELECT format('%s %s', CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view'
                       WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'relation' END, oid::regclass) AS name,
       format('%s %s %s %s %s %s', relkind, relpersistence, relrowsecurity, reloptions,
              pg_get_expr(relpartbound, oid),
              CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END) AS made FROM own
UNION ALL
SELECT format('column %s.%I', attrelid::regclass, attname),
       format('%s %s %s %s %s', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END,
              pg_get_expr(adbin, adrelid), attidentity, attgenerated)
  FROM pg_attribute JOIN own ON own.oid = attrelid
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
 WHERE attnum > 0 AND NOT attisdropped AND relkind <> 'S'
UNION ALL
SELECT format('sequence %s', seqrelid::regclass) || ' counts',
       format('%s %s %s %s %s', seqtypid::regtype, seqincrement, seqmin, seqmax, seqcycle)
  FROM pg_sequence JOIN own ON own.oid = seqrelid
UNION ALL
SELECT format('index %s', indexrelid::regclass), pg_get_indexdef(indexrelid) || format(' %s', indisvalid)
  FROM pg_index JOIN own ON own.oid = indrelid
UNION ALL
SELECT format('constraint %s of %s', conname, coalesce(conrelid::regclass::text, contypid::regtype::text)),
       pg_get_constraintdef(pg_constraint.oid)
  FROM pg_constraint LEFT JOIN own ON own.oid = conrelid
 WHERE own.oid IS NOT NULL OR (contypid <> 0 AND connamespace::regnamespace::text {OURS})
UNION ALL
SELECT format('trigger %s of %s', tgname, tgrelid::regclass),
       format('%s %s', pg_get_triggerdef(pg_trigger.oid), tgenabled)
  FROM pg_trigger JOIN own ON own.oid = tgrelid WHERE NOT tgisinternal
UNION ALL
SELECT format('policy %s of %s', polname, polrelid::regclass),
       format('%s %s %s %s', polcmd, polpermissive, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
  FROM pg_policy JOIN own ON own.oid = polrelid
UNION ALL
SELECT format('function %s', oid::regprocedure), pg_get_functiondef(oid)
  FROM pg_proc WHERE prokind IN ('f', 'p') AND pronamespace::regnamespace::text {OURS}
UNION ALL
SELECT format('type %s', oid::regtype), format('%s %s %s %s', typtype,
       CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod) END, typdefault,
       (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = pg_type.oid))
  FROM pg_type WHERE typtype IN ('e', 'd', 'r') AND typnamespace::regnamespace::text {OURS}
UNION ALL
SELECT format('extension %s', extname), extversion FROM pg_extension
UNION ALL
SELECT format('schema %s', nspname), '' FROM pg_namespace WHERE nspname {OURS}"""  # noqa: S608 - our own words

_COLUMNS: Final = f"""
SELECT pg_class.oid::regclass::text AS of,
       coalesce(string_agg(quote_ident(attname), ', ' ORDER BY attname), '') AS names
  FROM pg_class LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
 WHERE relkind = 'r' AND {_RELATION} GROUP BY pg_class.oid ORDER BY 1"""  # noqa: S608 - the same

Sums = dict[str, tuple[int, str]]
"""By table: how many rows, and a sum over their values that does not depend on their order."""


async def shape(session: Session) -> dict[str, str]:
    """Every table, column, index, constraint, trigger, function and type, as the catalogue declares it."""
    return {row["name"]: " ".join(row["made"].split()) for row in await session.fetch(_SHAPE)}


async def sums(session: Session) -> Sums:
    """Rows of every table. Their values are read as text, so what is equal is written in the same way."""
    found: Sums = {}
    for table, names in await session.fetch(_COLUMNS):
        row = await session.fetchrow(
            f"SELECT count(*), coalesce(sum(hashtextextended(ROW({names})::text, 0)::numeric), 0)::text "  # noqa: S608 - quoted by PostgreSQL
            f"FROM ONLY {table}"
        )
        assert row is not None, "an aggregate has one row"
        found[table] = (row[0], row[1])
    return found
