"""A world in virtual time: workers over one store, faults that a seed decides, an oracle, and an honest person.

    async def history() -> Run:
        async with World({"greet": Program("greet", greet)}, seed=seed) as world:
            run_id = await world.submit("greet", {"name": "Ada"})
            return await world.end_of(run_id)

    run = run_in_virtual_time(history, seed=seed)

The same seed gives the same history. Step bodies that act through `act` let the oracle see what they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import msgspec

from watership.adapters.memory import MemoryStore, MemoryWitness, Sessions
from watership.durable.calls import idempotency_key
from watership.durable.codec import encode
from watership.durable.committer import Committer
from watership.durable.counters import Cap
from watership.durable.execution import Execution
from watership.durable.ids import DeploymentId, EntryId, RunId, SignalId, WorkerId, seeded_ids
from watership.durable.ports import Store
from watership.durable.program import Programs
from watership.durable.run import DEFAULT_POOL, Run
from watership.durable.states import RunState
from watership.durable.worker import Worker, WorkerSettings
from watership.durable.writes import Answer, Cancel, Deliver, Outcome, Submit, Write
from watership.errors import WatershipError
from watership.testing.faults import Fault, FaultyStore, Nemesis, Tower, freeze_perhaps
from watership.testing.oracle import Oracle, WitnessedStore
from watership.testing.processes import PROCESS, Process
from watership.testing.virtual_time import VirtualClock

DEPLOYMENT = DeploymentId("simulated")

SETTINGS = WorkerSettings(slots=4, lease_seconds=10.0, poll_seconds=2.0, poison_limit=1_000)
"""Polls seldom, so that a history is short to simulate; never calls a run poison that only has bad luck."""

REBORN_SECONDS = 2.0
"""How long a crashed worker's process takes to come back."""

LOOK_SECONDS = 2.0
"""How often the person, and whoever waits for an end, looks at the store."""

PATIENCE_SECONDS = 3_600.0
"""Virtual seconds within which a run must end once nothing stops it."""


class NotEnded(WatershipError):
    """A run came to no end within the time it was given."""

    code = "not_ended"


class Simulated:
    """One worker's process: its committer, its bell, its session lock, and the worker itself."""

    def __init__(self, world: World, name: str) -> None:
        self.process = Process(name)
        self.id = WorkerId(name)
        self.witness = MemoryWitness(world.sessions)
        self.worker: Worker
        self._world = world
        self.task = self.process.start(self._live())

    async def _live(self) -> None:
        world = self._world
        line = FaultyStore(
            world.store, world.memory, self.process, world.nemesis, world.settings.lease_seconds
        )
        bell = world.tower.hang()
        async with Committer(line, bell, world.clock) as committer:
            self.worker = Worker(
                id=self.id,
                deployment=DEPLOYMENT,
                pool=DEFAULT_POOL,
                programs=world.programs,
                committer=committer,
                runs=line,
                bell=bell,
                witness=self.witness,
                clock=world.clock,
                new_id=seeded_ids(world.nemesis.random.getrandbits(64)),
                observer=world,
                settings=world.settings,
                execution=world.execution,
            )
            await self.worker.run()


