"""What a migration's SQL does to those who use its tables meanwhile, by its words, and by how many rows it meets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from watership.releases.ports import Migration, Remark

ROWS: Final = 100_000
"""What is done to all rows of a larger table while others wait takes longer than they should."""

_HIDDEN: Final = re.compile(
    r"--[^\n]* | /\*.*?\*/ | '(?:[^']|'')*' | \$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$",
    re.DOTALL | re.VERBOSE,
)
_NAME: Final = r"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:ONLY\s+)?(?P<table>\"?\w[\w$]*\"?(?:\.\"?\w[\w$]*\"?)?)"
_TABLE: Final = re.compile(
    rf"(?:ALTER\s+TABLE|DROP\s+TABLE|TRUNCATE(?:\s+TABLE)?|UPDATE|DELETE\s+FROM|CLUSTER|REINDEX\s+TABLE"
    rf"|CREATE\s+(?:UNIQUE\s+)?INDEX\b[^(]*?\bON)\s+{_NAME}",
    re.IGNORECASE,
)
_MADE: Final = re.compile(rf"CREATE\s+(?:UNLOGGED\s+|TEMP(?:ORARY)?\s+)?TABLE\s+{_NAME}", re.IGNORECASE)


_VALUED: Final = re.compile(r"\b(?:DEFAULT|GENERATED|(?:small|big)?serial)\b", re.IGNORECASE)
_OWN: Final = re.compile(r"(?:ALTER|DROP)\s+TABLE\b|TRUNCATE\b", re.IGNORECASE)
"""What is done to a table: to one that the script made itself, if it names none that was there before."""


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


_ADDS: Final = (
    r"^ALTER\s+TABLE\b.*\bADD\s+(?:COLUMN\s+)?(?!CONSTRAINT\b|CHECK\b|UNIQUE\b|PRIMARY\b|FOREIGN\b)"
)

BREAKS: Final[dict[str, re.Pattern[str]]] = {
    "drop-table": _words(r"^DROP\s+TABLE\b"),
    "drop-column": _words(
        r"^ALTER\s+TABLE\b.*\bDROP\s+(?!CONSTRAINT\b|DEFAULT\b|NOT\b|EXPRESSION\b|IDENTITY\b)"
    ),
    "drop-other": _words(
        r"^DROP\s+(?:MATERIALIZED\s+VIEW|VIEW|TYPE|FUNCTION|PROCEDURE|SCHEMA|SEQUENCE|DOMAIN)\b"
    ),
    "rename": _words(r"^ALTER\b.*\bRENAME\b"),
    "required-column": _words(
        rf"{_ADDS}(?P<column>(?:[^,()]|\([^()]*\))*\bNOT\s+NULL\b(?:[^,()]|\([^()]*\))*)"
    ),
    "set-not-null": _words(r"^ALTER\s+TABLE\b.*\bSET\s+NOT\s+NULL\b"),
    "truncate": _words(r"^TRUNCATE\b"),
}
"""What the old build, which serves beside, cannot live with: it belongs into a contract."""

REWRITES: Final[dict[str, re.Pattern[str]]] = {
    "index-without-concurrently": _words(r"^CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY\b)"),
    "change-of-type": _words(r"^ALTER\s+TABLE\b.*\bALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b"),
    "set-not-null": BREAKS["set-not-null"],
    "constraint-at-once": _words(
        r"^ALTER\s+TABLE\b(?!.*\bNOT\s+VALID\b)(?!.*\bUSING\s+INDEX\b).*"
        r"\bADD\s+(?:CONSTRAINT\s+\S+\s+)?(?:CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b"
    ),
    "volatile-default": _words(
        rf"{_ADDS}.*(?:\bDEFAULT\b[^,]*\b(?:random|clock_timestamp|timeofday|gen_random_uuid|uuid_\w+|nextval)\s*\("
        r"|\b(?:small|big)?serial\b|\bSTORED\b)"
    ),
    "all-rows-at-once": _words(r"^(?:UPDATE|DELETE)\b"),
    "rewrite": _words(
        r"^(?:CLUSTER|REINDEX\s+TABLE\s+(?!CONCURRENTLY\b))|^ALTER\s+TABLE\b.*\bSET\s+(?:UN)?LOGGED\b"
    ),
}
"""What takes the longer, the more rows there are, while others wait."""


class Statement(Struct, frozen=True, kw_only=True):
    """A statement without its comments and texts, on the lines `line` to `last`. `table`: what it is done to."""

    line: int
    last: int
    text: str
    table: str

    @property
    def own(self) -> bool:
        """It is done to a table that the script made itself."""
        return not self.table and _OWN.match(self.text) is not None


def statements(script: str) -> Iterator[Statement]:
    """In order; what is done to a table that the script itself makes is done to nobody's."""
    bare, start = _HIDDEN.sub(lambda hidden: re.sub(r"[^\n]", " ", hidden[0]), script), 0
    made: set[str] = set()
    for piece in bare.split(";"):
        text = piece.strip()
        first = 1 + bare.count("\n", 0, start + len(piece) - len(piece.lstrip()))
        last = 1 + bare.count("\n", 0, start + len(piece.rstrip()))
        start += len(piece) + 1
        if not text:
            continue
        made |= {_named(found) for found in _MADE.finditer(text)}
        found = _TABLE.match(text)
        table = _named(found) if found else ""
        yield Statement(
            line=first, last=last, text=" ".join(text.split()), table="" if table in made else table
        )


def _breaks(rule: str, pattern: re.Pattern[str], text: str) -> bool:
    found = pattern.search(text)
    if found is None:
        return False
    # A column that has a value by itself is required of nobody.
    return rule != "required-column" or not _VALUED.search(found["column"])


def _named(found: re.Match[str]) -> str:
    parts = re.findall(r'"[^"]+"|[^".]+', found["table"])
    bare = [part.strip('"') if part == part.lower() else part for part in parts]
    return ".".join(part if part.startswith('"') else part.lower() for part in bare)


def touched(migrations: Sequence[Migration]) -> tuple[str, ...]:
    """The tables whose number of rows matters."""
    return tuple(
        sorted(
            {
                statement.table
                for migration in migrations
                for statement in statements(migration.forward)
                if statement.table and any(rule.search(statement.text) for rule in REWRITES.values())
            }
        )
    )


def remarks(migrations: Sequence[Migration], rows: Mapping[str, int], *, most: int = ROWS) -> list[Remark]:
    """What speaks against the forward scripts. `rows`: of the tables that are there."""
    return [remark for migration in migrations for remark in _remarks(migration, rows, most)]


def _remarks(migration: Migration, rows: Mapping[str, int], most: int) -> Iterator[Remark]:
    head = migration.header
    for each in statements(migration.forward):
        if head.kind != "contract":
            for rule, pattern in BREAKS.items():
                if _breaks(rule, pattern, each.text) and not each.own:
                    words = f"the old build, which serves beside, cannot live with: {each.text[:120]}"
                    yield Remark(migration=migration.name, rule=rule, line=each.line, words=words)
        if head.pauses or head.outside or head.kind == "backfill":
            continue
        count = rows.get(each.table, 0)
        if count > most:
            for rule, pattern in REWRITES.items():
                if pattern.search(each.text):
                    words = (
                        f"{each.table} has {count:,} rows at least, and {most:,} are the bound of what is done to "
                        f"all of them at once: {each.text[:120]}"
                    )
                    yield Remark(migration=migration.name, rule=rule, line=each.line, words=words)
