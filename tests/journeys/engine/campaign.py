"""A campaign: load and faults together, then quiet, then the history is checked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random

import msgspec

from tests.journeys.engine.crew import Crew, Role, environment
from tests.journeys.engine.entries import read_acts, read_entries
from tests.journeys.engine.faults import kinds, strikes
from tests.journeys.engine.front_door import FrontDoor, matched, misplaced
from tests.journeys.engine.history import History, judge
from tests.journeys.engine.load import Load, Message, messages
from tests.journeys.engine.nemesis import Nemesis, Servers
from tests.journeys.engine.stage import Stage, read_all, watching
from tests.journeys.engine.summary import Records, Summary, summed_up
from watership.durable.states import TERMINAL, RunState
from watership.errors import Unavailable
from watership.wiring.kernel import RunStore

LEASE_SECONDS = 3.0
"""Short, so that zombies are made within seconds."""

SLOTS = 32

QUIET_SECONDS = 120.0
"""After the last fault everything must have ended by then: far longer than any timer, lease or retry here."""

NEWS_SECONDS = 5.0

AMQP_PART = 0.1
"""So much of the load's rate comes over the broker besides."""

WIDE_AFTER = 1.0
"""Seconds into the campaign the one wide family begins: it lives through most of the faults."""

Tell = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """At least `runs` messages are sent, about `rate` a second, and until every kind of fault was seen.

    With a `bound` messages are sent for so many seconds instead, and `runs` of them at least must have been accepted.
    """

    seed: int
    runs: int
    rate: float
    bound: float | None = None
    poison: int = 2
    wide: int = 1_000
    workers: int = 3
    services: int = 2

    def roles(self) -> list[str]:
        """The names of the processes."""
        services = [f"serve-{number}" for number in range(self.services)]
        return services + [f"worker-{number}" for number in range(self.workers)]


def crew_of(
    stage: Stage, plan: Plan, ports: Sequence[int], *, lease: float = LEASE_SECONDS, slots: int = SLOTS
) -> Crew:
    """The processes of a campaign; each answers its probes on a port of its own."""
    roles = []
    for name, port in zip(plan.roles(), ports, strict=True):
        worker = ["worker", "--slots", str(slots), "--http", f"127.0.0.1:{port}"]
        words = worker if name.startswith("worker") else ["serve", "--port", str(port)]
        settings = {**stage.settings(name), "WATERSHIP_WORKER_LEASE_SECONDS": str(lease)}
        roles.append(Role(name, words, port, environment(stage.folder, settings)))
    return Crew(roles, stage.folder)


