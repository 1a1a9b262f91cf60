"""What a release needs of the outside: router, hosts, migrator, backups, metrics, probe, lock.

Every actuator sets absolute states, carries the controller's epoch, refuses a lower one (Fenced), and is read back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, Protocol

import msgspec

from watership.durable.ids import DeploymentId, RunId
from watership.fleet.build import Build
from watership.fleet.deployment import Slot
from watership.releases.header import Header, header
from watership.releases.readiness.rehearsal import Held

SlotWeights = dict[Slot, int]
"""Shares of HTTP traffic in per cent; they sum to 100."""

PATIENCE_SECONDS: Final = 20.0
"""How long a pause holds one request at most: clients' own limits begin at about 30 s. Then it is told 503."""


class Waited(msgspec.Struct, frozen=True, kw_only=True):
    """What the last pause came to for clients, as the router itself counted.

    `longest`: seconds of the longest wait; `seconds`: from the first that was held until the last one was let go.
    """

    waiting: int = 0
    """Held at this moment."""
    held: int = 0
    """Requests that were held, those among them that were told 503 in the end, and those that wait still."""
    told: int = 0
    """Told 503 with Retry-After: they had waited too long, or too many waited already."""
    longest: float = 0.0
    seconds: float = 0.0


class RouterState(msgspec.Struct, frozen=True, kw_only=True):
    """What the router itself says, never what we last asked of it."""

    weights: SlotWeights
    """The weights in force now (the last safe ones, once `until` has passed)."""
    epoch: int
    targets: dict[Slot, tuple[str, ...]]
    """host:port of each slot's instances."""
    healthy: dict[Slot, int]
    """How many of a slot's instances the router itself finds healthy."""
    active: dict[Slot, int]
    """Requests in flight by slot; of a slot that is not there the router does not tell."""
    paused: bool = False
    writes_only: bool = False
    """The pause holds no reads."""
    can_hold: bool = True
    """Whether it knows how to pause. One that does not refuses with BadInput."""
    waited: Waited | None = None
    """None: no pause was in this process of the router, or it is another one than held the requests."""
    until: datetime | None = None
    last_safe: SlotWeights | None = None
    started_at: datetime | None = None
    """When this router process began: a change means that it was restarted."""


