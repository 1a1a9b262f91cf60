"""After a release all parties say the same; where one of them does not, it is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.simulation.release_world import LIVE, NEXT, ReleaseWorld
from watership.fleet.deployment import DeploymentState
from watership.releases.accord import discords
from watership.testing import run_in_virtual_time

SECONDS = 3600.0


def found(bad: float, spoil: Callable[[ReleaseWorld], Any] | None = None) -> list[str]:
    """What is out of accord after a release, once something was spoiled."""

    async def main() -> list[str]:
        world = ReleaseWorld(bad=bad)
        outcome = await world.release()
        if spoil is not None:
            spoil(world)
        return await discords(world.controller()._env, world.plan, outcome)

    return run_in_virtual_time(main, limit_seconds=SECONDS)


@pytest.mark.parametrize("bad", [0.0, 0.15])
def test_after_a_release_nothing_is_out_of_accord(bad: float) -> None:
    assert found(bad) == []


def unregister(world: ReleaseWorld) -> None:
    known = world.work._deployments[LIVE.deployment]
    world.work._deployments[LIVE.deployment] = msgspec.structs.replace(known, state=DeploymentState.RETIRED)


def forge(world: ReleaseWorld) -> None:
    world.audit.kept[3] = msgspec.structs.replace(world.audit.kept[3], actor="nobody")


@pytest.mark.parametrize(
    ("bad", "spoil", "words"),
    [
        (
            0.0,
            lambda world: world.router.weights.update({LIVE.slot: 50, NEXT.slot: 50}),
            "router gives next 50 %",
        ),
        (0.0, lambda world: setattr(world.migrator, "at", 5), "reports schema 5, not 6"),
        (0.15, lambda world: setattr(world.migrator, "at", 9), "with which live cannot live"),
        (0.15, unregister, "the register does not have it there"),
        (0.0, lambda world: world.router.targets.update({NEXT.slot: ()}), "the router sends to no process"),
        (0.0, forge, "the audit is broken"),
    ],
    ids=["weights", "schema", "unreadable", "register", "targets", "audit"],
)
def test_who_does_not_agree_is_named(bad: float, spoil: Callable[[ReleaseWorld], Any], words: str) -> None:
    (told,) = found(bad, spoil)
    assert words in told
