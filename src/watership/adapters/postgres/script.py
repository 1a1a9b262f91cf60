"""A migration's script is cut into its statements; one that would leave the step's transaction or bounds is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from watership.errors import BadInput
from watership.releases import header

OUTSIDE: Final = f"-- {header.OUTSIDE}"

_FORBIDDEN: Final = frozenset(
    "BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE PREPARE VACUUM DISCARD RESET COPY".split()  # noqa: SIM905 - readable
)
"""Statements that would end the step's transaction or take its bounds away, or that are not possible within one."""

_BOUNDS: Final = re.compile(
    r"\b(lock_timeout|statement_timeout|transaction_timeout|idle_in_transaction_session_timeout)\b",
    re.IGNORECASE,
)

_INDEX: Final = re.compile(
    r"(CREATE\s+(UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX\s+(INDEX|TABLE))\s+CONCURRENTLY\b", re.IGNORECASE
)

_PIECE: Final = re.compile(
    r"""(?P<line>--[^\n]*)
      | (?P<block>/\*)
      | (?P<text>\b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
               | (?<![\w$])\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$)
      | (?P<end>;)""",
    re.DOTALL | re.VERBOSE,
)
_EDGE: Final = re.compile(r"/\*|\*/")


class Script(NamedTuple):
    """What is run, in order: in one transaction, or each statement for itself."""

    statements: tuple[str, ...]
    outside: bool


def read_script(text: str, name: str) -> Script:
    """The script of the migration `name`. Raises BadInput naming what it may not contain."""
    outside = header.header(text, name).outside
    found = tuple(statements(text))
    for statement in found:
        _check(statement, name, outside=outside)
    return Script(found, outside)


def statements(text: str) -> Iterator[str]:
    """The statements without the comments around them; texts and the bodies of functions stay as they are."""
    pending, at = "", 0
    while piece := _PIECE.search(text, at):
        pending += text[at : piece.start()]
        at = piece.end()
        match piece.lastgroup:
            case "line":
                pending += " "
            case "block":
                pending, at = pending + " ", _end_of_comment(text, at)
            case "end":
                if pending.strip():
                    yield pending.strip()
                pending = ""
            case _:
                pending += piece[0]
    pending += text[at:]
    if pending.strip():
        yield pending.strip()


def _end_of_comment(text: str, at: int) -> int:
    """Behind the comment that was open at `at`: those of PostgreSQL nest."""
    depth = 1
    while depth and (edge := _EDGE.search(text, at)):
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return at if depth == 0 else len(text)


def _check(statement: str, name: str, *, outside: bool) -> None:
    word = re.split(r"[\s;(]", statement, maxsplit=1)[0].upper()
    if statement.startswith("\\"):
        raise BadInput(
            f"Migration {name} contains {word.lower()}, which is for psql.", fix="Write it in SQL."
        )
    if word in _FORBIDDEN:
        raise BadInput(
            f"Migration {name} contains {word}; a step is one transaction already.",
            fix="Remove the statement; the body of a function stands in $$ … $$.",
        )
    if bound := _BOUNDS.search(statement):
        raise BadInput(
            f"Migration {name} names {bound[0].lower()}; a step's bounds are the migrator's.",
            fix="Remove it, and split a step that needs more.",
        )
    if bool(_INDEX.match(statement)) is not outside:
        raise BadInput(
            f"Migration {name} mixes what runs in one transaction with CONCURRENTLY at {shortened(statement)!r}.",
            fix=f"Give the indexes a migration of their own whose script begins with the line {OUTSIDE!r}.",
        )


def shortened(statement: str) -> str:
    """A statement in one line, as it is told to people."""
    return " ".join(statement.split())[:200]
