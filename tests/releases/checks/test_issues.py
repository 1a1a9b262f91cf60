"""Issues that nobody has taken up: alerts, errors and incidents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.checklist.world import World
from watership.releases.book.quantity import Given
from watership.releases.book.system import System
from watership.releases.readiness.checklist import Point
from watership.releases.readiness.rounds import measured
from watership.releases.verdict import Verdict
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

ALERTS = "GET /alerts/api/v2/alerts"
POINT = Point(
    id="it",
    text="it",
    check="issues.identified",
    parameters={"alerts": "alertmanager", "errors": "sentry", "within": 86400.0, "besides": "Watchdog"},
)


def found(world: World, incidents: Sequence[str] | None) -> tuple[Verdict, str]:
    async def critical(release: str) -> Sequence[str]:
        assert incidents is not None
        return incidents

    scene = replace(world.scene(), incidents=None if incidents is None else critical)
    got = asyncio.run(measured(scene, "it", POINT))
    return got.verdict, got.evidence


def test_an_issue_that_nobody_has_taken_up_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    firing: list[Any] = [{"labels": {"alertname": "Watchdog"}}]
    errors: list[Any] = []

    def new(asked: Asked) -> Answer:
        assert parse_qs(urlsplit(asked.path).query)["query"] == ["is:unresolved is:unassigned firstSeen:-24h"]
        return Answer(errors)

    def unsilenced(asked: Asked) -> Answer:
        wanted = {"active": ["true"], "silenced": ["false"], "inhibited": ["false"]}
        assert parse_qs(urlsplit(asked.path).query) == wanted
        return Answer(firing)

    issues = "GET /sentry/api/0/projects/acme/app/issues/"
    with StandIn({ALERTS: unsilenced, issues: new}) as server:
        world.systems["alertmanager"] = System(url=f"{server.url}/alerts")
        facts: dict[str, Given] = {"organization": "acme", "project": "app"}
        world.systems["sentry"] = System(url=f"{server.url}/sentry", facts=facts)
        assert found(world, [])[0] is Verdict.PASSED
        assert found(world, None) == (Verdict.INCONCLUSIVE, "The incidents could not be read here.")
        assert found(world, ["INC-1"]) == (Verdict.FAILED, "the incident INC-1 is open.")
        firing.append({"labels": {"alertname": "Disk"}})
        assert "Disk fires, and nobody has silenced it" in found(world, [])[1]
        firing.pop()
        errors.append({"id": "1", "shortId": "APP-7", "title": "KeyError"})
        assert found(world, None) == (Verdict.FAILED, "APP-7 is nobody's: KeyError.")
        with server.changed(ALERTS, Answer({"error": "shut"}, 503)):
            assert found(world, [])[0] is Verdict.INCONCLUSIVE
    world.systems["sentry"] = System(url=f"http://127.0.0.1:{free_port()}", facts=facts)
    assert found(world, [])[0] is Verdict.INCONCLUSIVE
