"""The records of each release as a file: one record a line, bound to the audit, on disk before it is returned."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from watership.adapters.files.appending import (
    NOTHING,
    Lines,
    all_or_nothing,
    append,
    growing,
    lines_in,
    locked,
    mended,
    parsed,
    refused,
)
from watership.adapters.files.bindings import Bindings
from watership.adapters.files.releases import ReleaseFolder
from watership.errors import BadInput, Unavailable
from watership.releases.auditing.audit import Audit
from watership.releases.readiness.binding import (
    Astray,
    Bound,
    RecordsAstray,
    astray,
    drop_of,
    entry_of,
    unbound,
)
from watership.releases.readiness.records import Record

FILE = "records.jsonl"

MAX_BYTES = 64 * 1024 * 1024
"""Some hundred thousand records; a release that has more is not looked after by people any more."""


class RecordFiles:
    """Records below the folder of releases. Several processes may add: each takes the file's lock.

    The line is on the disk before the entry that binds it, and both are written under that lock. A crash in between
    leaves a last line that is in no entry: it counts for nothing, and whoever adds next removes it, which is an entry.
    """

    def __init__(self, folder: Path, audit: Audit, bindings: Bindings) -> None:
        self._folder = folder
        self._audit = audit
        self._bindings = bindings

    async def add(self, release: str, record: Record) -> None:
        await asyncio.to_thread(self._add, release, record)

    async def all(self, release: str) -> Sequence[Record]:
        return await asyncio.to_thread(self._read, release)

    def _path(self, release: str) -> Path:
        return ReleaseFolder(self._folder, release).folder / FILE

    def _add(self, release: str, record: Record) -> None:
        path, line = self._path(release), msgspec.json.encode(record)
        try:
            with growing(path) as file:
                lines = self._bound_lines(file, release)
                if lines.size + len(line) > MAX_BYTES:
                    raise Unavailable(
                        f"{path} has reached {MAX_BYTES:,} bytes.", fix="Plan the release anew."
                    )
                with all_or_nothing(file):
                    append(file, line + b"\n")
                    self._audit.append(*entry_of(release, record, line, len(lines.whole) + 1))
        except OSError as error:
            raise refused(path, error) from error

    def _bound_lines(self, file: int, release: str) -> Lines:
        """The lines that count, with nothing behind them. Raises RecordsAstray, and leaves that as evidence."""
        lines, bound = lines_in(file), self._bindings.of(release)
        _require(self._path(release), lines, bound)
        number = unbound(lines.whole, bound)
        if number is not None:
            # Said first: killed in between, it is said twice and removed once.
            self._audit.append(*drop_of(release, lines.whole[-1], number))
            os.ftruncate(file, lines._replace(whole=lines.whole[:-1]).size)
        return mended(file)

    def _read(self, release: str) -> list[Record]:
        path = self._path(release)
        lines, bound = together(path, partial(self._bindings.of, release))
        _require(path, lines, bound)
        return parsed(path, lines.whole[: len(bound)], _record, "record of a release")


def _record(line: bytes) -> Record:
    record: Record = msgspec.json.decode(line, type=Record)
    return record


def _require(path: Path, lines: Lines, bound: Sequence[Bound]) -> None:
    wrong = astray(lines.whole, bound)
    if wrong is not None:
        raise RecordsAstray(str(path), wrong)


def together(path: Path, bound: Callable[[], Sequence[Bound]]) -> tuple[Lines, Sequence[Bound]]:
    """The lines of a file, and what binds them, at one moment: nobody adds a record in between."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        found = bound()
        # Whoever begins the file writes a line before its entry: bound, it is there by now, or was removed.
        return together(path, bound) if found and path.exists() else (NOTHING, found)
    try:
        with locked(file, fcntl.LOCK_SH):
            return lines_in(file), bound()
    finally:
        os.close(file)


def compared(folder: Path, bindings: Bindings) -> tuple[dict[str, Astray], dict[str, int]]:
    """Of the records below a folder: by file the first line that is astray, and a last one that is in no entry.

    Raises AuditBroken where the audit itself cannot be trusted.
    """
    there = {path.parent.name for path in folder.glob(f"*/{FILE}")}
    wrong: dict[str, Astray] = {}
    left: dict[str, int] = {}
    for release in sorted(there | set(bindings.releases())):
        try:
            path = ReleaseFolder(folder, release).folder / FILE
        except BadInput:  # no release of ours is called so
            path = folder / release / FILE
        lines, bound = together(path, partial(bindings.of, release))
        if (found := astray(lines.whole, bound)) is not None:
            wrong[str(path)] = found
        elif (number := unbound(lines.whole, bound)) is not None:
            left[str(path)] = number
    return wrong, left