class Router(Protocol):
    """Sends each HTTP request to a slot."""

    async def read(self) -> RouterState: ...

    async def set_targets(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> None: ...

    async def set_weights(
        self,
        weights: SlotWeights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: SlotWeights | None = None,
    ) -> RouterState:
        """Put the weights in force so that no request finds nobody; refuse to raise a slot without a healthy instance.

        A router that cannot change both weights between two requests raises the one before it lowers the other.

        With `hold_seconds` the dead-man's switch is armed: unless set again in time, `last_safe` comes into force
        and the router's epoch rises, so that the silent controller cannot raise again. Without, it is disarmed.
        """

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int | None:
        """Wait until the slot has no request in flight, `seconds` at most; the number still in flight.

        None: the time that was to be waited is over, and the router does not tell what is in flight.
        """

    async def pause(
        self,
        *,
        seconds: float,
        epoch: int,
        writes_only: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Hold new requests (not fail them) until `resume`, and let go by itself after `seconds` at most.

        With `writes_only` reads (GET, HEAD, OPTIONS) go on as ever. What was held for `patience` seconds is told 503
        with Retry-After. Requests in flight are not touched.
        """

    async def resume(self, *, epoch: int) -> None: ...


class Pointing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a name leads, as one of its authorities says."""

    weights: dict[str, int]
    """Values, or names of weighted records, each with its share of all; an authority that knows no shares says 1."""
    ttl: int
    """Seconds that resolvers may keep it."""
    epoch: int = 0
    """Of who changed it last."""


class Entrance(Protocol):
    """The name by which clients find the load balancer. Resolvers keep what it says: it is no dial, and no way back."""

    @property
    def name(self) -> str: ...

    async def read(self) -> Mapping[str, Pointing]:
        """What each authority says, by its address. Raises Unavailable when one does not answer."""

    async def set(self, weights: Mapping[str, int], *, ttl: int, epoch: int) -> None:
        """Let it lead there from now on, if nobody with a higher epoch has changed it: compared at the authority.

        Returns once it is accepted; that every authority says it, only `read` tells.
        """


class TrafficTick(msgspec.Struct, frozen=True, kw_only=True):
    """One second of one slot's traffic as the router saw it, or the `span` seconds of which `second` is the last."""

    second: int
    """Unix time of the second's start."""
    span: int = 1
    requests: int
    errors: int
    """Answers with 5xx, and requests that got no answer."""
    latencies: dict[str, int]
    """Requests by upper bound of latency in seconds ("0.005" … "+Inf"), not cumulative."""


class Metrics(Protocol):
    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        """Whole seconds in (after, until], in order. A second without requests is there, with zeros.

        What is counted more coarsely is told in spans of seconds, each wholly within; no second is told of twice.

        Raises Unavailable when they cannot be had: missing data never becomes a number.
        """


Role = Literal["serve", "worker"]


class InstanceState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    DEAD = "dead"


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """A process of a deployment. `digest` and `version` are what the process itself reports, None until it does."""

    name: str
    deployment: DeploymentId
    role: Role
    state: InstanceState
    pid: int | None = None
    address: str | None = None
    digest: str | None = None
    version: str | None = None
    restarts: int = 0
    oom_kills: int | None = None
    """How often the system ended its process for want of memory; None where that is not known."""


class HostSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What should run for a deployment: an absolute wish. `serve` and `workers` are numbers of processes."""

    deployment: DeploymentId
    build: Build
    slot: Slot
    serve: int
    workers: int
    slots: int = 8
    """Runs that each worker executes at a time."""


class Hosts(Protocol):
    """Keeps a deployment's processes running, and restarts those that die."""

    async def ensure(self, spec: HostSpec, *, epoch: int) -> None: ...

    async def stop(self, deployment: DeploymentId, *, grace_seconds: float, epoch: int) -> None:
        """Drain and end every process of the deployment; kill what is left after `grace_seconds`."""

    async def instances(self) -> Sequence[Instance]: ...


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one run that was to go to another deployment, or would become of it."""

    run_id: RunId
    goes: bool
    why: str = ""
    """Why it stays, in words; or what is different there and harmless."""


class Handover(Protocol):
    """Knows whether a build's agents would go on with a run, by walking its journal with them."""

    async def hand_over(self, source: DeploymentId, target: DeploymentId, build: Build) -> Sequence[Handed]:
        """Pin to `target` each open run of `source` that its `build` would go on with and nobody holds.

        Raises Unavailable when the replays did not come to an end: what was pinned by then stays so.
        """


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the application's schema, from version `start` to `end`, and back."""

    start: int
    end: int
    forward: str
    backward: str
    name: str

    @property
    def header(self) -> Header:
        """What its forward script says of itself. Raises BadInput."""
        return header(self.forward, self.name)


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """What a rehearsal of migrations took: `seconds` of the longest step.

    `locks`: those that made others wait, as they were measured on the first way forward; None: nobody looked.
    """

    seconds: float
    locks: tuple[Held, ...] | None = None
    steps: dict[str, float] = {}
    """Seconds of each migration on the first way forward, by its name: how long writes would wait for it."""


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """What speaks against a migration's forward script, at a line of it."""

    migration: str
    rule: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"forward_{self.migration}.sql:{self.line} {self.rule}: {self.words}"


class Linted(msgspec.Struct, frozen=True, kw_only=True):
    """What a linter of the database's own dialect found. `unknown`: why it could not look, and `fix` mends that."""

    remarks: tuple[Remark, ...] = ()
    unknown: str = ""
    fix: str = ""


class Migrator(Protocol):
    async def version(self) -> int:
        """The version that the database itself reports."""

    async def apply(self, migration: Migration, *, forward: bool, epoch: int) -> int:
        """Run it in one transaction that also sets the version; the version afterwards. Already there: nothing.

        A backfill goes forward in batches, each in a transaction of its own that compares the epoch; broken off it goes
        on from where it was. `forward` where it was done already does nothing, but see `fill`.
        """

    async def fill(self, migration: Migration, *, epoch: int) -> int:
        """Run the batches of a backfill until they find nothing more, whether or not it was done before: rows that came
        since are filled in too. How many rows that were, of all its batches so far. The version stays.
        """

    async def rehearse(self, migrations: Sequence[Migration]) -> Rehearsed:
        """Forward, backward, forward on a copy. Raises BadInput naming what differs."""

    async def rows(self, tables: Sequence[str], *, most: int) -> dict[str, int]:
        """Rows of the tables that are there, by what the database knows of them or else counted, up to `most` + 1."""

    async def lint(self, migrations: Sequence[Migration]) -> Linted:
        """Ask whoever knows the dialect about locks and compatibility. Nothing is run."""

    async def integrity(self) -> Sequence[str]:
        """What the database's own integrity checks find wrong; empty when nothing."""


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    path: str
    bytes: int
    sha256: str
    taken_at: datetime


class Backups(Protocol):
    async def create(self, name: str) -> Backup: ...

    async def verify(self, backup: Backup) -> Sequence[str]:
        """Restore it elsewhere and compare; what is wrong, empty when nothing."""


class ProbeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class Probe(Protocol):
    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        timeout: float = 5.0,
    ) -> ProbeAnswer:
        """One HTTP exchange. Raises Unavailable when there was no answer."""


class LockHolder(msgspec.Struct, frozen=True, kw_only=True):
    who: str
    release: str
    since: datetime
    epoch: int


class Lock(Protocol):
    """One controller at a time per environment; each acquisition has the epoch after that of the one before."""

    async def acquire(self, *, who: str, release: str) -> LockHolder:
        """Raises Conflict naming the holder while another process holds it."""

    async def depose(self, *, who: str, release: str) -> LockHolder:
        """The next epoch, on record, past a holder that hangs and keeps the lock: the targets then refuse him."""

    async def read(self) -> LockHolder | None: ...

    async def release(self) -> None: ...
