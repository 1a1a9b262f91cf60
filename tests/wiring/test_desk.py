"""The desk at which releases are drawn."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulation.release_world import LIVE, NEXT, ReleaseWorld
from watership.errors import Conflict
from watership.releases.snapshots import quarantine
from watership.testing import run_in_virtual_time
from watership.wiring.desk import require_other, require_unquarantined, require_unstarted


def test_a_plan_is_not_drawn_anew_once_its_release_was_started() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        await require_unstarted(world.own, "2.1.0-1")
        starting = asyncio.create_task(world.controller().start(world.brief()))
        await world.clock.sleep(1.0)

        with pytest.raises(Conflict, match="was started already"):
            await require_unstarted(world.own, "2.1.0-1")
        await require_unstarted(world.own, "2.1.0-2")
        await starting

    run_in_virtual_time(main, limit_seconds=3600.0)


def test_no_plan_is_drawn_for_a_quarantined_build_and_the_flag_that_waives_it_is_named() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await require_unquarantined(world.snapshots, "2.2.0", "sha256:bad")
        await quarantine(world.snapshots, "sha256:bad")

        with pytest.raises(Conflict, match="--waive-quarantine"):
            await require_unquarantined(world.snapshots, "2.2.0", "sha256:bad")
        await require_unquarantined(world.snapshots, "2.2.1", "sha256:good")

    run_in_virtual_time(main, limit_seconds=60.0)


def test_no_plan_is_drawn_for_the_very_bytes_that_are_live() -> None:
    with pytest.raises(Conflict, match="is live already, byte for byte"):
        require_other(LIVE.build, LIVE.build)
    require_other(LIVE.build, NEXT.build)
