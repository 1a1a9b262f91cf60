"""A drill of backup-restore measures in virtual time what the loss costs, and writes down whatever came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watership.errors import BadInput, Unavailable
from watership.releases.ports import Backup
from watership.releases.readiness.course import USUAL, Limits
from watership.releases.readiness.drill import Drill
from watership.releases.readiness.restore import Restored, hold
from watership.testing import VirtualClock, run_in_virtual_time

FIRST = ["heartbeat", "backup", "heartbeat taken away"]


@dataclass(slots=True)
class Shop:
    """A database whose backup has what was there at its beginning, and takes `dump` seconds; a heartbeat's place."""

    dump: float = 60.0
    restore: float = 120.0
    wrong: tuple[str, ...] = ()
    failing: str = ""
    clock: VirtualClock = field(default_factory=VirtualClock)
    beats: list[datetime] = field(default_factory=list)
    had: datetime | None = None
    placed: bool = False

    def fail(self, act: str) -> None:
        if self.failing == act:
            raise BadInput(f"{act} was refused.")

    async def create(self, name: str) -> Backup:
        self.had = self.beats[-1]
        await self.clock.sleep(self.dump)
        self.fail("create")
        return Backup(id=name, path="/there", bytes=1, sha256="ab", taken_at=self.clock.now())

    async def restored(self, backup: Backup) -> Restored:
        await self.clock.sleep(self.restore)
        self.fail("restored")
        beat = None if self.failing == "copied" else self.had
        return Restored(wrong=self.wrong, restore_seconds=self.restore, compare_seconds=0.0, beat=beat)

    async def begin(self) -> None:
        self.fail("begin")
        self.placed = True

    async def beat(self, at: datetime) -> None:
        if self.failing == "beat" and self.beats:
            raise Unavailable("The database is busy.")
        self.beats.append(at)

    async def end(self) -> None:
        self.fail("end")
        self.placed = False

    def drilled(self, limits: Limits = USUAL, *, age: float | None = None) -> Drill:
        """Drilled with a backup that is taken for it, or with one that is `age` seconds old."""

        async def held() -> Drill:
            of = None
            if age is not None:
                at = self.clock.now() - timedelta(seconds=age)
                of = Backup(id="nightly", path="/there", bytes=1, sha256="cd", taken_at=at)
            return await hold(self, self, self.clock, environment="staging", by="dana", limits=limits, of=of)

        return run_in_virtual_time(held)


def test_the_loss_comes_when_the_backup_is_done_and_ends_with_the_comparison() -> None:
    shop = Shop()
    drill = shop.drilled()

    assert (drill.outcome, drill.rto_seconds, drill.rpo_seconds, drill.seconds) == ("passed", 120, 60, 180)
    assert (drill.environment, drill.by) == ("staging", "dana")
    assert drill.facts == {"backup": "drill", "sha256": "ab", "rpo_by": "heartbeat", "method": "copy"}
    assert len(shop.beats) > 500 and not shop.placed


def test_limits_are_kept_at_the_limit_and_not_beyond_it() -> None:
    assert Shop().drilled(Limits(rto=120, rpo=60)).outcome == "passed"
    drill = Shop().drilled(Limits(rto=119, rpo=59))
    assert drill.outcome == "failed"
    assert drill.words == "the RTO is 2m; 1m 59s is allowed; the RPO is 1m; 59s is allowed"


def test_what_fails_is_on_record_and_measures_nothing() -> None:
    for failing, steps, last in (
        ("begin", ["heartbeat"], 0),
        ("create", FIRST, 1),
        ("end", FIRST, 2),
        ("restored", [*FIRST, "restore"], 3),
    ):
        drill = Shop(failing=failing).drilled()
        assert [step.name for step in drill.steps] == steps
        assert not drill.steps[last].passed
        assert (drill.outcome, drill.rto_seconds, drill.rpo_seconds) == ("failed", None, None)
        assert f"{failing} was refused." in drill.words


def test_a_copy_that_differs_is_no_recovery() -> None:
    drill = Shop(wrong=("orders has 90 rows, it had 100",)).drilled()

    assert (drill.outcome, drill.rto_seconds, drill.rpo_seconds) == ("failed", None, None)
    assert drill.words == "compare: orders has 90 rows, it had 100"


def test_a_copy_without_a_heartbeat_does_not_tell_what_was_lost() -> None:
    drill = Shop(failing="copied").drilled()

    assert (drill.outcome, drill.rpo_seconds, drill.words) == ("failed", None, "the RPO was not measured")


def test_a_heartbeat_that_was_not_taken_is_no_loss() -> None:
    assert Shop(failing="beat").drilled().outcome == "passed"


def test_with_a_backup_that_was_there_the_loss_is_as_old_as_what_it_shows() -> None:
    shop = Shop()
    drill = shop.drilled(age=299)
    assert (drill.outcome, drill.rto_seconds, drill.rpo_seconds) == ("passed", 120, 299)
    assert drill.facts == {"backup": "nightly", "sha256": "cd", "rpo_by": "snapshot", "method": "copy"}
    assert [step.name for step in drill.steps] == ["restore", "compare"]
    assert not shop.beats

    assert Shop().drilled(age=301).words == "the RPO is 5m 1s; 5m is allowed"
    assert Shop().drilled(age=-1).words == "the RPO was not measured"
