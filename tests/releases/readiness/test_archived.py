"""A drill with an archive of the log, in virtual time: what the archive has at the loss is all that there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watership.errors import BadInput
from watership.releases.ports import Backup
from watership.releases.readiness.archived import Recovered, hold
from watership.releases.readiness.course import USUAL, Limits
from watership.releases.readiness.drill import Drill
from watership.testing import VirtualClock, run_in_virtual_time


@dataclass(slots=True)
class Shop:
    """A server whose archive gets a piece of the log every `every` seconds, with the heartbeats of that time."""

    every: float = 60.0
    wrong: tuple[str, ...] = ()
    failing: str = ""
    clock: VirtualClock = field(default_factory=VirtualClock)
    beats: list[datetime] = field(default_factory=list)
    placed: bool = False

    async def base(self) -> str:
        await self.clock.sleep(30)
        return "20261129F"

    async def point(self, name: str, label: str) -> Backup:
        return Backup(id=f"{name}-{label}", path="/there", bytes=1, sha256="ab", taken_at=self.clock.now())

    async def again(self, name: str, backup: Backup) -> Backup:
        return await self.point(name, backup.id)

    async def edge(self) -> str:
        return str(int(self.clock.monotonic() // self.every * self.every))

    async def recovered(self, backup: Backup, edge: str) -> Recovered:
        await self.clock.sleep(100)
        if self.failing:
            raise BadInput(self.failing)
        start = self.clock.now() - timedelta(seconds=self.clock.monotonic())
        kept = [at for at in self.beats if at < start + timedelta(seconds=float(edge))]
        return Recovered(
            wrong=self.wrong,
            restore_seconds=60.0,
            replay_seconds=20.0,
            compare_seconds=10.0,
            tail_seconds=10.0,
            beat=max(kept, default=None),
        )

    async def begin(self) -> None:
        self.placed = True

    async def beat(self, at: datetime) -> None:
        self.beats.append(at)

    async def end(self) -> None:
        self.placed = False

    def drilled(self, limits: Limits = USUAL, *, loss_after: float = 75.0) -> Drill:
        async def held() -> Drill:
            drill = await hold(
                *(self, self, self.clock),
                environment="staging",
                by="dana",
                limits=limits,
                loss_after=loss_after,
            )
            assert not self.placed
            return drill

        return run_in_virtual_time(held)


def test_what_no_kept_piece_of_the_log_has_is_lost() -> None:
    drill = Shop().drilled()

    assert (drill.outcome, drill.rto_seconds) == ("passed", 100)
    # The loss comes 105 s after the beginning; the last piece was kept at 60.
    assert drill.rpo_seconds is not None and 45 <= drill.rpo_seconds < 45.2
    assert drill.facts == {
        "backup": "drill-20261129F",
        "sha256": "ab",
        "rpo_by": "heartbeat",
        "method": "archive",
        "edge": "60",
        "point": "drill-20261129F",
    }


def test_a_log_that_is_kept_too_seldom_is_found() -> None:
    drill = Shop(every=400.0).drilled(loss_after=390.0)
    assert drill.outcome == "passed"
    late = Shop(every=400.0).drilled(Limits(rpo=10.0), loss_after=390.0)
    assert late.outcome == "failed"
    assert late.words.startswith("the RPO is 20") and late.words.endswith("; 10s is allowed")


def test_a_log_that_has_no_heartbeat_tells_nothing_of_what_was_lost() -> None:
    drill = Shop(every=1_000.0).drilled()
    assert (drill.outcome, drill.words) == ("failed", "the RPO was not measured")


def test_what_is_restored_otherwise_or_not_at_all_is_on_record() -> None:
    other = Shop(wrong=("orders has 99 rows, it had 100",)).drilled()
    assert (other.outcome, other.rto_seconds) == ("failed", None)
    assert other.words == "compare: orders has 99 rows, it had 100"
    assert "not restored" in Shop(failing="It is not restored.").drilled().words
