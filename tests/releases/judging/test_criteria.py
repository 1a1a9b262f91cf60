"""Each of the written runbook's rollback criteria, driven by its fault: at its window, and not one tick before.

A vigil looks in virtual time at a world in which everything is well but for one thing: counts of the router, answers
of instances, what their host, their database, people, and whoever keeps the metrics tell. All nineteen fuses stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

import msgspec
import pytest
from msgspec import structs

from tests.releases.plans import a_plan
from tests.simulation.release_targets import SimAudit, SimHosts, SimMigrator
from tests.simulation.release_world import LIVE, NEXT, ReleaseWorld
from watership.durable.clock import Clock, SystemClock
from watership.errors import NotAllowed, Unavailable
from watership.fleet.deployment import Slot
from watership.fleet.identity import Identity
from watership.releases.auditing.audit import Entry
from watership.releases.book.shelf import shipped
from watership.releases.judging import gate
from watership.releases.judging.feed import Feed, Subject, Told
from watership.releases.judging.fuse import (
    Drift,
    ErrorRate,
    Event,
    Fuse,
    Intact,
    Level,
    Lost,
    Reading,
    Unknown,
    inspect,
)
from watership.releases.judging.gate import GateSpec, GateState, Judgement
from watership.releases.judging.nearby import CHECKED_SECONDS
from watership.releases.judging.vigil import Vigil, Watchword, watch_over
from watership.releases.measurement import Finding
from watership.releases.ports import HostSpec, Instance, ProbeAnswer, TrafficTick
from watership.releases.snapshots import load
from watership.releases.verdict import Verdict
from watership.releases.warrant import BY_DECISION, ON_CRITERIA, Caller, grounds, holders
from watership.testing import run_in_virtual_time

BOOK: Final = shipped("agent-orchestrator")
FUSES: Final = BOOK.runbook.fuses

CRITERIA: Final = {
    "roll_back": (
        "Application error rate > 10% for > 2 minutes",
        "Application response time p95 > 5 seconds",
        "CPU usage > 95% sustained",
        "Database connectivity loss > 30 seconds",
        "RabbitMQ connectivity loss > 30 seconds",
        "Out of memory condition",
        "Data corruption detected",
        "Security breach detected",
        "Unhandled exception in critical path (authentication, payment)",
    ),
    "page": (
        "Error rate > 5% for > 5 minutes",
        "Response time p95 > 1 second for > 5 minutes",
        "Cache hit rate drops > 50%",
        "Database query performance degraded > 100%",
        "Memory usage > 85% sustained",
        "Disk usage > 90%",
    ),
    "investigate": (
        "Error rate 1-5% for > 10 minutes",
        "Response time p95 500-1000ms",
        "Non-critical feature failures",
        "Warning-level alerts",
    ),
}
"""What the written runbook says, and what it calls for."""

FED: Final = Reading(
    cpu=0.3, memory=0.5, disk=0.4, cache_hit_rate=0.9, query_time=0.01, happened={"warning_alert": False}
)


@dataclass(frozen=True, kw_only=True)
class Shows:
    """What a side shows. None: it does not tell."""

    errors: float | None = 0.0
    p95: str | None = "0.1"
    database: str | None = "ok"
    rabbitmq: str | None = "ok"
    oom_kills: int | None = 0
    critical: int | None = 0
    other: int | None = 0
    fed: Reading = FED
    corrupted_after: float | None = inf
    """Seconds. What was there before anybody looked is nobody's fault."""
    breach: bool | None = False


WELL: Final = Shows()


def fed(**figures: float | None) -> Shows:
    return Shows(fed=structs.replace(FED, **figures))


def alerted(happened: dict[str, bool]) -> Shows:
    return Shows(fed=msgspec.convert(structs.asdict(FED) | {"happened": happened}, Reading))


FAULTS: Final[Mapping[str, tuple[Shows, Shows]]] = {
    "Application error rate > 10% for > 2 minutes": (Shows(errors=0.11), Shows(errors=None)),
    "Application response time p95 > 5 seconds": (Shows(p95="10"), Shows(p95=None)),
    "CPU usage > 95% sustained": (fed(cpu=0.96), fed(cpu=None)),
    "Database connectivity loss > 30 seconds": (Shows(database="failed: OSError"), Shows(database=None)),
    "RabbitMQ connectivity loss > 30 seconds": (Shows(rabbitmq="failed: OSError"), Shows(rabbitmq=None)),
    "Out of memory condition": (Shows(oom_kills=1), Shows(oom_kills=None)),
    "Data corruption detected": (Shows(corrupted_after=CHECKED_SECONDS), Shows(corrupted_after=None)),
    "Security breach detected": (Shows(breach=True), Shows(breach=None)),
    "Unhandled exception in critical path (authentication, payment)": (
        Shows(critical=1),
        Shows(critical=None),
    ),
    "Error rate > 5% for > 5 minutes": (Shows(errors=0.06), Shows(errors=None)),
    "Response time p95 > 1 second for > 5 minutes": (Shows(p95="2.5"), Shows(p95=None)),
    "Cache hit rate drops > 50%": (fed(cache_hit_rate=0.44), fed(cache_hit_rate=None)),
    "Database query performance degraded > 100%": (fed(query_time=0.021), fed(query_time=None)),
    "Memory usage > 85% sustained": (fed(memory=0.86), fed(memory=None)),
    "Disk usage > 90%": (fed(disk=0.91), fed(disk=None)),
    "Error rate 1-5% for > 10 minutes": (Shows(errors=0.03), Shows(errors=None)),
    "Response time p95 500-1000ms": (Shows(p95="1"), Shows(p95=None)),
    "Non-critical feature failures": (Shows(other=1), Shows(other=None)),
    "Warning-level alerts": (alerted({"warning_alert": True}), alerted({})),
}
"""Next with the fault of a criterion, and next of which nobody tells that very thing."""


