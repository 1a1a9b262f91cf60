"""A controller dies at any of its writes, and the one after it at any of its own: in the end everything agrees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest

from tests.releases.notices.scenes import NobodyAsks
from tests.simulation.release_targets import SimOutbox
from tests.simulation.release_world import SHORT, ReleaseWorld
from tests.simulation.test_release_messages import Heard, NoIncidents
from watership.durable.ids import RunId
from watership.releases.book.document import parse
from watership.releases.book.runbook import Runbook
from watership.releases.book.shelf import Source
from watership.releases.company import Beside, Companion
from watership.releases.complaints import Complaints
from watership.releases.notices.comms import Comms, Sending, Slack, bound
from watership.releases.notices.deliverer import Deliverer
from watership.releases.notices.looking import looking
from watership.releases.notices.messenger import Messenger
from watership.releases.notices.minute import LastMinute
from watership.releases.order import Release
from watership.releases.readiness.dress import CONVERGES
from watership.testing import run_in_virtual_time
from watership.wiring.messages import shipped

SECONDS = 3600.0
BAD = 0.15

PAUSES = (0.2, 1.0, 16.0)
"""Until a dead controller is started again: at once, soon, and after the switches have fired."""

SCHEDULES = {False: 8_000, True: 2_500}
"""By night, at least, of each of the two releases, without people who are told of it and with them."""

BY_DAY = {False: 30, True: 10}

SHORTER = Source(
    runbook=parse(SHORT.replace("length: 8s", "length: 5s").replace("length: 10s", "length: 5s"), Runbook),
    sha256="1" * 64,
)
"""Its soak and its watch have their samples within five seconds."""

COMMS = bound(
    Comms(
        channels=(Slack(id="ops", url="env:NOWHERE"),),
        send=(
            Sending(on="rollback.started", template="comms/rollback.md", to=("ops",)),
            Sending(on="release.done", template="comms/success.md", to=("ops",)),
        ),
    ),
    shipped,
)


@dataclass
class Post:
    """The outbox of a world, and who hears its messages."""

    box: SimOutbox = field(default_factory=SimOutbox)
    ops: Heard = field(default_factory=Heard)

    def beside(self, world: ReleaseWorld, mortal: Callable[[Any, str], Any]) -> Beside:
        def companions(_: RunId, release: Release) -> list[Companion]:
            audit, box = mortal(world.audit, "audit"), mortal(self.box, "messages")
            complaints = Complaints("messenger", audit=audit, clock=world.clock, observer=NobodyAsks())
            deliverer = Deliverer(outbox=box, channels={"ops": self.ops}, audit=audit, clock=world.clock)
            look = looking(
                release.plan,
                runs=world.own,
                records=world.records,
                incidents=NoIncidents(),
                snapshots=world.snapshots,
                clock=world.clock,
                minute=LastMinute(world.router, world.router, world.clock),
                pages=tuple,
            )
            messenger = Messenger(
                comms=COMMS,
                look=look,
                outbox=box,
                deliverer=deliverer,
                audit=audit,
                clock=world.clock,
                complaints=complaints,
            )
            return [messenger]

        return companions

    def faults(self, outcome: str) -> list[str]:
        """What was put out and not heard, and the end of the release if nobody was told of it."""
        put, heard = {identity for identity, _ in self.box.box}, {each.id for each in self.ops.messages}
        end = {"promoted": "success/", "rolled_back": "rollback/"}[outcome]
        wrong = [f"{each} was not heard" for each in sorted(put - heard)]
        return wrong + ([] if any(each.startswith(end) for each in put) else [f"nobody was told: {outcome}"])


@dataclass(frozen=True)
class Ended:
    """How a schedule ended. `calls` of each life; `seconds` from the last start to the end."""

    outcome: str
    calls: tuple[int, ...]
    seconds: float
    faults: tuple[str, ...]


def schedule(*deaths: int, bad: float, told: bool, pause: float = 1.0) -> Ended:
    async def main() -> Ended:
        post = Post()
        beside = post.beside if told else None
        world = ReleaseWorld(bad=bad, source=SHORTER, writes_only=True, beside=beside)
        outcome = await world.release(*deaths, pause=pause)
        seconds = (world.clock.now() - world.restarted_at).total_seconds()
        faults = await world.faults(outcome) + (post.faults(outcome.outcome) if told else [])
        return Ended(outcome.outcome, tuple(life.calls for life in world.lives), seconds, tuple(faults))

    return run_in_virtual_time(main, limit_seconds=SECONDS)


def pairs(bad: float, *, told: bool, wanted: int) -> Iterator[tuple[int, int]]:
    """Places of the first life, each with one of those that the second life may come by; evenly, `wanted` or more."""
    (first,) = schedule(bad=bad, told=told).calls
    # An odd step, or only one side of each write would be met.
    step = max(round(first * first / 2 / wanted / 2.2), 1) | 1
    every = ((one, two) for one in range(1, first + 1) for two in range(1, first - one + 2))
    yield from islice(every, 0, None, step)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(("bad", "usual"), [(0.0, "promoted"), (BAD, "rolled_back")])
def test_two_deaths_at_any_two_writes_end_in_one_of_two_ways_within_half_a_minute(
    bad: float, usual: str, told: bool, nightly: bool
) -> None:
    wanted = (SCHEDULES if nightly else BY_DAY)[told]
    ends: Counter[str] = Counter()
    slowest, wrong = 0.0, {}
    for one, two in pairs(bad, told=told, wanted=wanted):
        pause = PAUSES[(one + two) % len(PAUSES)]
        got = schedule(one, two, bad=bad, told=told, pause=pause)
        if len(got.calls) < 3:
            continue  # the second one came to the end before it was to die
        ends[got.outcome] += 1
        slowest = max(slowest, got.seconds)
        if got.faults or got.seconds > CONVERGES or (pause <= 1.0 and got.outcome != usual):
            wrong[one, two, pause] = got
    words = f"bad {bad}, told {told}: {ends.total():,} schedules of two deaths: {dict(ends)}"
    print(f"{words}, at most {slowest:.1f} s after the last start")  # noqa: T201 - what a night has shown
    assert wrong == {}
    assert ends.total() >= wanted