class World:
    """Use as an async context manager, inside `run_in_virtual_time`.

    `execution` and `store` are seams for planted bugs: what makes an Execution, and what wraps the memory store.
    """

    def __init__(
        self,
        programs: Programs,
        *,
        seed: int = 0,
        workers: int = 2,
        nemesis: Nemesis | None = None,
        settings: WorkerSettings = SETTINGS,
        execution: Callable[..., Execution] = Execution,
        store: Callable[[MemoryStore], Store] = lambda memory: memory,
    ) -> None:
        self.programs = programs
        self.settings = settings
        self.execution = execution
        self.nemesis = nemesis or Nemesis(seed)
        self.clock = VirtualClock()
        self.oracle = Oracle(self.clock.now)
        self.memory = MemoryStore(self.clock)
        self.store: Store = WitnessedStore(store(self.memory), self.memory, self.oracle)
        self.sessions = Sessions()
        self.tower = Tower(self.nemesis)
        self.notes: list[tuple[str, Mapping[str, object]]] = []
        """What the workers told their observer: for whoever looks for the cause of a failed history."""
        self.workers: list[Simulated] = []
        self.answers_doubts = True
        """Whether the honest person is there: see `_keep_answering`."""
        self._dead: list[Simulated] = []
        self._size = workers
        self._born = 0
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> World:
        await self.memory.set_weights({DEPLOYMENT: 100}, epoch=1)
        asyncio.get_running_loop().set_exception_handler(self._complain)
        self.workers = [self._bear() for _ in range(self._size)]
        self._keepers = [asyncio.create_task(self._keep_alive()), asyncio.create_task(self._keep_answering())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.nemesis.heal()
        for each in (*self.workers, *self._dead):
            each.process.unwind()
            each.task.cancel()
        for keeper in self._keepers:
            keeper.cancel()

    # --- what people and programs do ----------------------------------------------------------------------------

    async def submit(
        self,
        program: str,
        given: object = None,
        *,
        run_id: str = "run",
        caps: Sequence[Cap] = (),
        within: float | None = None,
    ) -> RunId:
        """Start a run, as a client that got its 2xx."""
        value = encode(given, "the input")
        submit = Submit(
            run_id=RunId(run_id),
            program=program,
            input=value,
            deployment=DEPLOYMENT,
            caps=tuple(caps),
            within_seconds=within,
        )
        await self.write(submit)
        return submit.run_id

    async def deliver(self, run_id: RunId, name: str, value: object = None, *, id: str = "") -> None:
        """Send a signal, perhaps twice under its id."""
        signal_id = SignalId(id or f"{name}-signal")
        signal = Deliver(run_id=run_id, signal_id=signal_id, name=name, value=encode(value, name))
        await self.write(signal)
        if self.nemesis.strikes(Fault.SIGNAL_TWICE):
            await self.write(signal)

    async def cancel(self, run_id: RunId) -> None:
        await self.write(Cancel(run_id=run_id))

    async def write(self, write: Write) -> Outcome:
        """Write as somebody whose own process never fails."""
        written = await self.store.write([write])
        self.tower.ring(f"pool:{deployment}:{pool}" for deployment, pool in sorted(written.woken))
        self.tower.ring(f"inbox:{run_id}" for run_id in sorted(written.touched))
        return written.outcomes[0]

    async def run(self, run_id: RunId) -> Run:
        run = await self.memory.get(run_id)
        assert run is not None, f"run {run_id} was lost"
        return run

    async def until(self, run_id: RunId, *states: RunState, within: float = PATIENCE_SECONDS) -> Run:
        """The run, as soon as it is in one of `states`. Raises NotEnded."""
        give_up = self.clock.monotonic() + within
        while (run := await self.run(run_id)).state not in states:
            if self.clock.monotonic() > give_up:
                waits = ", ".join(wait.key for wait in run.waits)
                failure = run.failure.message if run.failure else ""
                raise NotEnded(f"Run {run_id} is {run.state} after {within:.0f} s [{waits}] {failure}")
            await self.clock.sleep(LOOK_SECONDS)
        return run

    async def end_of(self, run_id: RunId, *, within: float = PATIENCE_SECONDS) -> Run:
        """The run at its end, its journal judged by the oracle. Raises NotEnded."""
        run = await self.until(run_id, *(state for state in RunState if _final(state)), within=within)
        self.oracle.judge(run_id, await self.memory.journal(run_id, limit=100_000))
        return run

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception in a callback, which nobody else would hear of."""
        if "handle" in context:
            self.oracle.violations.append(f"{context['message']}: {context.get('exception')!r}")

    # --- what happens by itself -----------------------------------------------------------------------------------

    def note(self, event: str, **facts: object) -> None:
        """The workers' Observer."""
        self.notes.append((event, facts))

    def crash(self, which: Simulated) -> None:
        """Kill a worker's process; its session lock is free from then on."""
        which.process.kill()
        self.sessions.kill(which.id)

    async def perhaps_fail(self, process: Process) -> None:
        """A point in a step's body at which its process may die, or freeze."""
        if process.killed or self.nemesis.strikes(Fault.CRASH_IN_STEP):
            await process.die()
        await freeze_perhaps(process, self.nemesis, self.settings.lease_seconds)

    def _bear(self) -> Simulated:
        self._born += 1
        return Simulated(self, f"worker-{self._born}")

    async def _keep_alive(self) -> None:
        """Bring crashed workers back, under new names; take away session locks where the nemesis says so."""
        while True:
            await self.clock.sleep(REBORN_SECONDS)
            for index, each in enumerate(self.workers):
                if each.process.killed:
                    self.sessions.kill(each.id)
                    self._dead.append(each)
                    self.workers[index] = self._bear()
                elif self.nemesis.strikes(Fault.SESSION_LOST):
                    self.sessions.kill(each.id)

    async def _keep_answering(self) -> None:
        """An honest person looks at steps in doubt: what had its effect is done, the rest is to be retried."""
        while True:
            await self.clock.sleep(LOOK_SECONDS)
            for run in tuple(self.memory._rows.live.values()):
                if run.state is RunState.IN_DOUBT and self.answers_doubts:
                    await self._answer(run)

    async def _answer(self, run: Run) -> None:
        for wait in run.waits:
            if wait.kind != "answer":
                continue
            effects = self.oracle.effects.get(f"{run.id}:{wait.key}")
            await self.write(
                Answer(
                    entry_id=EntryId(f"{wait.key}@{run.epoch}"),
                    run_id=run.id,
                    key=wait.key,
                    decision="retry" if effects is None else "done",
                    by="person",
                    value=encode(effects[0] if effects else None, wait.key),
                )
            )


def _final(state: RunState) -> bool:
    return state in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


async def act(world: World, value: object, *, seconds: float = 0.2) -> None:
    """For a step's body: take `seconds`, in the middle of which the effect that gave `value` happens.

    The process may crash at its entry, between entry and effect, and between the effect and its end.
    """
    process = PROCESS.get()
    assert process is not None, "a step's body runs in a worker's process"
    if process.killed:  # its tasks run again only to be cancelled, see Process.unwind
        await process.die()
    key = idempotency_key()
    world.oracle.enter(key, process.name)
    await world.perhaps_fail(process)
    await world.clock.sleep(seconds / 2)
    await world.perhaps_fail(process)
    world.oracle.act(key, value)
    await world.clock.sleep(seconds / 2)
    await world.perhaps_fail(process)


def decoded(run: Run) -> object:
    """A run's result as plain data."""
    return msgspec.json.decode(run.result)