class Sides:
    """Both sides for whoever asks: the router's counts, instances, people, and who keeps the metrics."""

    def __init__(self, nxt: Shows) -> None:
        self._next = nxt
        self._shows = {LIVE.deployment: WELL, NEXT.deployment: nxt}

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        sides = {LIVE.slot: WELL, NEXT.slot: self._next}
        return {
            slot: [_tick(second, shows.errors, shows.p95) for second in range(after + 1, until + 1)]
            for slot, shows in sides.items()
            if shows.errors is not None
        }

    async def request(self, method: str, url: str, **rest: object) -> ProbeAnswer:
        address, _, path = url.removeprefix("http://").partition("/")
        shows = next(each for deployment, each in self._shows.items() if address.startswith(deployment))
        body = _health(shows) if path == "health" else _metrics(shows)
        return ProbeAnswer(status=200, headers={}, body=body, seconds=0.0)

    async def ask(self, feeds: Sequence[Feed], subject: Subject) -> Told:
        return Told(reading=self._shows[subject.deployment].fed)

    async def breach(self, release: str) -> bool:
        if self._next.breach is None:
            raise Unavailable("The incidents cannot be read.")
        return self._next.breach

    async def used_disk(self) -> float:
        raise Unavailable("The disk is on another machine.")


class Machines(SimHosts):
    """The host agent, which sees how next's processes end."""

    def __init__(self, clock: Clock, nxt: Shows) -> None:
        super().__init__(clock)
        self._kills = {LIVE.deployment: WELL.oom_kills, NEXT.deployment: nxt.oom_kills}

    async def instances(self) -> Sequence[Instance]:
        there = await super().instances()
        return [structs.replace(each, oom_kills=self._kills[each.deployment]) for each in there]


class Database(SimMigrator):
    """The database that both sides share."""

    def __init__(self, clock: Clock, nxt: Shows) -> None:
        super().__init__(5)
        self._now = clock.now
        self._began = clock.now()
        self._corrupted_after = nxt.corrupted_after

    async def integrity(self) -> Sequence[str]:
        if self._corrupted_after is None:
            raise Unavailable("The database does not answer.")
        since = (self._now() - self._began).total_seconds()
        return ["page 7 of runs is broken"] if since >= self._corrupted_after else []


def _tick(second: int, errors: float | None, p95: str | None) -> TrafficTick:
    latencies = {} if p95 is None else {p95: 100}
    return TrafficTick(second=second, requests=100, errors=round(100 * (errors or 0)), latencies=latencies)


def _health(shows: Shows) -> bytes:
    said = {"database": shows.database, "rabbitmq": shows.rabbitmq}
    return msgspec.json.encode({name: word for name, word in said.items() if word is not None})


def _metrics(shows: Shows) -> bytes:
    counts = {"critical": shows.critical, "other": shows.other}
    lines = [
        f'watership_unhandled_total{{path="{path}"}} {n}.0\n' for path, n in counts.items() if n is not None
    ]
    return "".join(lines).encode()


