"""An incident is where its events lead, and no event happens where it may not."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from tests.releases.troubles import NOON, at, incident, opening
from watership.errors import BadInput, Conflict, NotFound
from watership.releases.incidents.incident import (
    MOVES,
    Acknowledged,
    Closed,
    Decided,
    Dismissed,
    Escalated,
    Event,
    Graded,
    Incident,
    Measured,
    Noted,
    Opened,
    Reopened,
    Restored,
    Severity,
    State,
    Told,
    Triggered,
    chosen,
    fold,
    happened,
    kind,
    opened,
)
from watership.releases.incidents.incident import critical as critical_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "incidents.md"

HERE: dict[str, Any] = {"incident": "INC-1", "at": at(5), "who": "ada"}
EVENTS: list[Event] = [
    Noted(**HERE, text="looking"),
    Measured(**HERE, text="p95 is 3 s"),
    Told(**HERE, seat="dba"),
    Graded(**HERE, severity=Severity.CRITICAL),
    Acknowledged(**HERE),
    Escalated(**HERE, level=2, seat="engineering_lead", because="time"),
    Triggered(**HERE, trigger="security"),
    Decided(**HERE, decision="roll back"),
    Restored(**HERE, text="errors are 0.02 %"),
    Reopened(**HERE, text="again"),
    Closed(**HERE),
    Dismissed(**HERE, text="a test"),
]
LEADS: dict[State, list[Event]] = {
    State.OPEN: [],
    State.ACKNOWLEDGED: [Acknowledged(**HERE)],
    State.RESTORED: [Restored(**HERE, text="well")],
    State.CLOSED: [Restored(**HERE, text="well"), Closed(**HERE)],
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, EVENTS)))
def test_an_event_leads_where_the_table_says_and_is_refused_elsewhere(state: State, event: Event) -> None:
    before = incident(*LEADS[state])
    assert before.state is state
    if kind(event) in MOVES[state]:
        assert happened(before, event).state is MOVES[state][kind(event)]
    else:
        with pytest.raises(Conflict, match=f"INC-1 is {state}"):
            happened(before, event)


def test_every_event_stands_in_the_table() -> None:
    assert {kind(event) for event in EVENTS} == set().union(*MOVES.values())


def test_the_documented_table_is_the_one_that_holds() -> None:
    told: dict[State, dict[str, State]] = {state: {} for state in State}
    section = DOCUMENT.read_text(encoding="utf-8").partition("## States")[2].partition("##")[0]
    for row in re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE):
        starts, happens, to = (each.strip() for each in row)
        for start in starts.split(", ") if starts not in {"From", "---"} else []:
            for name in happens.partition(":")[0].split(", "):
                told[State(start)][name] = State(start if to == "the same" else to)

    assert told == MOVES


def test_what_goes_on_cannot_be_closed_and_says_how_it_can() -> None:
    with pytest.raises(Conflict) as refused:
        happened(incident(), Closed(**HERE))

    assert "--restored" in refused.value.fix and "--false-alarm" in refused.value.fix


def test_a_level_that_is_told_must_acknowledge_anew() -> None:
    there = incident(
        Acknowledged(**HERE), Escalated(**HERE, level=2, seat="engineering_lead", because="time")
    )

    assert (there.state, there.level, there.acknowledged_by) == (State.OPEN, 2, "ada")


def test_a_rule_opens_one_incident_for_a_release_and_another_for_another() -> None:
    there = [incident()]

    assert opened(opening(at=at(1)), who="controller", at=at(1))(there) is None
    other = opened(opening(release="2.2.0-1"), who="controller", at=at(1))(there)
    assert isinstance(other, Opened) and other.incident == "INC-2"


def test_people_may_open_as_many_as_they_like() -> None:
    there = [incident(rule="")]

    assert isinstance(opened(opening(rule=""), who="ada", at=at(1))(there), Opened)


def test_what_comes_back_after_it_was_restored_is_opened_again_and_its_timer_begins_anew() -> None:
    restored = incident(
        Acknowledged(**HERE),
        Escalated(**HERE, level=2, seat="lead", because="time"),
        Restored(**HERE, text="well"),
    )
    event = opened(opening(at=at(9)), who="controller", at=at(9))([restored])
    assert isinstance(event, Reopened)

    again = happened(restored, event)

    assert (again.state, again.since, again.level, again.restored_at) == (State.OPEN, at(9), 0, None)


def test_what_was_noticed_before_it_was_over_opens_nothing() -> None:
    restored = incident(Restored(**HERE, text="well"))
    closed = happened(restored, Closed(**HERE))

    assert opened(opening(at=at(4)), who="controller", at=at(9))([restored]) is None
    assert opened(opening(at=at(4)), who="controller", at=at(9))([closed]) is None
    assert isinstance(opened(opening(at=at(6)), who="controller", at=at(9))([closed]), Opened)


def test_the_timer_runs_from_the_opening_until_the_service_is_restored() -> None:
    assert incident().lasted(at(3)) == at(3) - NOON
    assert incident(Restored(**HERE, text="well")).lasted(at(30)) == at(5) - NOON


def test_events_that_make_no_sense_are_no_incidents() -> None:
    opened_once = Opened(incident="INC-1", at=NOON, who="ada", opening=opening())

    with pytest.raises(NotFound):
        fold([Noted(**HERE, text="of what?")])
    with pytest.raises(Conflict, match="opened already"):
        fold([opened_once, opened_once])


def test_only_critical_ones_that_go_on_forbid_a_go() -> None:
    worst = incident(id="INC-7", severity=Severity.CRITICAL, title="Data are lost")

    def critical(there: list[Incident]) -> tuple[str, ...]:
        return critical_of(there, "2.1.0-1")

    assert critical([incident(), worst]) == ("INC-7 Data are lost",)
    assert critical_of([worst], "2.2.0-1") == ()
    everywhere = incident(severity=Severity.CRITICAL, release="")
    assert critical_of([everywhere], "2.2.0-1") == ("INC-1 Error rate",)
    over = happened(worst, Restored(**(HERE | {"incident": "INC-7"}), text="well"))
    assert critical([over]) == ()
    assert critical([incident(Graded(**HERE, severity=Severity.CRITICAL))]) == ("INC-1 Error rate",)


def test_the_only_one_that_is_open_need_not_be_named() -> None:
    first, second = incident(), incident(id="INC-2")

    assert chosen([first], None) is first
    assert chosen([first, second], "inc-2") is second
    with pytest.raises(BadInput, match="INC-1, INC-2"):
        chosen([first, second], None)
    with pytest.raises(NotFound, match="No incident is open"):
        chosen([], None)
    with pytest.raises(NotFound, match="INC-3"):
        chosen([first], "INC-3")
