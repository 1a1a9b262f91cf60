"""Calendars as others write them: folded lines, zones, durations, alarms, and what was cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.releases.checks.scenes import Looker, now
from watership.errors import BadInput
from watership.releases.checks.calendar import events
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn


def calendar(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", ""])


def test_an_event_is_read_with_its_zone_and_without_its_alarm() -> None:
    (event,) = events(
        calendar(
            "SUMMARY:Deployment\\, the second",
            "DTSTART;TZID=Europe/Berlin:20261201T100000",
            "DURATION:PT1H30M",
            "LOCATION:Room 1",
            "DESCRIPTION:Join: https://meet.exam",
            " ple.com/abc",
            "BEGIN:VALARM",
            "DESCRIPTION:https://elsewhere.example.com",
            "DTSTART:19700101T000000Z",
            "END:VALARM",
        )
    )
    assert event.summary == "Deployment, the second"
    assert event.begins == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert event.ends - event.begins == timedelta(hours=1, minutes=30)
    assert event.join == "https://meet.example.com/abc"


@pytest.mark.parametrize(
    ("lines", "begins"),
    [
        (("DTSTART:20261201T100000Z",), datetime(2026, 12, 1, 10, tzinfo=UTC)),
        (("DTSTART:20261201T100000",), datetime(2026, 12, 1, 10, tzinfo=UTC)),
        (("DTSTART;VALUE=DATE:20261201",), datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_they_may_be_written(lines: tuple[str, ...], begins: datetime) -> None:
    (event,) = events(calendar(*lines))
    assert event.begins == event.ends == begins


def test_what_is_cancelled_or_has_no_time_is_no_event() -> None:
    assert events(calendar("DTSTART:20261201T100000Z", "STATUS:CANCELLED")) == []
    assert events(calendar("SUMMARY:Some day")) == []


@pytest.mark.parametrize("time", ["DTSTART:tomorrow", "DTSTART;TZID=Nowhere/Land:20261201T100000"])
def test_a_time_that_cannot_be_read_is_not_guessed(time: str) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        events(calendar(time))


def meeting(begins: float, ends: float, *more: str) -> str:
    """An event so many hours from T+0."""
    times = [f"{now() + timedelta(hours=hours):%Y%m%dT%H%M%SZ}" for hours in (begins, ends)]
    return calendar("SUMMARY:Go/no-go for 2.1.0", f"DTSTART:{times[0]}", f"DTEND:{times[1]}", *more)


@pytest.fixture
def office(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as server:
        looker.named("calendar", f"{server.url}/secret.ics")
        looker.named("nobody", f"http://127.0.0.1:{free_port()}/secret.ics")
        yield server


def test_a_meeting_lies_within_its_time(looker: Looker, office: StandIn) -> None:
    asked = {"of": "calendar", "summary": "go/no-go", "after": "T-24h", "before": "T+0m"}
    office.routes["GET /secret.ics"] = Answer(meeting(-3, -2))
    looker.passes("calendar.planned", **asked)
    for begins, ends in ((-30, -29), (-1, 1), (2, 3)):
        office.routes["GET /secret.ics"] = Answer(meeting(begins, ends))
        looker.fails("calendar.planned", "is wanted", **asked)
    looker.fails("calendar.planned", "No event of the calendar is called", **{**asked, "summary": "Lunch"})


def test_a_bridge_lasts_and_can_be_joined(looker: Looker, office: StandIn) -> None:
    asked = {"of": "calendar", "summary": "Go/no-go", "begins": "T+0m", "ends": "T+90m"}
    for join in ("LOCATION:https://meet.example.com/1", "LOCATION:+1 555 123 4567"):
        office.routes["GET /secret.ics"] = Answer(meeting(-1, 2, join))
        looker.passes("calendar.bridge", **asked)
    for text in (
        meeting(-1, 2),
        meeting(-1, 2, "LOCATION:Room 1"),
        meeting(0.5, 2, join),
        meeting(-1, 1, join),
    ):
        office.routes["GET /secret.ics"] = Answer(text)
        looker.fails("calendar.bridge", "is wanted", **asked)


def test_what_is_no_calendar_is_not_known_and_its_address_is_not_told(
    looker: Looker, office: StandIn
) -> None:
    for of, answer in (
        ("calendar", Answer("<html>sign in</html>")),
        ("calendar", Answer(status=404)),
        ("nobody", None),
    ):
        office.routes["GET /secret.ics"] = answer or Answer()
        got = looker.look("calendar.planned", of=of, summary="it", after="T-24h", before="T+0m")
        assert got.verdict.value == "inconclusive" and "secret" not in got.evidence
