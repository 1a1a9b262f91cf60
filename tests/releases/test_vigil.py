"""A vigil counts each second once, and says what it does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.releases.plans import NOON, a_plan
from watership.fleet.deployment import Slot
from watership.releases.ports import TrafficTick
from watership.releases.vigil import Vigil, Watchword, counted

PLAN = a_plan()
START = int(NOON.timestamp())


async def nothing() -> None:
    return None


def word() -> Watchword:
    return Watchword(
        name="soak",
        plan=PLAN,
        gate=PLAN.gate,
        length=60.0,
        give_up=600.0,
        promotes=True,
        keep=nothing,
        ordered=nothing,
    )


def ticks(
    *seconds: int, errors: int = 0, slots: Sequence[Slot] = tuple(Slot)
) -> Mapping[Slot, list[TrafficTick]]:
    def tick(second: int, slot: Slot) -> TrafficTick:
        return TrafficTick(
            second=START + second,
            requests=100,
            errors=errors if slot is PLAN.next.slot else 0,
            latencies={"0.005": 100, "5": 0},
        )

    return {slot: [tick(second, slot) for second in seconds] for slot in slots}


def vigil(**facts: Any) -> Vigil:
    values: dict[str, Any] = {"began": NOON, "last": START} | facts
    return Vigil(**values)


def test_a_second_is_counted_once_however_often_it_is_told() -> None:
    once = counted(word(), vigil(), ticks(1, 2))
    twice = counted(word(), once, ticks(1, 2, 3))

    assert (once.requests, twice.requests, twice.gate.ticks, twice.last) == (200, 300, 3, START + 3)


def test_a_second_that_only_one_slot_tells_of_is_not_counted() -> None:
    state = counted(word(), vigil(), ticks(1, slots=[PLAN.next.slot]))

    assert (state.requests, state.gate.ticks, state.last) == (0, 0, START)


def test_the_first_error_on_next_is_remembered() -> None:
    state = counted(word(), counted(word(), vigil(), ticks(1)), ticks(2, 3, errors=4))

    assert (state.first_error, state.errors) == (START + 2, 8)


def test_what_is_kept_for_the_fuses_is_bounded_by_their_longest_window() -> None:
    longest = max(round(getattr(fuse, "window", 1.0)) for fuse in PLAN.fuses)

    state = counted(word(), vigil(), ticks(*range(1, longest + 100)))

    assert len(state.seconds) == longest and state.seconds[-1].at == START + longest + 99
