"""Session locks in a register that tests hold in their hands: to kill a worker is to free its lock."""

from __future__ import annotations

from collections.abc import Collection

from watership.durable.ids import WorkerId
from watership.errors import Conflict, Unavailable


class Sessions:
    """The locks of all simulated processes: which worker's is held, and by which witness."""

    def __init__(self) -> None:
        self.holders: dict[WorkerId, MemoryWitness] = {}
        self.known: set[WorkerId] = set()
        self.full = False
        """Whether no lock can be taken for now, as on a disk that is full."""

    def kill(self, worker: WorkerId) -> None:
        """The worker's process is gone: its lock is free, as the operating system would see to."""
        self.holders.pop(worker, None)


class MemoryWitness:
    """A Witness over a register; one per simulated process."""

    def __init__(self, sessions: Sessions | None = None) -> None:
        self._sessions = sessions or Sessions()
        self._mine: WorkerId | None = None

    async def hold(self, worker: WorkerId) -> None:
        if self._sessions.full:
            raise Unavailable(f"The session lock of worker {worker} cannot be taken: the disk is full.")
        if self._sessions.holders.get(worker, self) is not self:
            raise Conflict(f"The session lock of worker {worker} is held by another process.")
        self.release()
        self._sessions.holders[worker] = self
        self._sessions.known.add(worker)
        self._mine = worker

    def held(self) -> bool:
        return self._mine is not None and self._sessions.holders.get(self._mine) is self

    async def dead(self, workers: Collection[WorkerId]) -> frozenset[WorkerId]:
        return frozenset(workers) & (self._sessions.known - self._sessions.holders.keys())

    def release(self) -> None:
        if self.held() and self._mine is not None:
            del self._sessions.holders[self._mine]
        self._mine = None
