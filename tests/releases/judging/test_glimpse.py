"""A glimpse tells what instances say of what they depend on; silence is not known, and a fuse acts on what is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from tests.simulation.release_world import LIVE, NEXT, SHORT_SOURCE, ReleaseWorld
from watership.durable.ids import DeploymentId
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.book.shelf import Source, shipped
from watership.releases.judging.feed import Feed, Subject, Told
from watership.releases.judging.fuse import Lost, Reading
from watership.releases.judging.glimpse import Glimpse, look, over
from watership.releases.judging.nearby import Exposed, Soundness, hit_rate, read, starved
from watership.releases.judging.sources import blind
from watership.releases.ports import Instance, InstanceState, ProbeAnswer
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


def glimpse(at: float, **shown: Any) -> Glimpse:
    return Glimpse(at=datetime.fromtimestamp(at, UTC), slots={Slot.BLUE: Reading(**shown)})


def test_a_second_is_seen_as_it_was_at_the_nearest_look_and_not_at_all_beyond_five_seconds() -> None:
    looks = [glimpse(100, cpu=0.1), glimpse(105, cpu=0.9)]

    assert [over(looks, Slot.BLUE, at, at).cpu for at in (95, 102, 103, 110)] == [0.1, 0.1, 0.9, 0.9]
    assert over(looks, Slot.BLUE, 111, 111) == over([], Slot.BLUE, 1, 1) == Reading()


def test_of_the_looks_in_a_span_the_mildest_counts_and_an_event_counts_once() -> None:
    looks = [
        glimpse(100, cpu=0.96, cache_hit_rate=0.2, database=False, happened={"warning_alert": True}),
        glimpse(105, cpu=0.5, cache_hit_rate=0.9, database=True, happened={}),
        glimpse(
            110, cpu=0.99, cache_hit_rate=0.1, database=False, memory=0.9, happened={"out_of_memory": False}
        ),
    ]
    seen = over(looks, Slot.BLUE, 98, 112)

    assert (seen.cpu, seen.cache_hit_rate, seen.database, seen.memory) == (0.5, 0.9, True, None)
    assert seen.happened == {"warning_alert": True}, "of memory nobody looked throughout"
    assert over(looks[:1], Slot.BLUE, 98, 112) == Reading(), "the end of the span was not seen"
    assert over([looks[0], glimpse(112)], Slot.BLUE, 98, 112) == Reading(), "twelve seconds without a look"


def test_a_cache_is_judged_by_what_it_was_asked_meanwhile() -> None:
    before = Exposed(hits=100.0, reads=200.0)

    assert hit_rate(before, Exposed(hits=130.0, reads=240.0)) == 0.75
    assert hit_rate(before, Exposed(hits=101.0, reads=219.0)) is None, "19 reads say nothing"
    assert hit_rate(before, Exposed(hits=10.0, reads=20.0)) is None, "it began anew"
    assert hit_rate(before, Exposed()) is hit_rate(Exposed(), before) is None


def test_a_process_that_starved_is_known_and_one_whose_end_nobody_saw_is_not() -> None:
    def deployed(*kills: int | None) -> list[Instance]:
        return [
            Instance(
                name="i", deployment=NEXT.deployment, role="serve", state=InstanceState.READY, oom_kills=each
            )
            for each in kills
        ]

    assert [starved(deployed(*kills)) for kills in ((0, 0), (0, 1), (None, 1), (0, None), ())] == [
        *(False, True, True),
        *(None, None),
    ]


def test_what_was_wrong_with_the_database_before_anybody_looked_is_nobodys() -> None:
    def soundness(faults: tuple[str, ...] | None, before: tuple[str, ...] | None) -> bool | None:
        return Soundness(at=datetime.fromtimestamp(0, UTC), faults=faults, before=before).corrupted

    assert (soundness((), ()), soundness(("a",), ()), soundness(("a", "b"), ("a",))) == (False, True, True)
    assert soundness(("a",), ("a",)) is soundness(None, ()) is None


def test_what_a_feed_tells_of_next_is_taken_of_both_and_what_it_does_not_the_slots_show_themselves() -> None:
    class Kept:
        async def ask(self, feeds: Sequence[Feed], subject: Subject) -> Told:
            nxt = subject.slot is NEXT.slot
            return Told(
                reading=Reading(disk=0.95 if nxt else None, happened={"data_corruption": True} if nxt else {})
            )

    async def main() -> tuple[Reading, Reading, Reading]:
        world = ReleaseWorld(source=shipped("one-machine"))
        await world.begin()
        env = world.controller()._env
        told = await look(replace(env, kept=Kept()), world.plan)
        alone = await look(env, world.plan)
        return told.of(NEXT.slot), told.of(LIVE.slot), alone.of(NEXT.slot)

    nxt, live, alone = run_in_virtual_time(main, limit_seconds=LIMIT)

    assert (nxt.disk, live.disk, alone.disk) == (0.95, None, 0.5)
    assert nxt.happened["data_corruption"] is True and "data_corruption" not in live.happened
    assert alone.happened["data_corruption"] is False


def test_a_build_that_writes_nonsense_as_its_metrics_is_merely_not_known() -> None:
    assert read("<html>\nnot 1 metric x\n") == Exposed()
    assert (
        read("watership_store_query_seconds soon\n")
        == read("watership_store_query_seconds NaN\n")
        == Exposed()
    )
    odd = 'watership_unhandled_total{path="critical"} 1.0\nwatership_unhandled_total{path="critical",x="y"} many\n'
    assert read(odd) == Exposed(), "a part is not known, so neither is the sum"
    assert read('watership_unhandled_total{path="critical"} 1.0\n') == Exposed(critical=1.0)
