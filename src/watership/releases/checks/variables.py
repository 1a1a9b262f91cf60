"""A file of variables has lines NAME=VALUE, as a shell reads them."""

from __future__ import annotations

import re
from typing import Final

ASSIGNED: Final = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")
OFFERED: Final = re.compile(r"^\s*#?\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)=")
"""A variable of an example: a line that is commented out offers it too."""


def assignments(text: str) -> list[tuple[str, str]]:
    """Names and values, line by line: without quotes around a value, without comments, blanks and other lines.

    Where a name stands twice the last one counts, to whoever makes a `dict` of them, as to a shell."""
    there = filter(None, map(ASSIGNED.match, text.splitlines()))
    return [(each[1], _unquoted(each[2])) for each in there]


def offered(text: str) -> set[str]:
    """The names that an example tells of, set or commented out."""
    return {each[1] for each in map(OFFERED.match, text.splitlines()) if each is not None}


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return "" if value.startswith("#") else value.partition(" #")[0].rstrip()
