"""Section D: in a world that is as it should be every point passes, and each fault turns its own point red."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from msgspec.structs import replace

from tests.checklist.section_d import POINTS, grown
from tests.checklist.section_suite import SectionSuite
from tests.checklist.world import World
from watership.releases.book.shelf import shipped
from watership.releases.book.system import System
from watership.releases.readiness.checklist import Point
from watership.releases.verdict import Verdict
from watership.testing.servers import PostgresServer, PrometheusServer
from watership.testing.servers.ports import LOOPBACK, free_port


@pytest.fixture(scope="module")
def world(
    bare: World, stack: ExitStack, postgres_server: PostgresServer, prometheus_server: PrometheusServer
) -> World:
    grown(bare, stack, postgres=postgres_server, prometheus=prometheus_server)
    return bare


class TestSectionD(SectionSuite):
    points = POINTS
    batch = 31


def test_what_cannot_be_reached_is_inconclusive_and_never_failed(world: World) -> None:
    """Whatever a point asks, an address where nobody answers tells nothing."""
    before = dict(world.systems)
    shut = free_port()
    world.systems |= {name: _moved(system, shut) for name, system in before.items()}
    world.systems["mail"] = replace(before["mail"], url=f"smtp://{LOOPBACK}:{shut}")
    try:
        measured = world.measure(POINTS)
    finally:
        world.systems |= before
    asked = [
        name for name, point in POINTS if _systems(point) & before.keys() or point.check == "live.healthy"
    ]
    assert {name: measured[name].verdict for name in asked} == dict.fromkeys(asked, Verdict.INCONCLUSIVE)
    for got in measured.values():
        assert "/services/" not in got.evidence, "the address of a webhook is a secret"


def _systems(point: Point) -> set[str]:
    """What a point's parameters name."""
    return {str(value) for value in point.parameters.values()}


def _moved(system: System, port: int) -> System:
    """The same, where nobody listens."""
    if system.url.startswith("file:"):
        return replace(system, url="file:evidence/nothing.json")

    def moved(text: str) -> str:
        return re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", text)

    facts = {name: moved(fact) if isinstance(fact, str) else fact for name, fact in system.facts.items()}
    return replace(system, url=moved(system.url), facts=facts)


def test_what_follows_from_the_decision_is_due_after_it() -> None:
    """A GO waits for everything that is due by T+0m: what needs the decision must not be among it."""
    due = {
        item.id: item.by
        for section in shipped("agent-orchestrator").runbook.checklist
        for item in section.items
    }
    needing = {
        name.partition("/")[0] for name, point in POINTS if (point.check or "").startswith("decision.")
    }
    assert needing == {"decision", "authority"}
    assert all(due[item] > 0 for item in needing)
