"""An export is the whole audit as a stream for elsewhere: the very lines that are kept, or a sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from watership.releases.auditing.audit import Entry, encode

Format = Literal["jsonl", "csv"]

COLUMNS: Final = ("number", "at", "actor", "action", "facts", "previous", "digest")

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def exported(entries: Iterable[Entry], to: Format) -> Iterator[bytes]:
    """One line after the other. As jsonl it can be verified like the audit itself."""
    if to == "jsonl":
        return (encode(entry) + b"\n" for entry in entries)
    return _sheet(entries)


def _sheet(entries: Iterable[Entry]) -> Iterator[bytes]:
    yield _row(COLUMNS)
    for entry in entries:
        facts = msgspec.json.encode(entry.facts, order="sorted").decode()
        yield _row(
            (
                str(entry.number),
                entry.at.isoformat(),
                _cell(entry.actor),
                _cell(entry.action),
                facts,
                entry.previous,
                entry.digest,
            )
        )


def _row(cells: Iterable[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def _cell(text: str) -> str:
    """Text that stays text in a spreadsheet."""
    return f"'{text}" if text.startswith(FORMULA) else text
