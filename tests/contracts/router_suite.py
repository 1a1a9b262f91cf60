"""What every router must do, as one suite: a router passes it, or is none."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from tests.contracts.http_peers import Backend, ask, loaded, say, until
from watership.errors import BadInput, Conflict, Fenced, Unavailable
from watership.fleet.deployment import Slot
from watership.releases.ports import Metrics, Router, SlotWeights

BLUE, GREEN = Slot.BLUE, Slot.GREEN
ALL_BLUE: SlotWeights = {BLUE: 100, GREEN: 0}
ALL_GREEN: SlotWeights = {BLUE: 0, GREEN: 100}
HALF: SlotWeights = {BLUE: 50, GREEN: 50}


@dataclass(slots=True)
class Front:
    """A router under test: where clients find it, and its two slots with one instance each."""

    router: Router
    address: str
    blue: Backend
    green: Backend

    async def stand(self, weights: SlotWeights) -> None:
        for slot, backend in ((BLUE, self.blue), (GREEN, self.green)):
            await self.router.set_targets(slot, [backend.address], epoch=1)
        await until(self.both_healthy)
        await self.router.set_weights(weights, epoch=1)

    async def both_healthy(self) -> bool:
        return (await self.router.read()).healthy == {BLUE: 1, GREEN: 1}

    async def served(self, count: int) -> Counter[str]:
        """Who answered `count` requests, one after the other."""
        return Counter([(await ask(self.address)).body.decode() for _ in range(count)])


class SteeringSuite:
    """What a router does when it is told: enough for one whose requests no test can send.

    Subclass it with a fixture `bare` that gives a router without targets and the address it listens on.
    """

    hold_seconds: ClassVar[float] = 0.3
    """Of a switch that is to be put off in time: longer than a change takes."""

    @pytest.fixture
    async def front(self, bare: tuple[Router, str]) -> AsyncIterator[Front]:
        blue, green = Backend("blue"), Backend("green")
        await blue.listen()
        await green.listen()
        front = Front(*bare, blue, green)
        await front.stand(ALL_BLUE)
        yield front
        blue.gate.set()
        green.gate.set()
        await blue.die()
        await green.die()

    async def test_weights_are_read_back_as_they_are_in_force(self, front: Front) -> None:
        told = await front.router.set_weights(HALF, epoch=3)
        assert (told.weights, told.epoch) == (HALF, 3)
        assert await front.router.read() == told

    async def test_setting_the_same_weights_twice_is_setting_them_once(self, front: Front) -> None:
        assert await front.router.set_weights(HALF, epoch=2) == await front.router.set_weights(HALF, epoch=2)

    @pytest.mark.parametrize("weights", [{BLUE: 50, GREEN: 49}, {BLUE: 150, GREEN: -50}, {}])
    async def test_weights_that_are_no_shares_are_refused(self, front: Front, weights: SlotWeights) -> None:
        with pytest.raises(BadInput):
            await front.router.set_weights(weights, epoch=1)
        assert (await front.router.read()).weights == ALL_BLUE

    async def test_a_lower_epoch_can_do_nothing(self, front: Front) -> None:
        await front.router.set_weights(HALF, epoch=7)
        before = await front.router.read()
        for act in (
            front.router.set_weights(ALL_GREEN, epoch=6),
            front.router.set_targets(BLUE, [], epoch=6),
            front.router.pause(seconds=1, epoch=6),
            front.router.resume(epoch=6),
            front.router.drain(BLUE, seconds=0.01, epoch=6),
        ):
            with pytest.raises(Fenced) as fenced:
                await act
            assert (fenced.value.held, fenced.value.current) == (6, 7)
        assert await front.router.read() == before

    async def test_a_slot_without_a_healthy_instance_is_not_raised(self, front: Front) -> None:
        front.green.ready = False
        await until(lambda: self._healthy(front, GREEN, 0))
        with pytest.raises(Conflict, match="green"):
            await front.router.set_weights(HALF, epoch=1)
        assert (await front.router.read()).weights == ALL_BLUE

    async def test_a_slot_that_falls_ill_can_still_be_lowered(self, front: Front) -> None:
        await front.router.set_weights(HALF, epoch=1)
        await front.green.die()
        await until(lambda: self._healthy(front, GREEN, 0))
        assert (await front.router.set_weights(ALL_BLUE, epoch=1)).weights == ALL_BLUE

    async def test_an_unconfirmed_split_reverts_and_shuts_its_author_out(self, front: Front) -> None:
        held = await front.router.set_weights(
            HALF, epoch=4, hold_seconds=self.hold_seconds, last_safe=ALL_BLUE
        )
        assert held.until is not None
        assert held.last_safe == ALL_BLUE
        await until(lambda: self._in_force(front, ALL_BLUE))
        state = await front.router.read()
        assert (state.epoch, state.until) == (5, None)
        with pytest.raises(Fenced):
            await front.router.set_weights(ALL_GREEN, epoch=4)

    async def test_a_split_that_is_confirmed_in_time_stays(self, front: Front) -> None:
        await front.router.set_weights(HALF, epoch=4, hold_seconds=self.hold_seconds, last_safe=ALL_BLUE)
        confirmed = await front.router.set_weights(ALL_GREEN, epoch=4)
        assert confirmed.until is None
        await asyncio.sleep(self.hold_seconds + 0.2)
        assert (await front.router.read()).weights == ALL_GREEN

    async def test_holding_needs_weights_to_return_to(self, front: Front) -> None:
        with pytest.raises(BadInput):
            await front.router.set_weights(HALF, epoch=1, hold_seconds=10)

    @staticmethod
    async def _healthy(front: Front, slot: Slot, count: int) -> bool:
        return (await front.router.read()).healthy[slot] == count

    @staticmethod
    async def _in_force(front: Front, weights: SlotWeights) -> bool:
        return (await front.router.read()).weights == weights


class RouterSuite(SteeringSuite):
    """What it does with requests, besides."""

    @pytest.mark.parametrize("share", [0, 1, 25, 50, 99, 100])
    async def test_each_slot_gets_its_share_of_requests(self, front: Front, share: int) -> None:
        await front.router.set_weights({BLUE: 100 - share, GREEN: share}, epoch=1)
        served = await front.served(200)
        assert abs(served["green"] - 2 * share) <= 2

    async def test_a_shift_in_steps_under_load_loses_no_request(self, front: Front) -> None:
        async with loaded(front.address) as load:
            for share in (0, 10, 50, 100, 50, 0, 100):
                await load.more(50)
                await front.router.set_weights({BLUE: 100 - share, GREEN: share}, epoch=1)
            await load.more(100)
        assert load.lost == 0
        assert {asked.method for asked in front.green.asked} == {"GET", "POST"}

    async def test_a_slot_that_dies_leaves_its_turns_to_the_other(self, front: Front) -> None:
        await front.router.set_weights(HALF, epoch=1)
        await front.served(4)
        await front.green.die()
        assert await front.served(20) == {"blue": 20}

    async def test_a_slot_without_weight_does_not_stand_in(self, front: Front) -> None:
        await front.blue.die()
        await until(lambda: self._healthy(front, BLUE, 0))
        answer = await ask(front.address)
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert front.green.asked == []

    async def test_a_drain_waits_for_what_is_in_flight(self, front: Front) -> None:
        front.blue.gate.clear()
        asking = asyncio.create_task(ask(front.address))
        await until(lambda: self._active(front, BLUE, 1))
        await front.router.set_weights(ALL_GREEN, epoch=1)
        assert await front.router.drain(BLUE, seconds=0.05, epoch=1) == 1
        draining = asyncio.create_task(front.router.drain(BLUE, seconds=10, epoch=1))
        assert await front.served(3) == {"green": 3}
        assert not draining.done()
        front.blue.gate.set()
        assert await draining == 0
        assert (await asking).body == b"blue"

    async def test_a_pause_holds_requests_until_it_is_lifted(self, front: Front) -> None:
        await front.router.pause(seconds=30, epoch=1)
        assert (await front.router.read()).paused
        asking = [asyncio.create_task(ask(front.address)) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert front.blue.asked == []
        await front.router.resume(epoch=1)
        assert [(await answer).status for answer in asking] == [200] * 5
        assert not (await front.router.read()).paused

    async def test_a_forgotten_pause_ends_by_itself(self, front: Front) -> None:
        await front.router.pause(seconds=0.2, epoch=1)
        assert (await ask(front.address)).status == 200
        assert not (await front.router.read()).paused

    async def test_a_pause_of_writes_lets_reads_through_and_tells_what_it_came_to(self, front: Front) -> None:
        await front.router.pause(seconds=30, epoch=1, writes_only=True)
        state = await front.router.read()
        assert (state.paused, state.writes_only, state.can_hold) == (True, True, True)
        writing = [
            asyncio.create_task(ask(front.address, method, "/", b"x")) for method in ("POST", "PUT", "DELETE")
        ]
        await until(lambda: self._waiting(front, 3))
        for method in ("GET", "HEAD", "OPTIONS"):
            assert (await ask(front.address, method)).status == 200
        assert {asked.method for asked in front.blue.asked} == {"GET", "HEAD", "OPTIONS"}
        await asyncio.sleep(0.2)
        await front.router.resume(epoch=1)
        assert [(await answer).status for answer in writing] == [200] * 3
        await until(lambda: self._waiting(front, 0))
        waited = (await front.router.read()).waited
        assert waited is not None
        assert (waited.held, waited.told) == (3, 0)
        assert 0.2 <= waited.longest <= waited.seconds < 10

    async def test_what_is_held_for_too_long_is_told_to_come_again(self, front: Front) -> None:
        await front.router.pause(seconds=30, epoch=1, writes_only=True, patience=0.2)
        answer = await ask(front.address, "POST", "/", b"x")
        assert answer.status == 503
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        assert front.blue.asked == []
        waited = (await front.router.read()).waited
        assert waited is not None
        assert (waited.waiting, waited.held, waited.told) == (0, 1, 1)
        assert waited.longest >= 0.2

    async def test_a_pause_counts_anew_and_one_that_is_lengthened_goes_on_counting(
        self, front: Front
    ) -> None:
        assert (await front.router.read()).waited is None
        await front.router.pause(seconds=30, epoch=1, patience=0.05)
        await ask(front.address)
        await front.router.pause(seconds=30, epoch=1, patience=0.05)
        await ask(front.address)
        assert await self._held(front) == 2
        await front.router.resume(epoch=1)
        await front.router.pause(seconds=0.2, epoch=1)
        assert await self._held(front) == 0
        assert (await ask(front.address, "POST", "/", b"x")).status == 200
        assert await self._held(front) == 1

    @pytest.mark.parametrize(("seconds", "patience"), [(0.0, 1.0), (61.0, 1.0), (1.0, 0.0)])
    async def test_a_pause_without_bounds_is_refused(
        self, front: Front, seconds: float, patience: float
    ) -> None:
        with pytest.raises(BadInput):
            await front.router.pause(seconds=seconds, epoch=1, patience=patience)
        assert not (await front.router.read()).paused

    async def test_removed_instances_get_nothing_more(self, front: Front) -> None:
        second = Backend("second")
        await second.listen()
        await front.router.set_targets(BLUE, [front.blue.address, second.address], epoch=1)
        assert await front.served(10) == {"blue": 5, "second": 5}
        await front.router.set_targets(BLUE, [second.address], epoch=1)
        assert await front.served(4) == {"second": 4}
        assert (await front.router.read()).targets[BLUE] == (second.address,)
        await second.die()

    async def test_after_a_revert_requests_go_where_it_is_safe(self, front: Front) -> None:
        await front.router.set_weights(HALF, epoch=4, hold_seconds=0.2, last_safe=ALL_BLUE)
        await until(lambda: self._in_force(front, ALL_BLUE))
        assert await front.served(4) == {"blue": 4}

    @staticmethod
    async def _active(front: Front, slot: Slot, count: int) -> bool:
        return (await front.router.read()).active[slot] == count

    @staticmethod
    async def _waiting(front: Front, count: int) -> bool:
        waited = (await front.router.read()).waited
        return waited is not None and waited.waiting == count

    @staticmethod
    async def _held(front: Front) -> int:
        waited = (await front.router.read()).waited
        assert waited is not None
        return waited.held


class MetricsSuite:
    """What a router's figures must be. Subclass it beside RouterSuite, with a fixture `metrics`."""

    async def test_each_whole_second_is_told_with_what_happened_in_it(
        self, front: Front, metrics: Metrics
    ) -> None:
        # The second in which the router began is not whole.
        begun = int(time.time())
        await until(lambda: self._over(begun))
        await front.served(5)
        front.blue.behaviour = lambda asked: say(asked, 500, b"broken")
        await front.served(3)
        last = int(time.time())
        await until(lambda: self._over(last))
        ticks = await metrics.ticks(after=begun, until=last)
        assert [tick.second for tick in ticks[BLUE]] == list(range(begun + 1, last + 1))
        assert sum(tick.requests for tick in ticks[BLUE]) == 8
        assert sum(tick.errors for tick in ticks[BLUE]) == 3
        assert all(sum(tick.latencies.values()) == tick.requests for tick in ticks[BLUE])
        assert [tick.requests for tick in ticks[GREEN]] == [0] * (last - begun)

    async def test_a_second_that_is_not_over_is_not_told(self, front: Front, metrics: Metrics) -> None:
        now = int(time.time())
        await until(lambda: self._over(now))
        ticks = await metrics.ticks(after=now, until=now + 1000)
        assert all(tick.second < int(time.time()) for tick in ticks[BLUE])

    async def test_what_was_before_the_router_began_is_not_guessed(
        self, front: Front, metrics: Metrics
    ) -> None:
        now = int(time.time())
        with pytest.raises(Unavailable):
            await metrics.ticks(after=now - 100, until=now)

    @staticmethod
    async def _over(second: int) -> bool:
        return int(time.time()) > second
