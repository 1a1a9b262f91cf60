"""Section C: where all is well every point passes, and each planted fault turns exactly its point red."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.checklist.section_c import grown
from tests.checklist.world import World, batches, planted, points
from watership.testing.servers import PostgresServer

POINTS = points("C")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[World]:
    there = World(root=Path(tmp_path_factory.mktemp("section_c")))
    with ExitStack() as stack:
        grown(there, stack, postgres_server)
        yield there


def test_every_point_passes_where_all_is_well(world: World) -> None:
    assert world.red(POINTS) == {}


def test_every_point_has_a_fault_and_every_fault_a_point(world: World) -> None:
    assert sorted(world.faults) == sorted(name for name, _ in POINTS)


def test_faults_turn_exactly_their_points_red(world: World, nightly: bool) -> None:
    for batch in batches(world.faults, size=1 if nightly else 16):
        with planted(world, batch):
            assert sorted(world.red(POINTS)) == sorted(batch)
