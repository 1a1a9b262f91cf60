"""A world in which releases happen: what outlives a controller, and controllers that are killed at any call."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from random import Random
from typing import Any

import msgspec

from tests.simulation.release_targets import (
    SimAudit,
    SimBackups,
    SimHosts,
    SimLock,
    SimMigrator,
    SimProbe,
    SimRouter,
    SimSnapshots,
)
from watership.adapters.memory import MemoryBell, MemoryStore, MemoryWitness
from watership.adapters.memory.records import MemoryRecords
from watership.adapters.memory.witness import Sessions
from watership.durable.ids import DeploymentId, seeded_ids
from watership.durable.ports import RunFilter
from watership.durable.states import RunState
from watership.errors import NotFound, Unavailable
from watership.fleet.build import Build, SchemaRange
from watership.fleet.deployment import Deployment, DeploymentState, Slot
from watership.rehearsal.points import WRITES
from watership.releases.book.document import parse
from watership.releases.book.runbook import Runbook
from watership.releases.book.shelf import Source
from watership.releases.company import Beside, nobody, together
from watership.releases.controller import Brief, Controller
from watership.releases.environment import Environment, Judge
from watership.releases.judging import gate
from watership.releases.plan import Overrides, Plan, Side, Size, draw, fingerprint
from watership.releases.ports import HostSpec, Migration
from watership.releases.program import PROGRAM, Outcome, decode_outcome
from watership.releases.readiness.signoff import SignOff
from watership.releases.smoke import Request, Smoke
from watership.testing import VirtualClock
from watership.testing.processes import Process

BUILD = "sha256:controller"
EXPAND = Migration(start=5, end=6, forward="ALTER …", backward="ALTER … DROP", name="add_topic")
SMOKE = Smoke(requests=(Request(name="health", path="/health", includes={"status": "ok"}),))

SHORT = """
schema: watership/runbook/v1
name: short
title: A release with one of each
roles: [{ id: lead, title: Lead, duty: All }]
signoffs: { needed: [owner], expires: 24h }
gate:
  min_samples: 1000
  arms: [{ against: live, of: errors, tolerance: 0.1%, sees: 5% }, { against: limit, of: errors, limit: 2%, sees: 10% }]
watch: { length: 10s, gate: { min_samples: 1000, arms: [{ against: limit, of: errors, limit: 2%, sees: 10% }] } }
standby: { at_least: 24h, at_most: 48h }
rollback: { traffic: 2m, all: 5m }
fuses: [{ watches: error_rate, above: 10%, window: 30s, min_samples: 50, then: roll_back }]
phases:
  - number: 1
    id: gate
    title: Gate
    at: T+0m
    budget: 60m
    owner: lead
    on_failure: stop
    items:
      - { do: check, id: digests, check: build.digest, title: "The builds are as planned" }
      - { do: check, id: signed, check: signoffs.complete, title: "It is signed" }
  - number: 2
    id: deployment
    title: Deployment
    at: T+0m
    budget: 60m
    retries: 2
    owner: lead
    on_failure: roll_back
    items:
      - { do: deploy, id: deploy, timeout: 30s, title: "Next stands" }
      - { do: check, id: running, check: build.running, title: "All report the digest", parameters: { of: next } }
      - { do: check, id: smoke, check: smoke, title: "It smokes not", parameters: { of: next } }
  - number: 3
    id: migration
    title: Migration
    at: T+0m
    budget: 60m
    owner: lead
    on_failure: roll_back
    items:
      - { do: backup, id: backup, title: "A backup is there" }
      - { do: migrate, id: expand, title: "The schema is expanded" }
      - { do: check, id: schema, check: schema.version, title: "The database says so", parameters: { expected: after } }
  - number: 5
    id: cutover
    title: Cutover
    at: T+0m
    budget: 60m
    owner: lead
    on_failure: roll_back
    items:
      - { do: shift, id: half, weight: 50%, title: "Half" }
      - { do: soak, id: soak, length: 8s, give_up: 25s, title: "The gate looks" }
      - { do: shift, id: full, weight: 100%, title: "All" }
      - { do: drain, id: drain, length: 5s, title: "Live is drained" }
      - { do: check, id: after, check: router.weights, title: "Both say so", parameters: { next: 100% } }
  - number: 6
    id: after
    title: After
    at: T+0m
    budget: 60m
    owner: lead
    on_failure: roll_back
    items:
      - { do: check, id: errors, check: traffic.errors, title: "No errors", parameters: { of: next, below: 1% } }
