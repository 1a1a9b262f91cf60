"""Flags, as our own service tells them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.api.world import world
from tests.releases.checks.scenes import Looker, now
from watership.fleet.flags import Flag
from watership.releases.book.quantity import Given
from watership.releases.checks.flags import state
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn

NAMES: dict[str, Given] = {"of": "flags", "names": "topics"}
MONTH = 30 * 86400.0


def flag(**more: object) -> dict[str, Any]:
    return {"name": "topics", "on": True, "percent": 5.0, "reason": "The first.", "by": "ada", **more}


@pytest.fixture
def service(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as standin:
        looker.named("flags", standin.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield standin


def there(service: StandIn, *flags: dict[str, Any]) -> None:
    service.routes["GET /api/v1/flags"] = Answer({"data": flags, "next": None, "total_count": len(flags)})


def changed(service: StandIn, *states: dict[str, Any], days: float = 1.0) -> None:
    """The flag went through these states, the last one first in the answer."""
    at = (now() - timedelta(days=days)).isoformat()
    flags = [flag(**state) for state in states]
    rows = [
        {
            "number": number,
            "name": "topics",
            "at": at,
            "by": "ada",
            "reason": "",
            "before": before,
            "after": after,
        }
        for number, (before, after) in enumerate(zip((None, *flags), flags, strict=False))
    ]
    service.routes["GET /api/v1/flags/topics/changes"] = Answer({"data": rows[::-1]})


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"on": True}, "on"),
        ({"on": False}, "off"),
        ({"on": True, "percent": 0.0}, "off"),
        ({"on": True, "percent": 12.5}, "12.5%"),
        ({"on": True, "disabled": True}, "disabled"),
    ],
)
def test_a_flag_stands_in_a_word(given: dict[str, Any], word: str) -> None:
    assert state(Flag(name="topics", **given)) == word


def test_flags_stand_as_they_are_staged_and_no_others_do(looker: Looker, service: StandIn) -> None:
    asked: dict[str, Given] = {"of": "flags", "path": "flags.json"}
    looker.write("flags.json", '{"topics": "5%", "cut": "disabled"}')
    cut = flag(name="cut", disabled=True)
    there(service, flag(), cut)
    assert "topics is 5%, cut is disabled" in looker.passes("flags.staged", **asked)
    there(service, flag(percent=50.0), cut)
    looker.fails("flags.staged", "has topics: 50%, not 5%", **asked)
    there(service, flag())
    looker.fails("flags.staged", "has cut: not there, not disabled", **asked)
    there(service, flag(), cut, flag(name="stray"))
    looker.fails("flags.staged", "has stray, which flags.json does not name", **asked)
    looker.write("flags.json", "{}")
    looker.fails("flags.staged", "names no flag", **asked)
    looker.unsure("flags.staged", "There is no report other.json", **(asked | {"path": "other.json"}))
    looker.write("flags.json", '{"topics": "5%"}')
    looker.unsure("flags.staged", "no answer", **(asked | {"of": "nobody"}))


def test_flags_are_there_for_a_reason(looker: Looker, service: StandIn) -> None:
    there(service, flag())
    looker.passes("flags.configured", **NAMES)
    there(service, flag(reason=""))
    looker.fails("flags.configured", "nobody said why topics is set", **NAMES)
    there(service)
    looker.fails("flags.configured", "there is no flag topics", **NAMES)


def test_a_rollout_begins_small(looker: Looker, service: StandIn) -> None:
    there(service, flag())
    looker.passes("flags.gradual", **NAMES, at_most=10)
    for more in ({"percent": 50.0}, {"on": False}, {"percent": 0.0}):
        there(service, flag(**more))
        looker.fails("flags.gradual", "at most 10 %", **NAMES, at_most=10)


def test_the_state_on_next_is_the_expected_one(looker: Looker, service: StandIn) -> None:
    there(service, flag())
    looker.passes("flags.state", of="flags", expected="topics=5%")
    looker.fails("flags.state", "sees topics: 5%, not on", of="flags", expected="topics=on")
    looker.fails("flags.state", "sees other: not there, not off", of="flags", expected="other=off")
    looker.unsure("flags.state", "'topics' is no state", of="flags", expected="topics")


def test_the_emergency_switch_was_tried_and_taken_back(looker: Looker, service: StandIn) -> None:
    wish: dict[str, Given] = NAMES | {"within": MONTH}
    off, on = {"disabled": True}, {"disabled": False}
    changed(service, on, off, on)
    looker.passes("flags.disabled_once", **wish)
    changed(service, on, off)
    looker.fails("flags.disabled_once", "disabled and not enabled again", **wish)
    changed(service, on, off, on, off)
    looker.fails("flags.disabled_once", "disabled and not enabled again", **wish)
    changed(service, on, on)
    looker.fails("flags.disabled_once", "topics was not disabled within 30d", **wish)
    changed(service, on, off, on, days=40)
    looker.fails("flags.disabled_once", "topics was not disabled within 30d", **wish)


def test_a_toggle_was_turned_both_ways(looker: Looker, service: StandIn) -> None:
    wish: dict[str, Given] = NAMES | {"within": MONTH}
    on, off = {"on": True}, {"on": False}
    changed(service, off, on, off)
    looker.passes("flags.toggled", **wish)
    changed(service, off, on)
    looker.fails("flags.toggled", "topics was not turned off", **wish)
    changed(service, on, on)
    looker.fails("flags.toggled", "topics was not turned on", **wish)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("configured", {"names": "topics"}),
        ("gradual", {"names": "topics", "at_most": 10}),
        ("state", {"expected": "topics=on"}),
        ("disabled_once", {"names": "topics", "within": 1.0}),
        ("toggled", {"names": "topics", "within": 1.0}),
    ],
)
def test_who_does_not_answer_is_not_known(
    looker: Looker, service: StandIn, kind: str, more: dict[str, str | float]
) -> None:
    looker.unsure(f"flags.{kind}", "Unavailable", of="nobody", **more)
    looker.unsure(f"flags.{kind}", "404", of="flags", **more)


async def test_our_own_service_tells_flags_in_that_shape() -> None:
    async with world(open=True) as w:
        body = {"on": True, "percent": 5.0, "reason": "The first."}
        assert (await w.http.put("/api/v1/flags/topics", json=body)).status_code == 201
        rows = (await w.http.get("/api/v1/flags")).json()["data"]
        (change,) = (await w.http.get("/api/v1/flags/topics/changes")).json()["data"]
    assert {"name", "on", "percent", "disabled", "reason"} <= rows[-1].keys()
    assert change["before"] is None and change["after"]["percent"] == 5.0 and change["at"]
