"""PagerDuty: an alert that is sent becomes an incident, levels come in the plan's time, and nobody is missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.checklist.desk import planned
from tests.releases.checks.scenes import Looker
from watership.testing.receivers import PagerDutyReceiver
from watership.testing.receivers.pagerduty import KEY
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

DAY = 86400.0


def at(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


@pytest.fixture
def looker(looker: Looker) -> Looker:
    looker.plan = planned()
    looker.seconds = 0.6
    looker.named("nobody", f"http://127.0.0.1:{free_port()}", secret="file:key", policy="P1")
    looker.write("key", KEY)
    (looker.root / "key").chmod(0o600)
    return looker


@pytest.fixture
def api(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as server:
        looker.named("pagerduty", server.url, policy="P1")
        yield server


def test_an_alert_is_found_as_an_incident_and_resolved(looker: Looker, api: StandIn) -> None:
    with PagerDutyReceiver() as events:
        looker.named("events", events.base, secret="file:key")
        asked = {"events": "events", "api": "pagerduty"}

        def incidents(asked: Asked) -> Answer:
            return Answer({"incidents": [{"id": "Q", "incident_key": key} for key in events.incidents]})

        api.routes["GET /incidents"] = incidents
        looker.passes("pagerduty.delivers", **asked)
        assert list(events.incidents.values()) == ["resolved"]
        api.routes["GET /incidents"] = Answer({"incidents": [{"id": "Q", "incident_key": "another"}]})
        looker.fails("pagerduty.delivers", "is no incident", **asked)
        api.routes["GET /incidents"] = Answer({"error": "unauthorized"}, 401)
        looker.unsure("pagerduty.delivers", "401", **asked)
        assert set(events.incidents.values()) == {"resolved"}, "a test leaves nobody paged"
        looker.write("key", "another")
        looker.fails("pagerduty.delivers", "answered 400", **asked)
    looker.unsure("pagerduty.delivers", "no answer", events="nobody", api="pagerduty")


def policy(*rules: tuple[int, int]) -> Answer:
    """Rules with their delays in minutes, and how many they call."""
    written = [
        {"escalation_delay_in_minutes": delay, "targets": [{"id": "U", "type": "user_reference"}] * called}
        for delay, called in rules
    ]
    return Answer({"escalation_policy": {"name": "Production", "escalation_rules": written}})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (policy((15, 1), (15, 1)), "has 2 levels, the plan 3"),
        (policy((15, 1), (15, 0), (15, 1)), "level 2 calls nobody"),
        (policy((20, 1), (10, 1), (10, 1)), "level 2 is called after 20m, not after 15m"),
    ],
)
def test_a_policy_that_is_less_than_the_plan_fails(
    looker: Looker, api: StandIn, answer: Answer, words: str
) -> None:
    api.routes["GET /escalation_policies/P1"] = policy((10, 1), (15, 2), (30, 1), (30, 1))
    looker.passes("pagerduty.escalates", of="pagerduty")
    api.routes["GET /escalation_policies/P1"] = answer
    looker.fails("pagerduty.escalates", words, of="pagerduty")


def test_a_plan_without_an_escalation_has_nothing_to_compare_with(looker: Looker, api: StandIn) -> None:
    looker.plan = replace(looker.plan, escalation=None)
    for check in ("pagerduty.escalates", "pagerduty.attended"):
        more: dict[str, Any] = {} if check == "pagerduty.escalates" else {"until": DAY}
        looker.unsure(check, "no escalation", of="pagerduty", **more)


def shift(level: int, start: str | None = None, end: str | None = None) -> dict[str, Any]:
    return {"escalation_level": level, "user": {"summary": f"Person {level}"}, "start": start, "end": end}


@pytest.mark.parametrize(
    ("shifts", "words"),
    [
        ([shift(1), shift(2)], "nobody is on call at level 3"),
        ([shift(1, end=at(5)), shift(2), shift(3)], "nobody is on call at level 1"),
        ([shift(1, at(-1), at(5)), shift(1, at(6), at(60)), shift(2), shift(3)], "at level 1"),
        ([shift(1, at(2), None), shift(2), shift(3)], "at level 1"),
    ],
)
def test_a_gap_in_the_rota_is_found(
    looker: Looker, api: StandIn, shifts: list[dict[str, Any]], words: str
) -> None:
    whole = [shift(1, at(5), at(60)), shift(1, at(-9), at(5.5)), shift(2), shift(3)]
    api.routes["GET /oncalls"] = Answer({"oncalls": whole})
    assert "first Person 1" in looker.passes("pagerduty.attended", of="pagerduty", until=DAY)
    api.routes["GET /oncalls"] = Answer({"oncalls": shifts})
    looker.fails("pagerduty.attended", words, of="pagerduty", until=DAY)
    looker.unsure("pagerduty.attended", "no answer", of="nobody", until=DAY)
