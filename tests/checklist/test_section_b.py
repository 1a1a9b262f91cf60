"""Section B: in a world that is as it should be every point passes, and each fault turns its own point red."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.checklist import application_files
from tests.checklist.section_b import grown
from tests.checklist.section_suite import SectionSuite
from tests.checklist.world import World, points
from tests.managed import ManagedRabbit
from watership.testing.servers import PostgresServer


@pytest.fixture(scope="module")
def world(
    bare: World, stack: ExitStack, postgres_server: PostgresServer, rabbit_with_management: ManagedRabbit
) -> World:
    grown(bare, stack, postgres=postgres_server, rabbit=rabbit_with_management)
    return bare


class TestSectionB(SectionSuite):
    points = points("B")
    batch = 27

    def refresh(self, world: World) -> None:
        application_files.backups(world)
