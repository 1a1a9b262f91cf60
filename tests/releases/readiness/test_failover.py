"""A drill of the failover, in virtual time: how long nobody could write, and what was to be kept and is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from watership.errors import Conflict, Unavailable
from watership.releases.readiness.drill import Drill
from watership.releases.readiness.failover import USUAL, Bounds, Survived, hold
from watership.testing import VirtualClock, run_in_virtual_time


@dataclass(slots=True)
class Two:
    """A primary and a standby that shows each heartbeat `lag` later, and is promoted within `promotion` seconds."""

    lag: float = 0.05
    promotion: float = 20.0
    stops: bool = True
    other: tuple[str, ...] = ()
    clock: VirtualClock = field(default_factory=VirtualClock)
    beats: dict[int, tuple[datetime, float]] = field(default_factory=dict)
    lost_at: float | None = None
    back_at: float | None = None
    ended: int = 0

    async def begin(self) -> None: ...

    async def beat(self, number: int, at: datetime) -> None:
        now = self.clock.monotonic()
        if self.lost_at is not None and (self.back_at is None or now < self.back_at):
            raise Unavailable("Nobody takes it.")
        self.beats[number] = (at, now)

    async def seen(self, number: int) -> bool:
        return self.clock.monotonic() - self.beats[number][1] >= self.lag

    async def lose(self) -> None:
        if not self.stops:
            raise Conflict("It answers still.")
        self.lost_at = self.clock.monotonic()
        self.beats = {n: each for n, each in self.beats.items() if each[1] + self.lag <= self.lost_at}

    async def promote(self) -> None:
        self.back_at = self.clock.monotonic() + self.promotion

    async def survived(self) -> Survived:
        return Survived(beats={number: at for number, (at, _) in self.beats.items()})

    async def differences(self) -> Sequence[str]:
        return self.other

    async def end(self) -> None:
        self.ended += 1

    def drilled(self, bounds: Bounds = USUAL) -> Drill:
        async def held() -> Drill:
            return await hold(
                self, self.clock, environment="staging", by="dana", method="pair", bounds=bounds
            )

        return run_in_virtual_time(held)


def test_the_failover_lasts_from_the_loss_until_somebody_can_write_again() -> None:
    two = Two()
    drill = two.drilled()

    assert (drill.outcome, drill.words, two.ended) == ("passed", "", 1)
    assert drill.rto_seconds is not None and 20 <= drill.rto_seconds < 20.2
    assert drill.rpo_seconds is not None and drill.rpo_seconds <= 0.1
    assert drill.facts["lost"] in (0, 1)


def test_what_a_standby_had_not_seen_is_counted_and_judged() -> None:
    bounds = Bounds(lag=1.0, rpo=0.2)
    drill = Two(lag=0.5).drilled(bounds)

    assert (drill.outcome, drill.words.partition(" is ")[0]) == ("failed", "the RPO")
    lost = drill.facts["lost"]
    assert isinstance(lost, int) and lost >= 9 and drill.rpo_seconds is not None and drill.rpo_seconds > 0.4


def test_nobody_fails_over_to_a_standby_that_is_behind_or_beside_a_primary_that_answers() -> None:
    behind, answering = Two(lag=5.0), Two(stops=False)

    assert "behind" in behind.drilled().words and behind.lost_at is None
    drill = answering.drilled()
    assert drill.words == "loss: It answers still." and answering.back_at is None
    assert (behind.ended, answering.ended, drill.rto_seconds) == (1, 1, None)


def test_what_takes_too_long_or_never_comes_back_has_failed() -> None:
    assert Two(promotion=301.0).drilled().words.startswith("the failover is 5m 1s")
    never = Two(promotion=10_000.0).drilled()
    assert "No write was taken for 5m 30s: Nobody takes it." in never.words


def test_tables_that_differ_afterwards_are_no_failover() -> None:
    drill = Two(other=("orders is not there",)).drilled()
    assert (drill.outcome, drill.words, drill.rpo_seconds) == ("failed", "compare: orders is not there", None)