"""


def side(version: str, slot: Slot) -> Side:
    build = Build(version=version, digest=f"sha256:{version}", source="demo", schema=SchemaRange(5, 6))
    return Side(build=build, deployment=DeploymentId(f"d-{version}"), slot=slot)


LIVE, NEXT = side("2.0.5", Slot.GREEN), side("2.1.0", Slot.BLUE)
SHORT_SOURCE = Source(runbook=parse(SHORT, Runbook), sha256="0" * 64)


UNWINDINGS = 20

RESTARTS = 20
"""A controller whose own store does not answer ends, and is started again."""

FLAKY = 0.02
"""The share of calls whose answer is lost, before or after they took effect."""


PAUSE_SECONDS = 60.0
"""What a controller that stands still stands still for."""


class Nobody:
    """An Observer that keeps nothing."""

    def note(self, event: str, **facts: object) -> None:
        pass


class Life:
    """One controller's life. It ends at the call numbered `dies_at`: before it took effect, or after."""

    def __init__(
        self,
        dies_at: int | None = None,
        *,
        flaky: Random | None = None,
        stands_at: int | None = None,
        process: Process | None = None,
    ) -> None:
        """`stands_at`: the call before which its `process` stands still for a minute, and then goes on with it."""
        self.flaky = flaky
        self.calls = 0
        self.dies_at = dies_at
        self.stands_at = stands_at
        self.process = process
        self.stood_before = ""
        self.over = False
        self.ended = asyncio.Event()

    async def point(self, call: str = "") -> None:
        """Before or after every call to the outside; even numbers lie after one."""
        if self.over:
            raise asyncio.CancelledError
        self.calls += 1
        if self.calls == self.stands_at and self.process is not None:
            self.stood_before = call
            self.process.freeze(PAUSE_SECONDS)
            await asyncio.sleep(0)
        if self.flaky is not None and self.flaky.random() < FLAKY:
            raise Unavailable("It did not answer.")
        if self.calls == self.dies_at:
            self.over = True
            self.ended.set()
            await asyncio.get_running_loop().create_future()

    def point_at_once(self) -> None:
        """The same for a call that waits for nothing; nobody stands still in one."""
        if self.over:
            raise asyncio.CancelledError
        if self.stands_at is not None:
            return
        self.calls += 1
        if self.calls == self.dies_at:
            self.over = True
            self.ended.set()
            raise asyncio.CancelledError


class Mortal:
    """A port as one life sees it. `only`: the methods at which it may die; None is all of them.

    `at_once`: calls that wait for nothing are places to die at, too.
    """

    def __init__(
        self,
        target: object,
        life: Life,
        only: Collection[str] | None = None,
        *,
        port: str = "",
        at_once: bool = False,
    ) -> None:
        self._target = target
        self._life = life
        self._only = only
        self._port = port
        self._at_once = at_once

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if not callable(method):
            return method
        if inspect.iscoroutinefunction(method):
            return self._awaited(method, name, counted=self._only is None or name in self._only)
        counts = self._at_once and self._only is not None and name in self._only

        def call(*args: object, **kwargs: object) -> object:
            if self._life.over:
                raise asyncio.CancelledError
            if counts:
                self._life.point_at_once()
            result = method(*args, **kwargs)
            if counts:
                self._life.point_at_once()
            return result

        return call

    def _awaited(self, method: Callable[..., Awaitable[object]], name: str, *, counted: bool) -> object:
        async def call(*args: object, **kwargs: object) -> object:
            if self._life.over:
                raise asyncio.CancelledError
            if counted:
                await self._life.point(f"{self._port}.{name}")
            result = await method(*args, **kwargs)
            if counted:
                await self._life.point()
            return result

        return call


