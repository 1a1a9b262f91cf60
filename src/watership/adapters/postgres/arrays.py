"""Arrays as PostgreSQL writes them, for parameters of many elements.

The driver's own encoder asks of each element whether it is an array itself, by way of abstract base classes: that was
the largest part of a write's cost. So an array goes as text, and the statement casts it: `$1::text::bigint[]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Literal = Callable[[Sequence[Any]], str]


def texts(column: Sequence[str | None]) -> str:
    """A text[] of any texts, NULL among them."""
    try:
        joined = '","'.join(column)  # type: ignore[arg-type]  # a NULL is found by its TypeError
    except TypeError:
        return f"{{{','.join(map(_quoted, column))}}}"
    if "\\" in joined or joined.count('"') != 2 * (len(column) - 1):
        return f"{{{','.join(map(_quoted, column))}}}"
    return f'{{"{joined}"}}' if column else "{}"


def numbers(column: Sequence[int | bool | None]) -> str:
    """An integer[], bigint[] or boolean[]."""
    return f"{{{','.join(['NULL' if value is None else str(value) for value in column])}}}"


def blobs(column: Sequence[bytes | None]) -> str:
    """A bytea[], in hexadecimal."""
    return f"{{{','.join(['NULL' if value is None else _HEX + value.hex() + _END for value in column])}}}"


def literal(kind: str) -> Literal:
    """How an array of this type of column is written."""
    match kind:
        case "text":
            return texts
        case "bytea":
            return blobs
        case _:
            return numbers


_HEX = '"\\\\x'
_END = '"'


def _quoted(value: str | None) -> str:
    if value is None:
        return "NULL"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
