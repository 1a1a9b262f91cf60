"""Figures of peers: what one repetition hands over, each kind of measurement in a shape of its own."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds of CPU for each job, by group of processes; `other_cores` were busy with other things."""

    micros: Mapping[str, float]
    other_cores: float

    @property
    def total(self) -> float:
        return sum(self.micros.values())


class Jobs(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A number of small jobs handed in as quickly as the client can, until all results are stored.

    `milliseconds`: from when a job was due to its result in the client's hands, at `per_second`, idle otherwise.
    """

    peer: str
    version: str
    jobs: int
    submitted_seconds: float
    seconds: float
    cost: Cost
    per_second: float
    milliseconds: tuple[float, ...]

    @property
    def rate(self) -> float:
        return self.jobs / self.seconds

    @property
    def submit_rate(self) -> float:
        return self.jobs / self.submitted_seconds


class Engine(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Runs of three journaled steps, in one process with its clients: no HTTP, no broker."""

    peer: str
    clients: int
    runs: int
    seconds: float
    cost: Cost

    @property
    def rate(self) -> float:
        return self.runs / self.seconds


class Path(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The whole path: HTTP 202, RabbitMQ, worker, three journaled steps, stored result.

    `seconds` until the last connection had its last answer; `drained_seconds` until the last run was done as well.
    """

    connections: int
    accepted: int
    refused: int
    errors: int
    complaints: tuple[str, ...]
    """The commonest errors, each with its number."""
    seconds: float
    drained_seconds: float
    cost: Cost
    http_milliseconds: tuple[float, ...]
    """Of a sample of the answers."""
    done_p50: float
    done_p99: float
    done_most: float
    """Milliseconds from a run's row to its end, by the database's clock."""

    @property
    def accepted_rate(self) -> float:
        return self.accepted / self.seconds

    @property
    def rate(self) -> float:
        return self.accepted / self.drained_seconds


class Steady(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The same path at a fixed rate with nothing else to do: to the 202, and to the result in the client's hands."""

    per_second: float
    http_milliseconds: tuple[float, ...]
    done_milliseconds: tuple[float, ...]
    cost: Cost
    """With that of asking for the result, over and over."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From the SIGKILL of a worker to the beginning of its work elsewhere; what an idle worker holds in memory."""

    peer: str
    milliseconds: tuple[float, ...]
    megabytes: tuple[float, ...]
    processes: int
    import_milliseconds: tuple[float, ...]
    not_recovered: str = ""
    """Why there are fewer times than kills: after the first job that nobody took over there are no more."""


class Survival(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Of all runs that were accepted, how many were lost or wrong after a SIGKILL of PostgreSQL."""

    lost: int


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """There are no figures, and why."""

    peer: str
    kind: str
    error: str


Figure = Jobs | Engine | Path | Steady | Recovery | Survival | Failed
Figures = list[Figure]