class ReleaseWorld:
    """Everything that outlives a controller. `bad` is the share of requests that next fails in service."""

    def __init__(
        self,
        *,
        bad: float = 0.0,
        seed: int = 1,
        source: Source = SHORT_SOURCE,
        overrides: Overrides | None = None,
        judge: Judge = gate.judge,
        router: type[SimRouter] = SimRouter,
        pausing: bool = False,
        writes_only: bool = False,
        beside: Callable[[ReleaseWorld, Callable[[Any, str], Any]], Beside] | None = None,
        holds: bool = True,
        size: Size = Size(serve=2, workers=1),  # noqa: B008 - it is frozen
    ) -> None:
        """`writes_only`: a controller dies at its writes alone, at all of them. `beside`: who goes along with it."""
        self.size = size
        self.clock = VirtualClock()
        self.hosts = SimHosts(self.clock)
        self.router = router(self.clock, self.hosts, bad={NEXT.deployment: bad})
        self.probe = SimProbe(self.hosts)
        self.migrator = SimMigrator(5)
        self.backups = SimBackups(self.clock)
        self.lock = SimLock(self.clock)
        self.audit = SimAudit(self.clock)
        self.records = MemoryRecords(self.audit)
        self.snapshots = SimSnapshots()
        self.work = MemoryStore(self.clock)
        self.own = MemoryStore(self.clock)
        self.bell = MemoryBell()
        self.sessions = Sessions()
        self.judge = judge
        self.new_id = seeded_ids(seed)
        self.pausing = pausing
        self.writes_only = writes_only
        self.beside = beside
        self.router.can_hold = holds
        self.plan = self._plan(source, overrides)
        self.lives: list[Life] = []
        self.restarted_at = self.clock.now()
        self.controlling: asyncio.Task[Outcome] | None = None

    def _plan(self, source: Source, overrides: Overrides | None) -> Plan:
        return draw(
            source,
            release="2.1.0-1",
            environment="simulation",
            live=LIVE,
            next=NEXT,
            migrations=(EXPAND,),
            smoke=SMOKE,
            size=self.size,
            controller=BUILD,
            starter="Sam Starter",
            created_at=self.clock.now(),
            overrides=overrides,
            pauses_writes=frozenset({EXPAND.name}) if self.pausing else frozenset(),
            holds=self.router.can_hold,
        )

    async def begin(self) -> None:
        """Live serves, and traffic flows."""
        await self.hosts.ensure(
            HostSpec(deployment=LIVE.deployment, build=LIVE.build, slot=LIVE.slot, serve=1, workers=1),
            epoch=0,
        )
        await self.work.put(
            Deployment(
                id=LIVE.deployment,
                build=LIVE.build,
                slot=LIVE.slot,
                state=DeploymentState.STANDING,
                created_at=self.clock.now(),
            )
        )
        await self.work.set_weights({LIVE.deployment: 100}, epoch=0)
        self.router.targets[LIVE.slot] = (f"{LIVE.deployment}-serve-0:80",)
        self.router.deployments = {LIVE.slot: LIVE.deployment, NEXT.slot: NEXT.deployment}
        await self.clock.sleep(2.0)
        self.traffic = asyncio.create_task(self._serve(), name="traffic")

    async def _serve(self) -> None:
        while True:
            second = int(self.clock.now().timestamp())
            await self.clock.sleep(1.0)
            self.router.serve(second)

    def brief(self, **facts: Any) -> Brief:
        needed = self.plan.signoffs.needed
        signed = tuple(
            SignOff(
                fingerprint=fingerprint(self.plan), role=role, person=f"P {role}", at=self.plan.created_at
            )
            for role in needed
        )
        given: dict[str, Any] = {
            "plan": self.plan,
            "signoffs": signed,
            "scripts": (EXPAND,),
            "smoke": SMOKE,
            "linger": 2.0,
        }
        return Brief(**{**given, **facts})

    def controller(
        self, life: Life | None = None, *, build: str = BUILD, who: str = "controller"
    ) -> Controller:
        life = life or Life()
        self.lives.append(life)

        def mortal(target: object, port: str, *only: str) -> Any:
            places = WRITES.get(port, ()) if self.writes_only else only or None
            return Mortal(target, life, places, port=port, at_once=self.writes_only)

        environment = Environment(
            router=mortal(self.router, "router"),
            metrics=mortal(self.router, "metrics"),
            intake=mortal(self.work, "intake"),
            deployments=mortal(self.work, "deployments"),
            hosts=mortal(self.hosts, "hosts"),
            migrator=mortal(self.migrator, "migrator"),
            backups=mortal(self.backups, "backups"),
            probe=self.probe,
            lock=mortal(self.lock.process(), "lock"),
            audit=mortal(self.audit, "audit"),
            runs=mortal(self.work, "runs"),
            work=mortal(self.work, "work"),
            snapshots=mortal(self.snapshots, "snapshots"),
            clock=self.clock,
            used_disk=self._used_disk,
            records=self.records,
            judge=self.judge,
        )
        return Controller(
            store=mortal(self.own, "journal", "write"),
            bell=mortal(self.bell, "bell", "nothing"),
            witness=MemoryWitness(self.sessions),
            environment=environment,
            new_id=self.new_id,
            observer=Nobody(),
            build=build,
            who=who,
            beside=nobody if self.beside is None else self.beside(self, mortal),
        )

    async def _used_disk(self) -> float:
        return 0.5

    # --- lives and deaths -------------------------------------------------------------------------------------

    async def release(self, *deaths: int, pause: float = 1.0, flaky: Random | None = None) -> Outcome:
        """Release to the end; the n-th controller dies at its call number `deaths[n]`, the last one lives."""
        await self.begin()
        last: tuple[int | None, ...] = (None,) * (RESTARTS if flaky else 1)
        for dies_at in (*deaths, *last):
            life = Life(dies_at, flaky=flaky)
            outcome = await self._live(life)
            if outcome is not None:
                return outcome
            await self.clock.sleep(pause)
            self.restarted_at = self.clock.now()
        raise AssertionError("the last controller does not die")

    async def _live(self, life: Life) -> Outcome | None:
        before = asyncio.all_tasks()
        controller = self.controller(life)
        living = asyncio.create_task(self._start_or_resume(controller))
        dying = asyncio.create_task(life.ended.wait())
        await asyncio.wait({living, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if living.done() and not life.over and not isinstance(living.exception(), Unavailable):
            return living.result()
        await self.kill(life, asyncio.all_tasks() - before)
        return None

    def standing(self) -> dict[str, object]:
        """All that a release acts on, as it is at this moment; not what a controller remembers, or tells."""
        router = self.router
        return {
            "router": (dict(router.weights), dict(router.targets), router.until, router.epoch),
            "intake": self.work._rows.intake(),
            "deployments": dict(self.work._deployments),
            "hosts": dict(self.hosts.specs),
            "schema": self.migrator.at,
        }

    async def kill(self, life: Life, tasks: set[asyncio.Task[Any]]) -> None:
        """The process is gone: its locks are free, and nothing of it has any effect any more."""
        life.over = True
        left = tasks
        for _ in range(UNWINDINGS):
            if not left:
                break
            for task in left:
                task.cancel()
            # What unwinds may wait for tasks that are gone; it is cancelled again. A process just stops.
            _, left = await asyncio.wait(left, timeout=0.01)
        self.lock.holder = self.lock.owner = None
        for worker in list(self.sessions.holders):
            self.sessions.kill(worker)

    async def _start_or_resume(self, controller: Controller) -> Outcome:
        runs = (await self.own.list(RunFilter(program=PROGRAM))).runs
        if not runs:
            return await controller.start(self.brief())
        if runs[0].state is RunState.SUCCEEDED:
            # As `release resume` does: what the dead one did not say any more is said.
            async with together(await controller._companions(runs[0].id)):
                return decode_outcome(runs[0].result)
        try:
            return await controller.resume()
        except NotFound:
            return decode_outcome((await self.own.list(RunFilter(program=PROGRAM))).runs[0].result)

    # --- judging the world ------------------------------------------------------------------------------------

    async def faults(self, outcome: Outcome) -> list[str]:
        """Where router, intake, schema, deployments and journal do not agree with the outcome."""
        next_share = (await self.router.read()).weights[NEXT.slot]
        intake = await self.work.read()
        pinned = intake.weights.get(NEXT.deployment, 0)
        wanted = 100 if outcome.outcome == "promoted" else 0
        registered = {each.id for each in await self.work.all()}
        runs = (await self.own.list(RunFilter(program=PROGRAM))).runs
        good = outcome.outcome == "promoted"
        rules = {
            f"the router gives next {next_share} %": next_share == wanted,
            f"the intake gives next {pinned} %": pinned == wanted,
            "a switch is still armed": self.router.until is None and intake.until is None,
            f"{self.router.lost} requests found nobody": self.router.lost == 0,
            "a weight was raised after a revert": self.router.raised_after_revert == 0,
            f"the schema is {self.migrator.at}": self.migrator.at == 6 or not good,
            "next runs, or does not": (NEXT.deployment in self.hosts.specs) == good,
            "next is registered, or is not": (NEXT.deployment in registered) == good,
            "live is gone": LIVE.deployment in self.hosts.specs and LIVE.deployment in registered,
            "the journal has no end": runs[0].state is RunState.SUCCEEDED,
            "the audit is broken": self.audit.verify().__class__.__name__ == "Verified",
            "read-only is on": not intake.readonly,
            "the router holds requests": not self.router.paused,
        }
        return [fault for fault, holds in rules.items() if not holds] + self.counting_faults()

    def counting_faults(self) -> list[str]:
        """Each second of a vigil was counted once: its sum is what the router served in that time."""
        wrong = []
        for name, content in self.snapshots.kept.items():
            if name.endswith((".soak.1", "/soak.1", ".watch")):
                kept = msgspec.json.decode(content)
                began = int(msgspec.convert(kept["began"], type=datetime).timestamp())
                of = self.router.served[NEXT.slot]
                total = sum(tick.requests for at, tick in of.items() if began < at <= kept["last"])
                if total != kept["requests"]:
                    wrong.append(f"{name} counted {kept['requests']} requests of {total}")
        return wrong
