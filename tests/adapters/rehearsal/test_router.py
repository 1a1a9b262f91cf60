"""A router whose times are told in a calendar that leaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.simulation.release_targets import SimRouter
from watership.adapters.rehearsal.clock import LeapingClock
from watership.adapters.rehearsal.router import RehearsedRouter
from watership.fleet.deployment import Slot
from watership.releases.ports import TrafficTick


class Counting(SimRouter):
    """Counted one request in each second of the machine's time."""

    def __init__(self) -> None:
        """It needs no clock of its own here."""

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        return {
            slot: [
                TrafficTick(second=second, requests=1, errors=0, latencies={})
                for second in range(after + 1, until + 1)
            ]
            for slot in Slot
        }


async def test_of_what_was_leapt_over_nothing_is_known_and_the_rest_is_told_in_our_time(
    tmp_path: Path,
) -> None:
    clock = LeapingClock(tmp_path / "calendar")
    router = RehearsedRouter(Counting(), clock)
    began = int(datetime.now(UTC).timestamp())
    clock.leap(1000.0)

    ticks = (await router.ticks(after=began - 11, until=began + 1005))[Slot.BLUE]

    seconds = [tick.second for tick in ticks]
    # Ten seconds before the leap, and those since; the second of the leap itself belongs to neither side.
    assert seconds[0] == began - 10 and seconds[-1] == began + 1005
    assert 1000 <= 1016 - len(seconds) <= 1002
