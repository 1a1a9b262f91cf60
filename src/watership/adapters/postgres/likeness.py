"""A database that is made like another one: its owner and locale, its settings, and who may do what with it."""

from __future__ import annotations

from typing import Final

from watership.adapters.postgres.pool import Session

# Values of these are lists of quoted names, and stand as they are.
_LISTS: Final = frozenset(
    {"search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"}
)

_LIKE: Final = """
SELECT quote_ident(pg_get_userbyid(datdba)) AS owner, pg_encoding_to_char(encoding) AS encoding,
       quote_literal(datcollate) AS collate, quote_literal(datctype) AS ctype, datconnlimit AS most,
       to_jsonb(pg_database) ->> 'datlocprovider' AS provider,
       quote_literal(coalesce(to_jsonb(pg_database) ->> 'daticulocale',
                              to_jsonb(pg_database) ->> 'datlocale')) AS locale,
       datacl IS NOT NULL AS granted
  FROM pg_database WHERE datname = $1"""

_SETTINGS: Final = """
SELECT quote_ident(rolname) AS role, split_part(setting, '=', 1) AS name,
       substr(setting, strpos(setting, '=') + 1) AS value,
       quote_literal(substr(setting, strpos(setting, '=') + 1)) AS quoted
  FROM pg_db_role_setting
  JOIN pg_database ON pg_database.oid = setdatabase
  LEFT JOIN pg_roles ON pg_roles.oid = setrole, unnest(setconfig) AS setting
 WHERE datname = $1"""

_GRANTS: Final = """
SELECT privilege_type AS privilege, is_grantable AS further,
       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
  FROM pg_database, aclexplode(datacl) WHERE datname = $1"""


async def made_like(session: Session, original: str, name: str) -> None:
    """Make the database `name`, an empty one like `original`."""
    like = await session.fetchrow(_LIKE, original)
    assert like is not None, "the original is there"
    icu = f" LOCALE_PROVIDER icu ICU_LOCALE {like['locale']}" if like["provider"] == "i" else ""
    await session.execute(
        f"CREATE DATABASE {quoted(name)} OWNER {like['owner']} TEMPLATE template0 ENCODING '{like['encoding']}'"
        f" LC_COLLATE {like['collate']} LC_CTYPE {like['ctype']}{icu} CONNECTION LIMIT {like['most']}"
    )
    for each in await session.fetch(_SETTINGS, original):
        value = each["value"] if each["name"] in _LISTS else each["quoted"]
        what = f"SET {each['name']} TO {value}"
        if each["role"] is None:
            await session.execute(f"ALTER DATABASE {quoted(name)} {what}")
        else:
            await session.execute(f"ALTER ROLE {each['role']} IN DATABASE {quoted(name)} {what}")
    if like["granted"]:
        await session.execute(f"REVOKE ALL ON DATABASE {quoted(name)} FROM PUBLIC")
        for each in await session.fetch(_GRANTS, original):
            further = " WITH GRANT OPTION" if each["further"] else ""
            await session.execute(
                f"GRANT {each['privilege']} ON DATABASE {quoted(name)} TO {each['grantee']}{further}"
            )


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
