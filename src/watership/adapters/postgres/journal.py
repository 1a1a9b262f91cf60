"""The journals and inboxes of one transaction. Whether a write is known is guessed; the keys hold the guess."""

from __future__ import annotations

from watership.adapters.ledger.columns import Row, micros, signal_of
from watership.adapters.postgres.needs import EntryNeed, HistoryNeed, NotLoaded, SignalNeed
from watership.adapters.postgres.runs import RunSheet
from watership.adapters.postgres.undo import Undo
from watership.durable.events import AnyEvent, Entry, StepDone, dump, load
from watership.durable.ids import EntryId, RunId, SignalId
from watership.durable.run import Signal


class JournalSheet:
    """JournalRows over what was loaded.

    Nearly every write is new. While `sure` is false it is taken to be so, without a look: if it is not, its primary
    key says so at the flush, and the transaction begins again with `sure`.
    """

    def __init__(self, undo: Undo, runs: RunSheet, *, sure: bool) -> None:
        self._undo = undo
        self._runs = runs
        self.sure = sure
        self.entries: list[Row] = []
        self.signal_rows: list[Row] = []
        self.announced: list[tuple[Entry, StepDone]] = []
        """Of the whole transaction, whatever was flushed meanwhile."""
        self.appends: dict[tuple[RunId, EntryId], bool] = {}
        """Writes that are known, or are not; those made here are in `new_appends` too."""
        self.new_appends: dict[tuple[RunId, EntryId], None] = {}
        self.signal_ids: dict[tuple[RunId, SignalId], bool] = {}
        self.journals: dict[RunId, tuple[AnyEvent, ...]] = {}
        self.inboxes: dict[RunId, tuple[Signal, ...]] = {}
        """What the database holds of the runs that are `complete`."""

    def append(self, entry: Entry) -> None:
        version, body = dump(entry.event)
        row = (entry.run_id, entry.seq, entry.epoch, micros(entry.at), version, body)
        self._undo.append(self.entries, row)
        if isinstance(entry.event, StepDone) and entry.event.topic:
            self._undo.append(self.announced, (entry, entry.event))

    def events(self, run_id: RunId) -> tuple[AnyEvent, ...]:
        self._check(run_id)
        added = tuple(load(row[4], row[5]) for row in self.entries if row[0] == run_id)
        return self.journals.get(run_id, ()) + added

    def remember(self, run_id: RunId, entry_id: EntryId) -> None:
        self._undo.set(self.appends, (run_id, entry_id), True)
        self._undo.set(self.new_appends, (run_id, entry_id), None)

    def remembers(self, run_id: RunId, entry_id: EntryId) -> bool:
        known = self.appends.get((run_id, entry_id))
        if known is not None:
            return known
        if self.sure:
            raise NotLoaded(EntryNeed(run_id, entry_id))
        self._runs.guessed = True
        return False

    def add_signal(self, signal: Signal) -> None:
        value, at = bytes(signal.value), micros(signal.at)
        row = (signal.run_id, signal.number, signal.id, signal.name, value, at)
        self._undo.append(self.signal_rows, row)
        self._undo.set(self.signal_ids, (signal.run_id, signal.id), True)

    def has_signal(self, run_id: RunId, signal_id: SignalId) -> bool:
        known = self.signal_ids.get((run_id, signal_id))
        if known is not None:
            return known
        if self.sure:
            raise NotLoaded(SignalNeed(run_id, signal_id))
        self._runs.guessed = True
        return False

    def signals(self, run_id: RunId) -> tuple[Signal, ...]:
        self._check(run_id)
        added = tuple(signal_of(run_id, row[1:]) for row in self.signal_rows if row[0] == run_id)
        return self.inboxes.get(run_id, ()) + added

    def take_journals(self) -> tuple[list[Row], list[Row], list[Row]]:
        """New entries, signals and ids of writes; what they belong to is no longer complete."""
        taken = list(self.entries), list(self.signal_rows), list(self.new_appends)
        self._runs.complete.difference_update(row[0] for row in self.entries)
        self._runs.complete.difference_update(row[0] for row in self.signal_rows)
        self.entries.clear()
        self.signal_rows.clear()
        self.new_appends.clear()
        return taken

    def _check(self, run_id: RunId) -> None:
        if run_id in self._runs.stored and run_id not in self._runs.complete:
            raise NotLoaded(HistoryNeed(run_id))
