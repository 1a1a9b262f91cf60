"""Section D: in a world that is as it should be every point passes, and each fault turns its own point red."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import resources
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.checklist import section_d
from tests.checklist.section_d import POINTS
from tests.checklist.world import World, batches, planted
from watership.releases.book.shelf import shipped
from watership.releases.book.system import System, read
from watership.releases.judging.gate import Verdict
from watership.releases.readiness.checklist import Point
from watership.testing.servers import PostgresServer, PrometheusServer
from watership.testing.servers.ports import LOOPBACK, free_port

BATCH = 31


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    prometheus_server: PrometheusServer,
) -> Iterator[World]:
    with ExitStack() as stack:
        world = World(Path(tmp_path_factory.mktemp("project")))
        section_d.grown(world, stack, postgres=postgres_server, prometheus=prometheus_server)
        yield world


def test_every_point_that_is_measured_has_a_fault_and_no_fault_is_without_a_point(world: World) -> None:
    assert world.faults.keys() == {name for name, _ in POINTS}


def test_in_a_world_that_is_well_every_point_passes(world: World) -> None:
    assert world.red(POINTS) == {}


def test_faults_turn_exactly_their_points_red(world: World) -> None:
    for names in batches(world.faults, BATCH):
        with planted(world, names):
            red = world.red(POINTS)
        assert red.keys() == set(names), {name: red.get(name, "not red") for name in red.keys() ^ set(names)}
    assert world.red(POINTS) == {}


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


def test_every_system_that_is_looked_at_has_an_example(world: World) -> None:
    example = resources.files("watership") / "runbooks/agent-orchestrator/systems.example.yaml"
    with resources.as_file(example) as path:
        assert world.systems.keys() - read(path).keys() == set()


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


def test_each_single_fault_turns_exactly_its_point_red(world: World, nightly: bool) -> None:
    if not nightly:
        pytest.skip("one by one at night")
    for name, fault in world.faults.items():
        with fault():
            assert world.red(POINTS).keys() == {name}
