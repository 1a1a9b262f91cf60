"""Journals and inboxes inside one transaction: additions are gathered, and written many at a time."""

from __future__ import annotations

import sqlite3

import msgspec

from watership.adapters.ledger.columns import Row, entry_of, micros, signal_of
from watership.durable.events import AnyEvent, Entry, dump, load
from watership.durable.ids import EntryId, RunId, SignalId
from watership.durable.run import Signal

ENTRY = "seq, epoch, at, version, event"
SIGNAL = "number, id, name, value, at"
_COMMITTED = """
SELECT run_id, entry_id FROM json_each(?) AS wanted CROSS JOIN appends
ON run_id = json_extract(wanted.value, '$[0]') AND entry_id = json_extract(wanted.value, '$[1]')"""


class JournalTable:
    """JournalRows over SQLite."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._entries: list[Row] = []
        self._signals: list[Row] = []
        self._written: set[tuple[RunId, EntryId]] = set()
        self._signal_ids: set[tuple[RunId, SignalId]] = set()
        self._new: set[tuple[RunId, EntryId]] = set()
        """Appends that were looked for and are not in the file."""

    def look_up_appends(self, wanted: list[tuple[RunId, EntryId]]) -> None:
        """Find out in one go which of these have been committed before."""
        self._new.update(wanted)
        self._new.difference_update(self._db.execute(_COMMITTED, (msgspec.json.encode(wanted),)).fetchall())

    def append(self, entry: Entry) -> None:
        version, body = dump(entry.event)
        self._entries.append((entry.run_id, entry.seq, entry.epoch, micros(entry.at), version, body))

    def events(self, run_id: RunId) -> tuple[AnyEvent, ...]:
        self.flush_journals()
        rows = self._db.execute("SELECT version, event FROM journal WHERE run_id = ? ORDER BY seq", (run_id,))
        return tuple(load(version, event) for version, event in rows)

    def remember(self, run_id: RunId, entry_id: EntryId) -> None:
        self._written.add((run_id, entry_id))
        self._new.discard((run_id, entry_id))

    def remembers(self, run_id: RunId, entry_id: EntryId) -> bool:
        if (run_id, entry_id) in self._written:
            return True
        if (run_id, entry_id) in self._new:
            return False
        query = "SELECT 1 FROM appends WHERE run_id = ? AND entry_id = ?"
        return self._db.execute(query, (run_id, entry_id)).fetchone() is not None

    def add_signal(self, signal: Signal) -> None:
        value, at = bytes(signal.value), micros(signal.at)
        self._signals.append((signal.run_id, signal.number, signal.id, signal.name, value, at))
        self._signal_ids.add((signal.run_id, signal.id))

    def has_signal(self, run_id: RunId, signal_id: SignalId) -> bool:
        if (run_id, signal_id) in self._signal_ids:
            return True
        query = "SELECT 1 FROM signals WHERE run_id = ? AND id = ?"
        return self._db.execute(query, (run_id, signal_id)).fetchone() is not None

    def signals(self, run_id: RunId) -> tuple[Signal, ...]:
        self.flush_journals()
        return read_inbox(self._db, run_id, 0)

    def flush_journals(self) -> None:
        """Write what was gathered: before it is read, and before the commit."""
        if self._entries:
            self._db.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)", self._entries)
            self._entries.clear()
        if self._signals:
            self._db.executemany("INSERT INTO signals VALUES (?, ?, ?, ?, ?, ?)", self._signals)
            self._signals.clear()
            self._signal_ids.clear()
        if self._written:
            self._db.executemany("INSERT INTO appends VALUES (?, ?)", sorted(self._written))
            self._written.clear()


def read_journal(db: sqlite3.Connection, run_id: RunId, after: int, limit: int) -> list[Entry]:
    query = f"SELECT {ENTRY} FROM journal WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    return [entry_of(run_id, row) for row in db.execute(query, (run_id, after, limit))]


def read_inbox(db: sqlite3.Connection, run_id: RunId, after: int) -> tuple[Signal, ...]:
    query = f"SELECT {SIGNAL} FROM signals WHERE run_id = ? AND number > ? ORDER BY number"  # noqa: S608
    return tuple(signal_of(run_id, row) for row in db.execute(query, (run_id, after)))
