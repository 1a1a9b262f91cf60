"""Items 49, 50, 51 and 54: where all is well every point passes, and each fault turns exactly its point red."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.checklist.section_d_capacity import POINTS, grown
from tests.checklist.section_suite import SectionSuite
from tests.checklist.world import World
from watership.testing.servers import PostgresServer


@pytest.fixture(scope="module")
def world(bare: World, stack: ExitStack, postgres_server: PostgresServer) -> World:
    grown(bare, stack, postgres_server)
    return bare


class TestCapacity(SectionSuite):
    points = POINTS
    batch = 16
