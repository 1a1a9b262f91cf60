"""Whoever is to be called has answered lately, as PagerDuty's own log says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.checklist.desk import LEAD, PEOPLE, Desk
from tests.checklist.world import World
from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

DAY = 86400.0
ASKED: dict[str, Given] = {"of": "pagerduty", "within": DAY, "seats": "deployment_lead"}


@pytest.fixture
def looker(looker: Looker) -> Looker:
    looker.plan = Desk(World(looker.root)).plan()
    looker.named("nobody", f"http://127.0.0.1:{free_port()}", deciders="PDECIDE")
    return looker


@pytest.fixture
def api(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as server:
        looker.named("pagerduty", server.url)
        yield server


def entry(person: str = LEAD, *, ago: float = 3600.0, **changes: Any) -> dict[str, Any]:
    """An acknowledgement, as GET /log_entries gives it."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return {
        "id": "R1",
        "type": "acknowledge_log_entry",
        "created_at": at.isoformat(timespec="seconds"),
        "agent": {"id": "P1", "type": "user_reference", "summary": person},
        "channel": {"type": "phone"},
        **changes,
    }


NONE: dict[str, dict[str, Any]] = {
    "of somebody else": entry("Mona Monitor"),
    "long ago": entry(ago=2 * DAY),
    "at a desk": entry(channel={"type": "website"}),
    "of a service": entry(agent={"type": "service_reference", "summary": LEAD}),
    "merely notified": entry(type="notify_log_entry"),
    "of nobody": entry(agent=None),
}


@pytest.mark.parametrize("why", NONE)
def test_an_acknowledgement_is_one_that_a_person_gives_by_telephone(
    looker: Looker, api: StandIn, why: str
) -> None:
    api.routes["GET /log_entries"] = Answer({"log_entries": [NONE[why], entry()], "more": False})
    assert LEAD in looker.passes("pagerduty.answered", **ASKED)
    api.routes["GET /log_entries"] = Answer({"log_entries": [NONE[why]], "more": False})
    looker.fails(
        "pagerduty.answered",
        f"deployment_lead: {LEAD} has acknowledged nothing by phone, sms within 1d",
        **ASKED,
    )


def test_everybody_who_is_called_in_need_is_looked_for(looker: Looker, api: StandIn) -> None:
    given: dict[str, Given] = {"of": "pagerduty", "within": DAY}
    everybody = [entry(person) for person in PEOPLE.values()]
    api.routes["GET /log_entries"] = Answer({"log_entries": everybody})
    looker.passes("pagerduty.answered", **given)
    api.routes["GET /log_entries"] = Answer({"log_entries": [e for e in everybody if "Vera" not in str(e)]})
    looker.fails("pagerduty.answered", "vp_engineering: Vera Vice has acknowledged nothing", **given)
    looker.fails("pagerduty.answered", "cto: nobody is named", **{**given, "seats": "cto"})
    nobody = tuple(replace(each, person="") for each in looker.plan.contacts)
    looker.plan = replace(looker.plan, contacts=nobody)
    looker.fails("pagerduty.answered", "names nobody to call", **given)
    looker.plan = replace(looker.plan, on_call=None, escalation=None)
    looker.fails("pagerduty.answered", "names nobody to call", **given)


def test_the_whole_log_is_read_or_nothing_is_known(looker: Looker, api: StandIn) -> None:
    def paged(asked: Asked) -> Answer:
        last = "offset=300" in asked.path
        return Answer({"log_entries": [entry() if last else entry("Another")], "more": not last})

    api.routes["GET /log_entries"] = paged
    looker.passes("pagerduty.answered", **ASKED)
    api.routes["GET /log_entries"] = Answer({"log_entries": [entry()], "more": True})
    looker.unsure("pagerduty.answered", "more than 2,000 entries", **ASKED)
    api.routes["GET /log_entries"] = Answer({"error": "unauthorized"}, 401)
    looker.unsure("pagerduty.answered", "401", **ASKED)
    looker.unsure("pagerduty.answered", "Unavailable", **{**ASKED, "of": "nobody"})


def test_who_decides_is_on_the_rota_and_answers(looker: Looker, api: StandIn) -> None:
    looker.named("pagerduty", api.url, deciders="PDECIDE")
    given: dict[str, Given] = {"of": "pagerduty", "until": 7200.0, "answered": 4 * 3600.0}
    shift: dict[str, Any] = {"escalation_level": 1, "user": {"summary": LEAD}, "start": None, "end": None}
    api.routes |= {
        "GET /oncalls": lambda _: Answer({"oncalls": [shift]}),
        "GET /log_entries": Answer({"log_entries": [entry()]}),
    }
    assert f"{LEAD} is on the rota" in looker.passes("decision.available", **given)
    assert any("ids%5B%5D=PDECIDE" in each.path for each in api.asked)
    silent = f"{LEAD} has acknowledged nothing by telephone within"
    with api.changed("GET /log_entries", Answer({"log_entries": [entry(channel={"type": "website"})]})):
        looker.fails("decision.available", silent, **given)
    looker.fails("decision.available", silent, **{**given, "answered": 600.0})
    shift["end"] = at(1)
    looker.fails("decision.available", "is not on the rota from", **given)
    shift |= {"end": None, "user": {"summary": "Somebody Else"}}
    looker.fails("decision.available", f"{LEAD} is not on the rota", **given)
    nobody = tuple(replace(each, person="") for each in looker.plan.contacts)
    looker.plan = replace(looker.plan, contacts=nobody)
    looker.unsure("decision.available", "Nobody is named as deployment_lead", **given)
    looker.unsure("decision.available", "Unavailable", **{**given, "of": "nobody"})
    looker.named("pagerduty", api.url)
    looker.unsure("decision.available", "it is not known: deciders", **given)


def at(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
