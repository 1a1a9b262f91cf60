"""All sections at once: in one world that is well every point passes."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.checklist.whole import POINTS, Whole, grown_whole
from tests.checklist.world import RUNBOOK
from tests.managed import Servers
from watership.releases.book.shelf import shipped

SYSTEMS: Final = {"prometheus", "rabbitmq", "production-database", "grafana", "logs", "jira", "alertmanager"}

AFTER: Final = [
    (f"{validation.id}/{point.id}", point)
    for validation in shipped(RUNBOOK).runbook.validations
    for point in validation.points
    if set(map(str, point.parameters.values())) & SYSTEMS
]
"""What is looked at after the deployment that lies in other systems than the environment itself."""

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


def test_what_is_looked_at_after_the_deployment_passes_in_it_too(world: Whole, nightly: bool) -> None:
    if not nightly:
        pytest.skip("at night, beside the whole go-live")
    red = world.red(AFTER)
    # No incidents are kept here, so that nothing is known of them.
    assert red.keys() == {"extended/unidentified"}, red
    assert "incidents could not be read" in red["extended/unidentified"]


def test_a_day_later_all_of_it_is_as_young_as_it_was(world: Whole, nightly: bool) -> None:
    if not nightly:
        pytest.skip("at night, beside the whole go-live")
    world.leap(timedelta(hours=25))
    assert world.red([pair for pair in POINTS if pair[0].partition("/")[0] not in SAID]) == {}
