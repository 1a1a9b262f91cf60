"""Section C: where all is well every point passes, and each planted fault turns exactly its point red."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.checklist.section_c import grown
from tests.checklist.section_suite import SectionSuite
from tests.checklist.world import World, points
from watership.testing.servers import PostgresServer


@pytest.fixture(scope="module")
def world(bare: World, stack: ExitStack, postgres_server: PostgresServer) -> World:
    grown(bare, stack, postgres_server)
    return bare


class TestSectionC(SectionSuite):
    points = points("C")
    batch = 16
