"""What the traffic writes down: each accepted run before anything else is asked, and every outcome by second."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from watership.demo.traffic.client import Answer
from watership.demo.traffic.mix import Message

BOUNDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds of the latencies that are told apart, in seconds."""

FAILURES = 20_000
"""Failures that are kept one by one; a demo that has more has no use for the rest."""


REASON_BYTES = 300
"""Bytes of a bad answer that are kept with it."""


class AcceptedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that the service promised to keep, and what was asked."""

    run: str
    agent: str
    input: dict[str, Any]
    granted: bool
    deployment: str
    at: datetime


class Cell(msgspec.Struct, kw_only=True):
    """All requests of one second that had the same kind, status and answerer. `latencies` follow BOUNDS."""

    second: int
    what: str
    status: int
    deployment: str
    slot: str
    version: str
    count: int = 0
    latencies: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """One request that did not get a good answer. Status 0: none at all."""

    at: datetime
    what: str
    path: str
    status: int
    deployment: str
    slot: str
    reason: str


class Summary(msgspec.Struct, kw_only=True):
    """Everything that was asked and answered. `wrong`: 200 with another fact than the version has."""

    started_at: datetime
    ended_at: datetime | None = None
    cells: list[Cell] = []
    failures: list[Failed] = []
    wrong: list[Failed] = []
    accepted: int = 0
    answered: int = 0
    unanswered: int = 0


class Record:
    """Counts outcomes, and keeps accepted runs on the disk."""

    def __init__(self, accepted: Path) -> None:
        self.summary = Summary(started_at=datetime.now(UTC))
        self._cells: dict[tuple[object, ...], Cell] = {}
        self._accepted = os.open(accepted, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def accept(self, run: str, deployment: str, message: Message) -> None:
        """Put an accepted run on the disk. It blocks on purpose: nothing else is asked before it is there."""
        entry = AcceptedRun(
            run=run,
            agent=message.agent,
            input=message.input,
            granted=message.granted,
            deployment=deployment,
            at=datetime.now(UTC),
        )
        os.write(self._accepted, msgspec.json.encode(entry) + b"\n")
        os.fsync(self._accepted)
        self.summary.accepted += 1

    def answered(self, what: str, path: str, answer: Answer, version: str = "") -> bool:
        """Count an answer; whether it was a good one."""
        now = datetime.now(UTC)
        key = (int(now.timestamp()), what, answer.status, answer.deployment, answer.slot, version)
        cell = self._cells.get(key)
        if cell is None:
            second, *_ = key
            cell = self._cells[key] = Cell(
                second=second,
                what=what,
                status=answer.status,
                deployment=answer.deployment,
                slot=answer.slot,
                version=version,
            )
            self.summary.cells.append(cell)
        cell.count += 1
        cell.latencies[bucket(answer.seconds)] += 1
        good = 200 <= answer.status < 300
        if not good:
            self._keep(self.summary.failures, what, path, answer)
        return good

    def unanswered(self, what: str, path: str, reason: str, seconds: float) -> None:
        """Count a request that got no answer."""
        self.answered(what, path, Answer(body=reason.encode(), seconds=seconds))

    def wrong(self, what: str, path: str, answer: Answer) -> None:
        """Keep an answer that is well-formed and not true."""
        self._keep(self.summary.wrong, what, path, answer)

    @staticmethod
    def _keep(where: list[Failed], what: str, path: str, answer: Answer) -> None:
        if len(where) < FAILURES:
            where.append(
                Failed(
                    at=datetime.now(UTC),
                    what=what,
                    path=path,
                    status=answer.status,
                    deployment=answer.deployment,
                    slot=answer.slot,
                    reason=answer.body[:REASON_BYTES].decode("utf-8", "replace"),
                )
            )

    def close(self) -> None:
        os.close(self._accepted)


def bucket(seconds: float) -> int:
    """The place of a latency among BOUNDS."""
    return next((i for i, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))


def read_accepted(path: Path) -> Iterator[AcceptedRun]:
    """The runs that were accepted."""
    decoder = msgspec.json.Decoder(AcceptedRun)
    for line in path.read_bytes().splitlines():
        yield decoder.decode(line)
