"""What a release acts on, simulated: router, hosts, migrator and the rest, comparing epochs as the real ones do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from watership.durable.clock import Clock
from watership.durable.ids import DeploymentId
from watership.errors import Conflict, Fenced, Unavailable
from watership.fleet.deployment import Slot
from watership.releases.auditing import audit
from watership.releases.notices.notice import Message
from watership.releases.notices.outbox import Box, Delivery, Put, State, Tried, folded
from watership.releases.ports import (
    PATIENCE_SECONDS,
    Backup,
    HostSpec,
    Instance,
    InstanceState,
    Linted,
    LockHolder,
    Migration,
    ProbeAnswer,
    Rehearsed,
    Role,
    RouterState,
    SlotWeights,
    TrafficTick,
    Waited,
)

PER_SECOND = 400
"""Requests per second: enough for the gate to judge within a short soak."""

READY_SECONDS = 1.0
GAP_SECONDS = 0.01
"""Between raising the one weight and lowering the other."""


class SimHosts:
    """Processes that are ready a second after they were wished for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.epoch = 0
        self.specs: dict[DeploymentId, HostSpec] = {}
        self._since: dict[DeploymentId, datetime] = {}
        self.impostor: str | None = None
        """The name of a process that reports another digest."""
        self.mute: str | None = None
        """The name of one that started and reports nothing."""
        self.status = 200
        """With which its processes answer."""

    def _check(self, epoch: int) -> None:
        if epoch < self.epoch:
            raise Fenced("The host agent", held=epoch, current=self.epoch)
        self.epoch = epoch

    async def ensure(self, spec: HostSpec, *, epoch: int) -> None:
        self._check(epoch)
        if spec.deployment not in self.specs:
            self._since[spec.deployment] = self._clock.now()
        self.specs[spec.deployment] = spec

    async def stop(self, deployment: DeploymentId, *, grace_seconds: float, epoch: int) -> None:
        self._check(epoch)
        self.specs.pop(deployment, None)

    async def instances(self) -> Sequence[Instance]:
        return [each for spec in self.specs.values() for each in self._of(spec)]

    def _of(self, spec: HostSpec) -> Sequence[Instance]:
        ready = self._clock.now() - self._since[spec.deployment] >= timedelta(seconds=READY_SECONDS)
        places: list[tuple[Role, int]] = [("serve", n) for n in range(spec.serve)]
        places += [("worker", n) for n in range(spec.workers)]
        return [self._instance(spec, role, number, ready=ready) for role, number in places]

    def _instance(self, spec: HostSpec, role: Role, number: int, *, ready: bool) -> Instance:
        name = f"{spec.deployment}-{role}-{number}"
        ready = ready and name != self.mute
        digest = "sha256:other" if name == self.impostor else spec.build.digest
        return Instance(
            name=name,
            deployment=spec.deployment,
            role=role,
            state=InstanceState.READY if ready else InstanceState.STARTING,
            address=f"{name}:80" if role == "serve" and ready else None,
            digest=digest if ready else None,
            version=spec.build.version if ready else None,
        )

    def serving(self, addresses: Sequence[str]) -> int:
        alive = {each.address for spec in self.specs.values() for each in self._of(spec)}
        return sum(address in alive for address in addresses)


