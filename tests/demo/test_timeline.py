"""The timeline answers when something first was so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from watership.demo.timeline import Moment, Timeline
from watership.durable.ids import DeploymentId
from watership.fleet.deployment import Slot

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NEXT = DeploymentId("next")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def line(*moments: tuple[float, int, int]) -> Timeline:
    made = Timeline()
    for seconds, router, intake in moments:
        made.add(Moment(at(seconds), {Slot.BLUE: router, Slot.GREEN: 100 - router}, {NEXT: intake}))
    return made


def test_only_changes_are_kept() -> None:
    assert [moment.at for moment in line((0, 0, 0), (1, 0, 0), (2, 50, 50)).moments] == [at(0), at(2)]


def test_the_first_weight_after_a_moment_is_found() -> None:
    there = line((0, 0, 0), (10, 50, 50), (20, 100, 100))

    assert there.first(after=at(1), slot=Slot.BLUE, least=1) == at(10)
    assert there.first(after=at(1), slot=Slot.BLUE, least=100) == at(20)


def test_what_was_so_already_is_so_from_the_moment_that_is_asked_for() -> None:
    assert line((0, 50, 50), (10, 0, 0)).first(after=at(4), slot=Slot.BLUE, least=50) == at(4)


def test_what_never_was_is_unknown() -> None:
    assert line((0, 0, 0)).first(after=at(0), slot=Slot.BLUE, least=1) is None
    assert line((0, 50, 50), (10, 0, 0)).first(after=at(11), slot=Slot.BLUE, least=1) is None


def test_both_planes_must_have_come_back() -> None:
    for half in ((10, 0, 50), (10, 50, 0)):
        there = line((0, 50, 50), half, (12, 0, 0))

        assert there.first(after=at(9), slot=Slot.BLUE, most=0, deployment=NEXT) == at(12)