def undecided(state: GateState, spec: GateSpec) -> Judgement:
    """The gate would often be quicker; here it says nothing."""
    return gate.judge(gate.opened(spec), spec)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of a vigil. `told`: what people were told of, and after how many seconds that were counted."""

    found: Finding
    state: Vigil
    told: tuple[tuple[str, str, int], ...]
    authority: tuple[Entry, ...]

    @property
    def counted(self) -> int:
        return self.state.last - int(self.state.began.timestamp())


def watched(nxt: Shows, seconds: float) -> Seen:
    """All nineteen fuses for `seconds` over next as it shows itself."""

    async def main() -> Seen:
        world = ReleaseWorld(source=BOOK, judge=undecided)
        await world.begin()
        sides, machines = Sides(nxt), Machines(world.clock, nxt)
        for side in (LIVE, NEXT):
            spec = HostSpec(deployment=side.deployment, build=side.build, slot=side.slot, serve=1, workers=1)
            await machines.ensure(spec, epoch=0)
            world.router.targets[side.slot] = (f"{side.deployment}-serve-0:80",)
        env = replace(
            world.controller()._env,
            metrics=sides,
            probe=sides,
            hosts=machines,
            migrator=Database(world.clock, nxt),
            kept=sides,
            breach=sides.breach,
            used_disk=sides.used_disk,
        )
        word = Watchword(
            name="vigil",
            plan=world.plan,
            gate=world.plan.gate,
            length=seconds,
            give_up=seconds,
            promotes=False,
            keep=nothing,
            ordered=nothing,
        )
        found = await watch_over(env, word)
        state = await load(env.snapshots, "vigil", Vigil)
        assert state is not None
        began = state.began.timestamp()
        # At a tick the second before it is the last that is over.
        told = [
            (entry.action, str(entry.facts["fuse"]), round(entry.at.timestamp() - began) - 1)
            for entry in world.audit.kept
            if "fuse" in entry.facts
        ]
        authority = [entry for entry in world.audit.kept if entry.action.startswith("authority.")]
        return Seen(found=found, state=state, told=tuple(told), authority=tuple(authority))

    return run_in_virtual_time(main, limit_seconds=7200.0)


async def nothing() -> None:
    return None


def window(fuse: Fuse) -> int:
    """The seconds that must be counted before it may blow."""
    match fuse:
        case ErrorRate() | Level() | Drift() | Lost():
            return round(fuse.window)
        case Event(of="data_corruption"):
            return round(CHECKED_SECONDS)
        case Event():
            return 1


each_criterion = pytest.mark.parametrize("fuse", FUSES, ids=[fuse.criterion for fuse in FUSES])


def test_the_nineteen_criteria_of_the_written_runbook_are_fuses() -> None:
    assert len(FUSES) == 19 and set(FAULTS) == {fuse.criterion for fuse in FUSES}
    assert {fuse.criterion: fuse.then for fuse in FUSES} == {
        criterion: then for then, criteria in CRITERIA.items() for criterion in criteria
    }


def test_while_all_is_well_nothing_blows_and_every_window_was_seen() -> None:
    seen = watched(WELL, 605.0)

    assert seen.told == () and seen.found.verdict is Verdict.INCONCLUSIVE
    states = [inspect(fuse, seen.state.seconds, seen.state.usual) for fuse in FUSES]
    assert [type(state) for state in states] == [Intact] * 19


@each_criterion
def test_a_fault_blows_its_fuse_at_its_window_and_not_one_tick_before(fuse: Fuse) -> None:
    fault, _ = FAULTS[fuse.criterion]
    seen = watched(fault, window(fuse) + 5.0)

    if fuse.then == "roll_back":
        assert seen.found.verdict is Verdict.FAILED and seen.found.evidence.startswith(fuse.name)
        assert (seen.counted, seen.told) == (window(fuse), ())
    else:
        assert seen.told == ((f"release.{fuse.then}", fuse.name, window(fuse)),)
        assert seen.found.verdict is Verdict.INCONCLUSIVE, (
            "people were told, and the vigil went on to its end"
        )
    assert seen.authority == (), "nobody has to be asked for what a fuse does"


@each_criterion
def test_what_nobody_tells_is_inconclusive_and_never_healthy(fuse: Fuse) -> None:
    _, silence = FAULTS[fuse.criterion]
    seen = watched(silence, window(fuse) + 5.0)

    assert seen.told == () and seen.found.verdict is Verdict.INCONCLUSIVE
    assert isinstance(inspect(fuse, seen.state.seconds, seen.state.usual), Unknown)


def orders(role: str, criterion: str) -> bool:
    """Whether that role may order a rollback on that criterion; either answer is in the audit."""
    audit = SimAudit(SystemClock())
    identity = Identity(person="Ina", tenant="t", roles=frozenset({role}), expires_at=PLAN.created_at)
    try:
        granted = grounds(PLAN, Caller(identity, open=False), audit, criterion=criterion, reason="it is bad")
    except NotAllowed:
        assert audit.kept[-1].action == "authority.refused"
        return False
    assert (granted.role, granted.criterion) == (role, criterion)
    assert [entry.action for entry in audit.kept] == ["authority.granted"]
    return True


PLAN: Final = a_plan(book="agent-orchestrator")
EVERYBODY: Final = sorted({*(each.id for each in PLAN.roles), *(each.id for each in PLAN.authorities)})


@each_criterion
def test_the_right_authority_orders_a_rollback_on_a_criterion_and_every_other_is_refused(fuse: Fuse) -> None:
    on_criteria = {"monitoring", "deployment_lead", "incident_commander"}
    by_decision = {"product_manager", "engineering_lead", "executive"}
    assert set(holders(PLAN, ON_CRITERIA)) == on_criteria and set(holders(PLAN, BY_DECISION)) == by_decision
    # What is to be investigated is no reason to take a release back: that is a decision.
    right = by_decision if fuse.then == "investigate" else on_criteria | by_decision

    assert {role for role in EVERYBODY if orders(role, fuse.criterion)} == right
