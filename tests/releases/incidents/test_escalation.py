"""Who is told of an incident: level by level, on a clock, and at once where something is urgent."""

from __future__ import annotations

import pytest

from tests.releases.troubles import NOON, at, incident
from watership.releases.book.document import parse
from watership.releases.book.team import Escalation
from watership.releases.incidents.escalation import USUAL, due_escalations, reaction, recorded
from watership.releases.incidents.incident import (
    Acknowledged,
    Dismissed,
    Escalated,
    Event,
    Incident,
    Reopened,
    Restored,
    Told,
    Triggered,
    happened,
)
from watership.testing import VirtualClock, run_in_virtual_time


def seats(there: Incident, minutes: float) -> list[str]:
    return [f"{due.level} {due.seat}" for due in due_escalations(there, at(minutes), USUAL)]


def told(level: int, minutes: float) -> Escalated:
    seat = USUAL.levels[level - 1].seat
    return Escalated(
        incident="INC-1", at=at(minutes), who="controller", level=level, seat=seat, because="time"
    )


def acknowledged(minutes: float) -> Acknowledged:
    return Acknowledged(incident="INC-1", at=at(minutes), who="ada")


def test_the_usual_escalation_is_the_runbooks() -> None:
    assert [(each.seat, each.after / 60) for each in USUAL.levels] == [
        ("on_call", 0),
        ("engineering_lead", 15),
        ("vp_engineering", 30),
    ]
    assert all(len(each.powers) == 3 for each in USUAL.levels)
    assert len(USUAL.triggers) == 5


def test_the_first_level_is_told_at_once_and_the_others_at_their_times() -> None:
    assert seats(incident(), 0) == ["1 on_call"]
    first = incident(told(1, 0), acknowledged(1))
    assert seats(first, 14.9) == []
    assert seats(first, 15) == ["2 engineering_lead"]
    second = happened(happened(first, told(2, 15)), acknowledged(16))
    assert seats(second, 29) == []
    assert seats(second, 30) == ["3 vp_engineering"]
    assert seats(happened(happened(second, told(3, 30)), acknowledged(31)), 600) == []


def test_a_controller_that_was_away_tells_every_level_that_it_missed() -> None:
    assert seats(incident(), 40) == ["1 on_call", "2 engineering_lead", "3 vp_engineering"]


def test_a_level_is_told_again_until_it_acknowledges() -> None:
    silent = incident(told(1, 0))
    assert seats(silent, 4.9) == []
    (again,) = due_escalations(silent, at(5), USUAL)
    assert (again.again, again.seat, again.because) == (
        True,
        "on_call",
        "again, as nobody has acknowledged within 5m",
    )
    event = recorded(again, who="controller", at=at(5))
    assert isinstance(event, Told)
    assert seats(happened(silent, event), 9) == []
    assert seats(happened(silent, event), 10) == ["1 on_call"]
    assert seats(happened(silent, acknowledged(6)), 14) == []


def test_an_acknowledgement_does_not_hold_up_the_next_level() -> None:
    assert seats(incident(told(1, 0), acknowledged(14)), 15) == ["2 engineering_lead"]


@pytest.mark.parametrize(
    "ending",
    [
        Restored(incident="INC-1", at=at(10), who="ada", text="well"),
        Dismissed(incident="INC-1", at=at(10), who="ada", text="a test"),
    ],
)
def test_what_is_over_tells_nobody(ending: Event) -> None:
    over = incident(told(1, 0), ending)

    assert seats(over, 600) == []


def test_what_is_urgent_goes_up_a_level_at_once() -> None:
    urgent = incident(triggers=("security",))
    both = due_escalations(urgent, NOON, USUAL)

    assert [each.seat for each in both] == ["on_call", "engineering_lead"]
    assert both[1].because == "security incident"


def test_a_trigger_goes_up_one_from_where_it_is() -> None:
    there = incident(told(1, 0), told(2, 15), acknowledged(16))
    raised = happened(there, Triggered(incident="INC-1", at=at(17), who="ada", trigger="business_impact"))

    assert seats(raised, 17) == ["3 vp_engineering"]


def test_one_that_comes_back_climbs_from_the_beginning() -> None:
    back = incident(
        told(1, 0),
        told(2, 15),
        Restored(incident="INC-1", at=at(20), who="ada", text="well"),
        Reopened(incident="INC-1", at=at(60), who="controller", text="again"),
    )

    assert seats(back, 60) == ["1 on_call"]
    assert seats(happened(back, told(1, 60)), 75) == ["2 engineering_lead"]


def test_the_reaction_is_measured_to_the_first_acknowledgement() -> None:
    assert reaction(incident()) is None
    assert reaction(incident(acknowledged(4), told(2, 15), acknowledged(18))) == at(4) - NOON


def test_the_levels_of_a_team_file_decide() -> None:
    plan = parse(
        """
        levels:
          - { level: 1, title: First, seat: ops_1, after: 0m, powers: [look] }
          - { level: 2, title: Second, seat: boss, after: 90s, powers: [decide] }
        triggers: [too late]
        """,
        Escalation,
    )

    assert [due.seat for due in due_escalations(incident(), at(1.5), plan)] == ["ops_1", "boss"]


def test_it_happens_by_itself_when_somebody_looks_now_and_then() -> None:
    """As the responder does: more often than anybody is told."""

    async def main() -> list[tuple[int, str]]:
        clock = VirtualClock()
        there, log = incident(), []
        late = clock.now() - NOON
        for _ in range(60):
            now = clock.now() - late
            for due in due_escalations(there, now, USUAL):
                log.append((round((now - NOON).total_seconds() / 60), due.seat))
                there = happened(there, recorded(due, who="controller", at=now))
            if len(log) == 8 and there.active:
                there = happened(
                    there, Restored(incident="INC-1", at=now, who="ada", text="errors are 0.02 %")
                )
            await clock.sleep(60.0)
        return log

    assert run_in_virtual_time(main) == [
        (0, "on_call"),
        (5, "on_call"),
        (10, "on_call"),
        (15, "engineering_lead"),
        (20, "engineering_lead"),
        (25, "engineering_lead"),
        (30, "vp_engineering"),
        (35, "vp_engineering"),
    ]
