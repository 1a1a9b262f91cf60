"""Section A: where all is well every point passes, and each planted fault turns exactly its point red."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import resources
from pathlib import Path

import pytest

from tests.checklist.section_a import grown
from tests.checklist.world import World, batches, planted, points
from tests.releases.checks.scenes import Looker
from watership.releases.book.system import read
from watership.testing.servers import PostgresPair, PostgresServer, PrometheusServer
from watership.testing.servers.authority import Authority

POINTS = points("A")


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_pair: PostgresPair,
    postgres_server: PostgresServer,
    tls_authority: Authority,
) -> Iterator[World]:
    there = World(root=Path(tmp_path_factory.mktemp("section_a")))
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv(
            "PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )  # for our own command
        grown(there, stack, postgres_pair, postgres_server, tls_authority)
        yield there


def test_every_point_passes_where_all_is_well(world: World) -> None:
    assert world.red(POINTS) == {}


def test_every_point_has_a_fault_and_every_fault_a_point(world: World) -> None:
    assert sorted(world.faults) == sorted(name for name, _ in POINTS)


def test_faults_turn_exactly_their_points_red(world: World, nightly: bool) -> None:
    for batch in batches(world.faults, size=1 if nightly else 24):
        with planted(world, batch):
            red = world.red(POINTS)
            assert sorted(red) == sorted(batch), red
    assert world.red(POINTS) == {}


def test_every_system_that_is_looked_at_has_an_example(world: World) -> None:
    example = resources.files("watership") / "runbooks/agent-orchestrator/systems.example.yaml"
    with resources.as_file(example) as path:
        assert world.systems.keys() - read(path).keys() == set()


def test_a_real_prometheus_understands_each_query(
    prometheus_server: PrometheusServer, tmp_path: Path
) -> None:
    looker = Looker(tmp_path)
    looker.named("prometheus", prometheus_server.url)
    queries = [point.parameters for _, point in POINTS if point.check == "prometheus.figure"]
    assert len(queries) == 3
    for parameters in queries:
        looker.unsure("prometheus.figure", "has no value for", **parameters)
