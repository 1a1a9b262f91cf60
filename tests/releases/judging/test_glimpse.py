"""A glimpse tells what instances say of what they depend on; silence is not known, and a fuse acts on what is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from tests.simulation.release_world import LIVE, NEXT, SHORT_SOURCE, ReleaseWorld
from watership.durable.ids import DeploymentId
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.book.shelf import Source, shipped
from watership.releases.judging.fuse import Lost, Reading
from watership.releases.judging.glimpse import look
from watership.releases.judging.sources import blind
from watership.releases.ports import ProbeAnswer
from watership.releases.program import Outcome
from watership.testing import run_in_virtual_time

LIMIT = 3600.0
LOST, FINE = {"database": "failed: OSError"}, {"database": "ok"}


class Answers:
    """Instances by their address, and what each says; None does not answer."""

    def __init__(self, said: Mapping[str, dict[str, str] | None]) -> None:
        self._said = said

    async def request(self, method: str, url: str, **rest: object) -> ProbeAnswer:
        body = self._said[url.removeprefix("http://").split("/")[0]]
        if body is None:
            raise Unavailable("No answer.")
        return ProbeAnswer(status=503, headers={}, body=msgspec.json.encode(body), seconds=0.01)


def seen(said: Mapping[str, dict[str, str] | None]) -> Reading:
    async def main() -> Reading:
        world = ReleaseWorld()
        await world.begin()
        world.router.targets[Slot.BLUE] = tuple(said)
        env = replace(world.controller()._env, probe=Answers({**said, "d-2.0.5-serve-0:80": None}))
        return (await look(env)).of(Slot.BLUE)

    return run_in_virtual_time(main, limit_seconds=LIMIT)


def test_one_instance_that_reaches_the_database_is_enough() -> None:
    assert seen({"a:1": LOST, "b:1": FINE}).database is True
    assert seen({"a:1": LOST, "b:1": LOST}).database is False


def test_silence_and_what_is_not_configured_are_not_known() -> None:
    for said in ({"a:1": None}, {"a:1": {"rabbitmq": "not configured"}}, {}):
        there = seen(said)
        assert (there.database, there.rabbitmq) == (None, None)


def test_the_fuses_that_nobody_feeds_are_told() -> None:
    fuses = shipped("one-machine").runbook.fuses
    assert blind(fuses) == (
        "cpu above 95 % for 5m",
        "out of memory",
        "security breach",
        "memory above 85 % for 5m",
    )


def released(*, said: Mapping[DeploymentId, dict[str, str]]) -> tuple[Outcome, ReleaseWorld]:
    """A release with a fuse for a lost database, where instances say what they say once the split stands."""
    book = msgspec.structs.replace(
        SHORT_SOURCE.runbook, fuses=(Lost(of="database", window=5.0, then="roll_back"),)
    )

    async def main() -> tuple[Outcome, ReleaseWorld]:
        world = ReleaseWorld(source=Source(runbook=book, sha256="0" * 64))
        await world.begin()
        starting = asyncio.create_task(world.controller().start(world.brief()))
        while world.router.weights[Slot.BLUE] == 0 and not starting.done():
            await world.clock.sleep(0.1)
        world.probe.components.update(said)
        return await starting, world

    return run_in_virtual_time(main, limit_seconds=LIMIT)


def test_a_database_lost_for_next_alone_takes_the_release_back() -> None:
    outcome, _ = released(said={NEXT.deployment: LOST, LIVE.deployment: FINE})

    assert outcome.outcome == "rolled_back"
    assert "database lost for 5s: next cannot reach it, live can" in outcome.reason


def test_a_database_lost_for_both_freezes_and_pages_and_promotes_nothing() -> None:
    outcome, world = released(said={NEXT.deployment: LOST, LIVE.deployment: LOST})

    assert outcome.outcome == "rolled_back" and "Frozen: database lost" in outcome.reason
    assert [entry.action for entry in world.audit.kept].count("release.freeze") >= 1


def test_a_database_that_both_reach_lets_a_release_through() -> None:
    assert released(said={NEXT.deployment: FINE, LIVE.deployment: FINE})[0].outcome == "promoted"
