"""A name is led elsewhere once nobody can hold it for long, and never while traffic moves."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.simulation.release_targets import SimLock
from tests.simulation.release_world import ReleaseWorld
from watership.errors import BadInput, Unavailable
from watership.releases.book.runbook import Repoint, Ttl
from watership.releases.book.shares import shares
from watership.releases.book.system import System
from watership.releases.entrance import keep_for, lead, leads
from watership.releases.environment import Authority
from watership.releases.facts import Position
from watership.releases.measurement import Finding
from watership.releases.plan import Plan
from watership.releases.ports import Pointing
from watership.releases.verdict import Verdict
from watership.testing import VirtualClock, run_in_virtual_time
from watership.wiring.instruments import ProjectInstruments

OLD, NEW = "192.0.2.1", "192.0.2.2"
HOUR = 3600
BEFORE = Position()
LOWER = Ttl(id="lower", title="Lower", of="entrance", to=60.0)


class Names:
    """An entrance of two authorities in memory; the second goes on saying what it said while it is `stuck`."""

    name = "app.example.test"

    def __init__(self, clock: VirtualClock, ttl: int) -> None:
        self._clock = clock
        self.said = [Pointing(weights={OLD: 1}, ttl=ttl)] * 2
        self.moved_at: float | None = None
        self.stuck = False

    async def read(self) -> Mapping[str, Pointing]:
        return {"ns1": self.said[0], "ns2": self.said[1]}

    async def set(self, weights: Mapping[str, int], *, ttl: int, epoch: int) -> None:
        if set(weights) != set(self.said[0].weights):
            self.moved_at = self._clock.monotonic()
        wanted = Pointing(weights=dict(weights), ttl=ttl, epoch=epoch)
        self.said = [wanted, self.said[1] if self.stuck else wanted]


class Ground:
    """One environment with one entrance, in virtual time."""

    def __init__(self, ttl: int = HOUR) -> None:
        world = ReleaseWorld()
        self.clock = world.clock
        self.names = Names(self.clock, ttl)
        instruments = ProjectInstruments(Path())
        instruments.clock = self.clock
        self.env = dataclasses.replace(
            world.controller()._env, instruments=instruments, entrances=lambda _, __: self.names
        )
        self.plan: Plan = replace(world.plan, systems={"entrance": System(url="dns://ns1")})
        self.authority = Authority(SimLock(self.clock).process(), who="test", release="2.1.0-1")
        self.order: str | None = None

    async def lowered(self) -> Finding:
        return await keep_for(self.env, self.authority, self.plan, LOWER)

    async def led(self, *, position: Position = BEFORE, timeout: float = 300.0) -> Finding:
        item = Repoint(id="lead", title="Lead", of="entrance", to=NEW, timeout=timeout)
        return await lead(self.env, self.authority, self.plan, item, position=position, ordered=self._ordered)

    async def _ordered(self) -> str | None:
        return self.order


def in_time(test: Callable[[Ground], Awaitable[None]], ttl: int = HOUR) -> None:
    async def main() -> None:
        ground = Ground(ttl)
        await ground.authority.take()
        await test(ground)

    run_in_virtual_time(main, limit_seconds=20_000)


def test_the_name_moves_once_the_old_ttl_is_over_and_is_waited_for_once_more() -> None:
    async def main(ground: Ground) -> None:
        begun = ground.clock.monotonic()
        told = await ground.lowered()
        assert (told.verdict, told.facts["before"]) == (Verdict.PASSED, HOUR)
        assert "who heard it before may keep it for 1h" in told.evidence
        moved = await ground.led(timeout=HOUR)
        assert moved.verdict is Verdict.PASSED
        assert ground.names.moved_at is not None
        assert HOUR <= ground.names.moved_at - begun < HOUR + 2
        assert 60 <= ground.clock.monotonic() - ground.names.moved_at < 62
        assert f"let {OLD} forward until" in moved.evidence
        until = ground.clock.now() + timedelta(seconds=2 * HOUR - 60)
        assert f"{until:%H:%M}" in moved.evidence

    in_time(main)


def test_who_cannot_wait_for_the_old_ttl_is_told_when_it_is_over() -> None:
    async def main(ground: Ground) -> None:
        await ground.lowered()
        told = await ground.led()
        assert (told.verdict, ground.names.moved_at) == (Verdict.FAILED, None)
        assert "may keep it until" in told.evidence

    in_time(main)


def test_a_name_that_resolvers_keep_for_long_is_not_moved() -> None:
    async def main(ground: Ground) -> None:
        told = await ground.led()
        assert (told.verdict, ground.names.moved_at) == (Verdict.FAILED, None)
        assert "may be kept for 1h; 1m is the most" in told.evidence

    in_time(main)


def test_a_name_that_was_short_from_the_start_is_moved_at_once() -> None:
    async def main(ground: Ground) -> None:
        begun = ground.clock.monotonic()
        assert (await ground.led()).verdict is Verdict.PASSED
        assert ground.names.moved_at == begun

    in_time(main, ttl=60)


def test_once_traffic_moves_the_name_does_not() -> None:
    async def main(ground: Ground) -> None:
        told = await ground.led(position=Position(moved=True))
        assert (told.verdict, ground.names.moved_at) == (Verdict.FAILED, None)
        assert "in the way of a rollback" in told.evidence

    in_time(main, ttl=60)


def test_an_order_ends_the_wait() -> None:
    async def main(ground: Ground) -> None:
        ground.order = "abort ordered by Olga"
        told = await ground.led()
        assert (told.verdict, told.evidence) == (Verdict.INCONCLUSIVE, "abort ordered by Olga")

    in_time(main, ttl=60)


def test_an_authority_that_says_something_else_makes_it_unknown() -> None:
    async def main(ground: Ground) -> None:
        ground.names.stuck = True
        with pytest.raises(Unavailable, match=r"ns1: 192\.0\.2\.2, .*ns2: 192\.0\.2\.1"):
            await ground.led()

    in_time(main, ttl=60)


def test_done_again_after_a_crash_it_waits_from_the_moment_when_it_was_done() -> None:
    async def main(ground: Ground) -> None:
        await ground.led()
        moved = ground.names.moved_at
        assert moved is not None
        begun = ground.clock.monotonic()
        assert (await ground.led()).verdict is Verdict.PASSED
        assert (ground.names.moved_at, ground.clock.monotonic()) == (moved, begun)

    in_time(main, ttl=60)


def test_a_raised_ttl_makes_nobody_wait() -> None:
    async def main(ground: Ground) -> None:
        await ground.lowered()
        raised = await keep_for(ground.env, ground.authority, ground.plan, replace(LOWER, to=7200.0))
        assert raised.verdict is Verdict.PASSED
        assert ground.names.said[1].ttl == 7200

    in_time(main)


def test_a_system_that_the_plan_does_not_name_is_refused() -> None:
    async def main(ground: Ground) -> None:
        ground.plan = replace(ground.plan, systems={})
        with pytest.raises(BadInput, match="'entrance'"):
            await ground.lowered()

    in_time(main)


@pytest.mark.parametrize(
    ("to", "found"),
    [
        ("192.0.2.7", {"192.0.2.7": 1}),
        ("192.0.2.7, 2001:db8::7", {"192.0.2.7": 1, "2001:db8::7": 1}),
        ("old=0, new=100", {"old": 0, "new": 100}),
    ],
)
def test_shares_are_read_as_they_are_written(to: str, found: dict[str, int]) -> None:
    assert shares(to) == found


@pytest.mark.parametrize("to", ["", "old=", "=3", "old=x", "old=0", "a, a", "old=-1", "old=256"])
def test_what_leads_nowhere_is_refused(to: str) -> None:
    with pytest.raises(BadInput):
        shares(to)


def test_the_same_shares_in_other_numbers_are_the_same() -> None:
    assert leads(Pointing(weights={"old": 0, "new": 5}, ttl=60), {"new": 100})
    assert not leads(Pointing(weights={"old": 1, "new": 1}, ttl=60), {"new": 2, "old": 1})
