"""Section B: in a world that is as it should be every point passes, and each fault turns its own point red."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.checklist import application_files, section_b
from tests.checklist.world import World, batches, planted, points
from tests.managed import ManagedRabbit
from watership.testing.servers import PostgresServer

BATCH = 27

POINTS = points("B")


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    rabbit_with_management: ManagedRabbit,
) -> Iterator[World]:
    with ExitStack() as stack:
        world = World(Path(tmp_path_factory.mktemp("project")))
        section_b.grown(world, stack, postgres=postgres_server, rabbit=rabbit_with_management)
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


def test_each_single_fault_turns_exactly_its_point_red(world: World, nightly: bool) -> None:
    if not nightly:
        pytest.skip("one by one at night")
    for name in list(world.faults):
        application_files.backups(world)  # they grow old while the others are tried
        with world.faults[name]():
            assert world.red(POINTS).keys() == {name}
