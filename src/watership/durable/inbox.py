"""The inbox of one execution: the signals that nothing consumed yet, and who waits for them."""

from __future__ import annotations

from collections.abc import Iterable

from watership.durable.ids import Key
from watership.durable.ports import Runs
from watership.durable.run import Run, Signal, answer_signal
from watership.durable.waits import Waits


class Inbox:
    """`seen` is the number of the last signal that was taken in."""

    def __init__(self, row: Run, signals: Iterable[Signal], runs: Runs, waits: Waits) -> None:
        self.seen = row.inbox
        self._row = row
        self._signals = list(signals)
        self._runs = runs
        self._waits = waits

    async def read(self) -> Run | None:
        """Take in what came since and give it to whoever waits for it. The run's row, if it is still ours."""
        row = await self._runs.get(self._row.id)
        if row is None or row.epoch != self._row.epoch:
            return None
        for signal in await self._runs.inbox(row.id, after=self.seen):
            self.seen = signal.number
            self._signals.append(signal)
        self._hand_out()
        return row

    def take(self, name: str, key: Key) -> Signal | None:
        """The oldest signal of this name, or addressed to this wait, that nothing consumed yet; now the caller's."""
        for index, signal in enumerate(self._signals):
            if signal.name in (name, answer_signal(key)):
                return self._signals.pop(index)
        return None

    def give_back(self, signal: Signal) -> None:
        """The branch that was to consume a signal was dropped before it could: it is there for others."""
        self._signals = sorted([*self._signals, signal], key=lambda each: each.number)
        self._hand_out()

    def _hand_out(self) -> None:
        for wait in self._waits.pending():
            if wait.info.kind in ("signal", "child"):
                signal = self.take(wait.info.name, wait.info.key)
                if signal is not None:
                    self._waits.wake(wait, signal)