@dataclass(slots=True, kw_only=True)
class Campaign:
    """Use `run()` once."""

    plan: Plan
    stage: Stage
    servers: Servers | None
    ports: Sequence[int]
    tell: Tell
    began: float = field(default_factory=time.monotonic)

    async def run(self) -> Summary:
        """Load, faults, quiet, judgement."""
        offset = clock_offset()
        async with crew_of(self.stage, self.plan, self.ports) as crew:
            await crew.ready()
            self.tell(f"{len(crew.roles)} processes are ready after {self._passed():.0f} s")
            load, nemesis, door = await self._hurt(crew)
            quiet = await self._quiet()
        records = Records(
            seed=self.plan.seed,
            wanted=self.plan.runs,
            load=load.record,
            crew=crew,
            struck=nemesis.struck,
            unseen=[name for name in self._kinds() if not nemesis.struck[name]],
            quiet=quiet,
            drift=abs(clock_offset() - offset),
            folder=self.stage.folder,
        )
        return await self._judged(records, door)

    async def _hurt(self, crew: Crew) -> tuple[Load, Nemesis, FrontDoor | None]:
        """Load and faults together, until enough was sent and every kind of fault seen. What took part."""
        random = Random(self.plan.seed)
        load = Load([each.port for each in crew.services], random, self.stage.folder, rate=self.plan.rate)
        nemesis = Nemesis(crew, self.stage, self.servers, self.stage.folder)
        door = None if self.servers is None else self.servers.front_door(random, self.plan.rate * AMQP_PART)
        schedule = strikes(Random(self.plan.seed + 1), kinds(self.stage.has_servers), LEASE_SECONDS)
        news = asyncio.create_task(self._news(load, nemesis, crew))
        async with asyncio.TaskGroup() as group:
            striking = group.create_task(nemesis.strike_all(schedule))
            group.create_task(self._specials(load))
            if door is not None:
                group.create_task(door.send_all())
            await load.send_all(self._messages(random, load, nemesis))
            nemesis.stop()
            await striking
            if door is not None:
                door.stopping = True
        await load.send_all(iter(()))  # what the specials began
        news.cancel()
        await asyncio.gather(news, return_exceptions=True)
        load.close()
        nemesis.close()
        return load, nemesis, door

    def _kinds(self) -> list[str]:
        """The names of the faults that have to be seen."""
        return [_name(each) for each in kinds(self.stage.has_servers)]

    async def _judged(self, records: Records, door: FrontDoor | None) -> Summary:
        self.tell("reading the whole history")
        async with watching(self.stage) as kernel:
            runs, journals = await read_all(kernel.store)
        entries = list(read_entries(self.stage.folder))
        history = History(
            accepted=[
                *records.load.accepted,
                *(matched(door.sent, runs.values()) if door is not None else ()),
            ],
            runs=runs,
            journals=journals,
            entered=entries,
            acted=list(read_acts(self.stage.folder)),
            frozen=records.crew.frozen,
            left={} if self.servers is None else await self.servers.left(),
        )
        self.tell(f"checking {len(runs):,} runs and {len(entries):,} entries into steps")
        judgement = judge(history)
        if door is not None:
            dead = misplaced(door.malformed, await door.dead())
            judgement = replace(judgement, findings=[*judgement.findings, *dead])
        return summed_up(records, history, judgement, self._passed())

    def _messages(self, random: Random, load: Load, nemesis: Nemesis) -> Iterator[Sequence[Message]]:
        """As many as the plan says, and on until every kind of fault was seen."""
        for turn in messages(random):
            if self.plan.bound is None:
                enough = load.record.sent >= self.plan.runs and all(
                    nemesis.struck[name] for name in self._kinds()
                )
            else:
                enough = self._passed() > self.plan.bound
            if enough:
                return
            yield turn

    async def _specials(self, load: Load) -> None:
        """The wide family at once; the poison one by one, each when the one before can be through."""
        await asyncio.sleep(WIDE_AFTER)
        load.start([Message(agent="family", input={"number": 1, "children": self.plan.wide})])
        for number in range(self.plan.poison):
            load.start([Message(agent="poison", input={"number": number})])
            await asyncio.sleep(WIDE_AFTER)

    async def _quiet(self) -> float | None:
        """No faults, no new messages: how long until everything had ended and was told; None if it never was."""
        began = time.monotonic()
        async with watching(self.stage) as kernel:
            while (passed := time.monotonic() - began) < QUIET_SECONDS:
                left = await _unended(kernel.store)
                if left == 0:
                    waiting = 0 if self.servers is None else sum((await self.servers.left()).values())
                    if waiting == 0:
                        return passed
                    self.tell(f"quiet for {passed:.0f} s: outbox and queues still hold {waiting}")
                else:
                    self.tell(f"quiet for {passed:.0f} s: {left} runs have not ended")
                await asyncio.sleep(0.5 if passed < 5 else 2.0)
        return None

    async def _news(self, load: Load, nemesis: Nemesis, crew: Crew) -> None:
        while True:
            await asyncio.sleep(NEWS_SECONDS)
            self.tell(
                f"{self._passed():.0f} s: {len(load.record.accepted):,} accepted, {load.waiting} under way, "
                f"{nemesis.struck.total()} faults of {len(nemesis.struck)} kinds, {len(crew.deaths)} deaths unasked for"
            )

    def _passed(self) -> float:
        return time.monotonic() - self.began


async def _unended(store: RunStore) -> int | None:
    with suppress(Unavailable):
        census = await store.census()
        return sum(
            count
            for (_, state), count in census.items()
            if state not in TERMINAL and state is not RunState.STOPPED
        )
    return None


def clock_offset() -> float:
    """Between the wall clock and the clock since boot."""
    return time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)


def _name(kind: tuple[str, str | None]) -> str:
    fault, server = kind
    return str(fault) if server is None else f"{server} {fault}"


__all__ = ["Campaign", "Plan", "Role", "crew_of"]