class SimRouter:
    """Weights in force, an epoch and a switch; it serves traffic in virtual time and counts it (Router, Metrics).

    `lost` are requests that found nobody, `raised_after_revert` counts what no controller may ever do.
    """

    def __init__(self, clock: Clock, hosts: SimHosts, *, bad: Mapping[DeploymentId, float]) -> None:
        self._clock = clock
        self._hosts = hosts
        self._bad = dict(bad)
        self.weights: SlotWeights = {Slot.GREEN: 100, Slot.BLUE: 0}
        self.epoch = 0
        self.targets: dict[Slot, tuple[str, ...]] = {Slot.GREEN: (), Slot.BLUE: ()}
        self.until: datetime | None = None
        self.last_safe: SlotWeights | None = None
        self.started_at = clock.now()
        self.served: dict[Slot, dict[int, TrafficTick]] = {Slot.GREEN: {}, Slot.BLUE: {}}
        self.lost = 0
        self.per_second = PER_SECOND
        self.blind = False
        self.forgets = False
        """Serves, and keeps no count of it."""
        self.deaf = False
        """Answers and does nothing: a router that lies."""
        self.paused_until: datetime | None = None
        self.writes_only = False
        self.pauses = 0
        self.can_hold = True
        self.reverts = 0
        self.raised_after_revert = 0
        self.deployments: dict[Slot, DeploymentId] = {}

    # Router.

    async def read(self) -> RouterState:
        self._trip()
        return RouterState(
            weights=dict(self.weights),
            epoch=self.epoch,
            targets=dict(self.targets),
            healthy={slot: self._hosts.serving(self.targets[slot]) for slot in Slot},
            active=dict.fromkeys(Slot, 0),
            until=self.until,
            last_safe=self.last_safe,
            started_at=self.started_at,
            paused=self.paused,
            writes_only=self.paused and self.writes_only,
            can_hold=self.can_hold,
            waited=Waited(held=3, longest=0.2, seconds=0.25) if self.pauses else None,
        )

    @property
    def paused(self) -> bool:
        return self.paused_until is not None and self._clock.now() < self.paused_until

    async def set_targets(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> None:
        self._check(epoch)
        self.targets[slot] = tuple(addresses)

    async def set_weights(
        self,
        weights: SlotWeights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: SlotWeights | None = None,
    ) -> RouterState:
        self._check(epoch)
        for slot, weight in weights.items():
            if weight > self.weights[slot]:
                if not self._hosts.serving(self.targets[slot]):
                    raise Conflict(f"No healthy instance of {slot}.")
                if self.reverts and slot is Slot.BLUE:
                    self.raised_after_revert += 1
        if self.deaf:
            return await self.read()
        self.until = None if hold_seconds is None else self._clock.now() + timedelta(seconds=hold_seconds)
        self.last_safe = last_safe
        for step in self.steps(weights):
            self.weights = step
            self._one_request()
            await self._clock.sleep(GAP_SECONDS)
            self._check(epoch)
        return await self.read()

    def steps(self, weights: SlotWeights) -> Sequence[SlotWeights]:
        """Raise first, then lower."""
        return [{slot: max(self.weights[slot], weights[slot]) for slot in Slot}, dict(weights)]

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int:
        self._check(epoch)
        return 0

    async def pause(
        self,
        *,
        seconds: float,
        epoch: int,
        writes_only: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._check(epoch)
        self.paused_until = self._clock.now() + timedelta(seconds=seconds)
        self.writes_only = writes_only
        self.pauses += 1

    async def resume(self, *, epoch: int) -> None:
        self._check(epoch)
        self.paused_until = None

    def _check(self, epoch: int) -> None:
        self._trip()
        if epoch < self.epoch:
            raise Fenced("The router", held=epoch, current=self.epoch)
        self.epoch = epoch

    def _trip(self) -> None:
        if self.until is not None and self._clock.now() >= self.until and self.last_safe is not None:
            self.weights, self.until, self.last_safe = dict(self.last_safe), None, None
            self.epoch += 1
            self.reverts += 1

    # Traffic.

    def worsen(self, deployment: DeploymentId, bad: float) -> None:
        """From now on it fails this share of its requests."""
        self._bad[deployment] = bad

    def _one_request(self) -> None:
        takers = [slot for slot in Slot if self.weights[slot] and self._hosts.serving(self.targets[slot])]
        self.lost += not takers

    def serve(self, second: int) -> None:
        """Serve the second that is over by the weights in force."""
        self._trip()
        total = sum(self.weights.values())
        for slot in Slot:
            requests = self.per_second * self.weights[slot] // total if total else 0
            if requests and not self._hosts.serving(self.targets[slot]):
                self.lost += requests
            share = self._bad.get(self.deployments.get(slot, DeploymentId("")), 0.0)
            errors = round(requests * share)
            if not self.forgets:
                self.served[slot][second] = TrafficTick(
                    second=second, requests=requests, errors=errors, latencies={"0.005": requests, "5": 0}
                )

    # Metrics.

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        if self.blind:
            raise Unavailable("The router's counts cannot be had.")
        wanted = range(after + 1, until + 1)
        return {slot: [of[second] for second in wanted if second in of] for slot, of in self.served.items()}


class SimMigrator:
    def __init__(self, version: int) -> None:
        self.at = version
        self.epoch = 0
        self.tried = Rehearsed(seconds=0.1)
        self.linted = Linted()

    async def version(self) -> int:
        return self.at

    async def apply(self, migration: Migration, *, forward: bool, epoch: int) -> int:
        if epoch < self.epoch:
            raise Fenced("The schema", held=epoch, current=self.epoch)
        self.epoch = epoch
        start, end = (migration.start, migration.end) if forward else (migration.end, migration.start)
        if self.at not in (start, end):
            raise Conflict(f"The database is at {self.at}.")
        self.at = end
        return end

    async def fill(self, migration: Migration, *, epoch: int) -> int:
        return 0

    async def rehearse(self, migrations: Sequence[Migration]) -> Rehearsed:
        return self.tried

    async def rows(self, tables: Sequence[str], *, most: int) -> dict[str, int]:
        return {}

    async def lint(self, migrations: Sequence[Migration]) -> Linted:
        return self.linted

    async def integrity(self) -> Sequence[str]:
        return []


class SimBackups:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.taken = 0

    async def create(self, name: str) -> Backup:
        self.taken += 1
        return Backup(
            id=f"{name}-{self.taken}",
            path=f"/backups/{name}",
            bytes=1,
            sha256=hashlib.sha256(name.encode()).hexdigest(),
            taken_at=self._clock.now(),
        )

    async def verify(self, backup: Backup) -> Sequence[str]:
        return []


class SimProbe:
    """Instances answer as their build would."""

    def __init__(self, hosts: SimHosts) -> None:
        self._hosts = hosts
        self.components: dict[DeploymentId, dict[str, str]] = {}
        """What a deployment's instances say of what they depend on."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        timeout: float = 5.0,
    ) -> ProbeAnswer:
        address = url.removeprefix("http://").split("/", 1)[0]
        for spec in self._hosts.specs.values():
            if address.startswith(f"{spec.deployment}-serve-"):
                told = {"status": "ok", "version": spec.build.version}
                told |= self.components.get(spec.deployment, {})
                return ProbeAnswer(
                    status=self._hosts.status, headers={}, body=msgspec.json.encode(told), seconds=0.01
                )
        raise Unavailable(f"{url} got no answer.")


class SimLock:
    """Dies with its process, as a flock does: the world frees it when it kills the holder."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.epoch = 0
        self.holder: LockHolder | None = None
        self.owner: ProcessLock | None = None
        self.rising = True

    def process(self) -> ProcessLock:
        """The lock as a process sees it: nobody frees what another one holds."""
        return ProcessLock(self)


class ProcessLock:
    def __init__(self, shared: SimLock) -> None:
        self._shared = shared

    async def acquire(self, *, who: str, release: str) -> LockHolder:
        shared = self._shared
        if shared.holder is not None:
            raise Conflict(f"{shared.holder.who} holds the lock.")
        shared.epoch += shared.rising or shared.epoch == 0
        shared.owner = self
        shared.holder = LockHolder(who=who, release=release, since=shared.clock.now(), epoch=shared.epoch)
        return shared.holder

    async def depose(self, *, who: str, release: str) -> LockHolder:
        shared = self._shared
        shared.epoch += 1
        shared.holder = LockHolder(who=who, release=release, since=shared.clock.now(), epoch=shared.epoch)
        return shared.holder

    async def read(self) -> LockHolder | None:
        return self._shared.holder

    async def release(self) -> None:
        if self._shared.owner is self:
            self._shared.holder, self._shared.owner = None, None


class SimAudit:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.kept: list[audit.Entry] = []

    def append(self, actor: str, action: str, facts: Mapping[str, audit.Fact]) -> audit.Entry:
        last = self.kept[-1] if self.kept else None
        self.kept.append(audit.chain(last, at=self._clock.now(), actor=actor, action=action, facts=facts))
        return self.kept[-1]

    def entries(self) -> list[audit.Entry]:
        return self.kept

    def verify(self, head: str | None = None) -> audit.Verified | audit.Broken:
        return audit.verify(self.kept, head=head)


class SimOutbox:
    """An outbox whose deliverer dies with its process."""

    def __init__(self) -> None:
        self.box: Box = {}

    def put(self, message: Message, channels: Sequence[str], at: datetime) -> bool:
        new = tuple(each for each in channels if (message.id, each) not in self.box)
        folded(self.box, Put(at=at, message=message, channels=new))
        return bool(new)

    def mark(self, delivery: Delivery, state: State, evidence: str, at: datetime) -> Delivery:
        identity, channel = delivery.message.id, delivery.channel
        folded(self.box, Tried(at=at, id=identity, channel=channel, state=state, evidence=evidence))
        return self.box[identity, channel]

    def deliveries(self) -> Sequence[Delivery]:
        return list(self.box.values())

    def hold(self) -> bool:
        return True

    def release(self) -> None:
        """Nobody else wants it here."""


class SimSnapshots:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def get(self, name: str) -> bytes | None:
        return self.kept.get(name)

    async def put(self, name: str, content: bytes) -> None:
        self.kept[name] = content
