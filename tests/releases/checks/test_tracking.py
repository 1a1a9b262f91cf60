"""Error tracking, by the protocol of Sentry."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from tests.releases.checks.scenes import Looker
from watership.releases.book.system import System
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

WISH = {"intake": "sentry", "api": "sentry-api"}
INTAKE = "POST /api/42/envelope/"


@pytest.fixture
def sentry(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as standin:
        auth = {"X-Sentry-Auth": "Sentry sentry_version=7, sentry_key={secret}"}
        looker.write("key", "public")
        (looker.root / "key").chmod(0o600)
        looker.systems["sentry"] = System(
            url=standin.url, headers=auth, secret="file:key", facts={"project": 42}
        )
        looker.systems["sentry-api"] = System(
            url=standin.url, facts={"organization": "acme", "project": "app"}
        )
        yield standin


def test_an_event_that_was_taken_has_to_be_found_again(looker: Looker, sentry: StandIn) -> None:
    def take(asked: Asked) -> Answer:
        assert asked.headers["content-type"] == "application/x-sentry-envelope"
        assert asked.headers["x-sentry-auth"].endswith("sentry_key=public")
        head, item, event = (msgspec.json.decode(each) for each in asked.body.splitlines())
        assert item == {"type": "event", "length": len(asked.body.splitlines()[2])}
        assert head["event_id"] == event["event_id"] and event["release"] == "2.1.0"
        sentry.routes[f"GET /api/0/projects/acme/app/events/{event['event_id']}/"] = Answer(
            {"eventID": event["event_id"]}
        )
        return Answer({"id": event["event_id"]})

    sentry.routes[INTAKE] = take
    assert "found again" in looker.passes("errors.tracked", **WISH)


def test_an_event_that_is_refused_or_not_shown_fails(looker: Looker, sentry: StandIn) -> None:
    sentry.routes[INTAKE] = Answer({"detail": "event submission rejected with_reason: ProjectId"}, status=403)
    looker.fails("errors.tracked", "answered 403 to a test event", **WISH)
    sentry.routes[INTAKE] = Answer({"id": "…"})
    looker.seconds = 0.6
    looker.fails("errors.tracked", "sentry-api answers 404", **WISH)


def test_a_tracker_that_does_not_answer_is_not_known(looker: Looker, sentry: StandIn) -> None:
    looker.systems["sentry"] = System(url=f"http://127.0.0.1:{free_port()}", facts={"project": 42})
    looker.unsure("errors.tracked", "Unavailable", **WISH)
