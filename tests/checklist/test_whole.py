"""All sections at once: in one world that is well every point passes."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from tests.checklist.whole import POINTS, Whole, grown_whole
from tests.managed import Servers

SAID = ("approvals", "decision", "authority", "briefing", "on-call", "channels")
"""Items about what people said, and when they meet: a desk says it, by the machine's clock."""


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, stack: ExitStack, own_command: None, servers: Servers
) -> Whole:
    there = Whole(root=Path(tmp_path_factory.mktemp("whole")))
    grown_whole(there, stack, servers)
    return there


def test_in_a_world_that_is_well_every_point_of_every_section_passes(world: Whole) -> None:
    assert world.red(POINTS) == {}


def test_a_day_later_all_of_it_is_as_young_as_it_was(world: Whole, nightly: bool) -> None:
    if not nightly:
        pytest.skip("at night, beside the whole go-live")
    world.leap(timedelta(hours=25))
    assert world.red([pair for pair in POINTS if pair[0].partition("/")[0] not in SAID]) == {}
