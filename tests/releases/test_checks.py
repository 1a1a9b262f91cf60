"""Checks, each with what it passes, what it fails, and what it cannot know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace as replaced

from tests.simulation.release_world import LIVE, NEXT, SMOKE, ReleaseWorld
from watership.durable.ids import RunId
from watership.durable.writes import Submit
from watership.errors import BadInput
from watership.releases.book.runbook import Item, Shift, Soak
from watership.releases.book.shelf import Source, shipped
from watership.releases.book.system import System
from watership.releases.checks import CHECKS, Scene, require_known
from watership.releases.checks.database import scripts
from watership.releases.checks.smoke import lacking
from watership.releases.facts import Position
from watership.releases.measurement import Finding
from watership.releases.order import Release
from watership.releases.plan import check_kinds
from watership.releases.ports import HostSpec, Linted, Migration, Rehearsed, Remark
from watership.releases.readiness.rehearsal import Held
from watership.releases.smoke import Message, Request, Smoke
from watership.releases.verdict import Verdict
from watership.testing import run_in_virtual_time
from watership.wiring.instruments import ProjectInstruments

Prepare = Callable[[ReleaseWorld], Awaitable[None]]


async def as_it_is(world: ReleaseWorld) -> None:
    pass


def checked(
    kind: str,
    *,
    prepare: Prepare = as_it_is,
    smoke: Smoke = SMOKE,
    position: Position = Position(),  # noqa: B008 - it is frozen
    source: Source | None = None,
    recording: bool = False,
    pausing: bool = False,
    **parameters: Any,
) -> Finding:
    """What a check finds in a world that `prepare` has changed, after next was deployed."""

    async def main() -> Finding:
        world = ReleaseWorld(source=source or shipped("one-machine"), pausing=pausing)
        await world.begin()
        spec = HostSpec(deployment=NEXT.deployment, build=NEXT.build, slot=NEXT.slot, serve=2, workers=1)
        await world.hosts.ensure(spec, epoch=1)
        await world.clock.sleep(5.0)
        await prepare(world)
        release = Release(
            plan=world.plan,
            signoffs=world.brief().signoffs,
            scripts=world.brief().scripts,
            smoke=smoke,
            zero=world.clock.now(),
        )
        scene = Scene(
            key="phase/it",
            clock=world.clock,
            environment=world.controller()._env,
            started=release,
            position=position,
            records=world.records,
            recording=recording,
        )
        return await CHECKS[kind].measure(scene, parameters)

    return run_in_virtual_time(main, limit_seconds=3600.0)


def test_every_check_of_the_shipped_runbook_is_known() -> None:
    async def main() -> None:
        plan = ReleaseWorld(source=shipped("one-machine")).plan
        require_known(plan)
        assert check_kinds(plan) <= CHECKS.keys()

    run_in_virtual_time(main)


def test_a_system_that_is_named_next_is_asked_in_place_of_its_processes() -> None:
    async def main() -> None:
        world = ReleaseWorld(source=shipped("one-machine"))
        await world.begin()
        spec = HostSpec(deployment=NEXT.deployment, build=NEXT.build, slot=NEXT.slot, serve=2, workers=1)
        await world.hosts.ensure(spec, epoch=1)
        await world.clock.sleep(5.0)
        started = Release(plan=world.plan, signoffs=(), scripts=(), smoke=SMOKE, zero=world.clock.now())
        scene = Scene(
            key="phase/it",
            clock=world.clock,
            environment=world.controller()._env,
            instruments=ProjectInstruments(Path()),
            started=started,
        )
        assert len(await scene.urls("next")) == 2
        named = replace(scene, systems={"next": System(url="https://next.example.com/")})
        assert await named.urls("next") == ["https://next.example.com"]

    run_in_virtual_time(main, limit_seconds=3600.0)


def test_each_process_must_report_the_planned_digest() -> None:
    async def impostor(world: ReleaseWorld) -> None:
        world.hosts.impostor = "d-2.1.0-worker-0"

    assert checked("build.running", of="next").verdict is Verdict.PASSED
    found = checked("build.running", prepare=impostor, of="next")
    assert found.verdict is Verdict.FAILED and "d-2.1.0-worker-0" in found.evidence


@pytest.mark.parametrize("status", [302, 404, 429, 500])
def test_a_quick_refusal_is_not_a_quick_answer(status: int) -> None:
    async def refusing(world: ReleaseWorld) -> None:
        world.hosts.status = status

    assert checked("http.latency", of="next", samples=20, p95_below=0.5).verdict is Verdict.PASSED
    found = checked("http.latency", prepare=refusing, of="next", samples=20, p95_below=0.5)
    assert found.verdict is Verdict.FAILED and f"answered {status}" in found.evidence


def test_a_missing_process_is_not_passed_over() -> None:
    async def one(world: ReleaseWorld) -> None:
        spec = HostSpec(deployment=NEXT.deployment, build=NEXT.build, slot=NEXT.slot, serve=1, workers=1)
        await world.hosts.ensure(spec, epoch=1)

    found = checked("build.running", prepare=one, of="next")

    assert (found.verdict, found.evidence) == (Verdict.FAILED, "1 of 2 serve processes are there")


def test_a_baseline_needs_requests() -> None:
    async def silent(world: ReleaseWorld) -> None:
        world.traffic.cancel()
        for served in world.router.served.values():
            served.clear()

    assert checked("baseline.captured").verdict is Verdict.PASSED
    assert checked("baseline.captured", prepare=silent).verdict is Verdict.INCONCLUSIVE


def test_figures_of_traffic_are_the_routers_own_counts() -> None:
    async def silent(world: ReleaseWorld) -> None:
        world.traffic.cancel()
        for served in world.router.served.values():
            served.clear()

    async def endless(world: ReleaseWorld) -> None:
        for served in world.router.served.values():
            for second, tick in served.items():
                served[second] = replaced(tick, latencies={"+Inf": tick.requests})

    for figure in ("requests_per_second", "error_rate", "p50", "p95"):
        found = checked("traffic.figure", recording=True, figure=figure)
        assert found.verdict is Verdict.PASSED and isinstance(found.facts["value"], float)
    assert (
        checked("traffic.figure", recording=True, prepare=silent, figure="p95").verdict
        is Verdict.INCONCLUSIVE
    )
    above = checked("traffic.figure", recording=True, prepare=endless, figure="p95")
    assert above.verdict is Verdict.INCONCLUSIVE and "above every bound" in above.evidence
    with pytest.raises(BadInput, match="no figure 'luck'"):
        checked("traffic.figure", recording=True, figure="luck")
    with pytest.raises(BadInput, match="it is for baselines, and judges nothing"):
        checked("traffic.figure", figure="p95")


def test_a_flow_is_pinned_to_next_where_an_environment_is_open() -> None:
    asks = Smoke(messages=(Message(name="a burrow", program="digger", seconds=2.0),))

    found = checked("trial.flows", smoke=asks, of="next")

    # Nobody works in this world: what is told is that the run has not ended, and not that it was given to live.
    assert found.verdict is Verdict.FAILED and "has not ended within 2 s" in found.evidence
    assert checked("trial.flows", smoke=Smoke(), of="next").verdict is Verdict.INCONCLUSIVE


def test_a_smoke_test_that_asks_nothing_is_inconclusive() -> None:
    assert checked("smoke", smoke=Smoke(), of="next").verdict is Verdict.INCONCLUSIVE


def test_an_answer_other_than_expected_fails_the_smoke_test_and_is_shown() -> None:
    wrong = Smoke(requests=(Request(name="version", path="/", includes={"version": "9"}),))

    found = checked("smoke", smoke=wrong, of="next")

    assert found.verdict is Verdict.FAILED and "$.version is '2.1.0', not '9'" in found.evidence


def test_runs_without_a_worker_are_told() -> None:
    async def strand(world: ReleaseWorld) -> None:
        submit = Submit(
            run_id=RunId("r"), program="agent", input=msgspec.Raw(b"1"), deployment=LIVE.deployment
        )
        await world.work.write([submit])

    assert checked("runs.accounted").verdict is Verdict.PASSED
    found = checked("runs.accounted", prepare=strand)
    assert (found.verdict, found.evidence) == (Verdict.FAILED, "1 runs of d-2.0.5 have no worker")


def test_weights_are_those_of_both_planes() -> None:
    async def pins(world: ReleaseWorld) -> None:
        await world.work.set_weights({LIVE.deployment: 90, NEXT.deployment: 10}, epoch=1)

    assert checked("router.weights", next=0.0).verdict is Verdict.PASSED
    found = checked("router.weights", prepare=pins, next=0.0)
    assert (found.verdict, found.evidence) == (Verdict.FAILED, "the intake gives next 10 %, not 0 %")


def test_a_soak_that_could_not_see_the_regression_is_refused() -> None:
    async def trickle(world: ReleaseWorld) -> None:
        for served in world.router.served.values():
            for second, tick in served.items():
                served[second] = msgspec.structs.replace(tick, requests=min(tick.requests, 1))

    assert checked("gate.power").verdict is Verdict.PASSED
    assert checked("gate.power", prepare=trickle).verdict is Verdict.FAILED


def staged(*stages: tuple[float | None, float]) -> Source:
    """The runbook of one machine with other stages: weights (None: no shift), and when each soak gives up."""
    source = shipped("one-machine")
    items: list[Item] = []
    for number, (weight, give_up) in enumerate(stages, start=1):
        if weight is not None:
            items.append(Shift(id=f"shift-{number}", title="A share", weight=weight))
        items.append(Soak(id=f"soak-{number}", title="The gate looks", length=10.0, give_up=give_up))
    phases = tuple(
        replaced(phase, items=tuple(items)) if phase.id == "cutover" else phase
        for phase in source.runbook.phases
    )
    return replaced(source, runbook=replaced(source.runbook, phases=phases))


def test_a_soak_is_judged_by_the_share_that_next_has_by_then() -> None:
    assert checked("gate.power", source=staged((0.5, 600.0))).verdict is Verdict.PASSED
    canary = checked("gate.power", source=staged((0.01, 600.0)))
    assert canary.verdict is Verdict.FAILED
    assert "'soak-1': A soak of 10m" in canary.evidence and "1 % of them on next" in canary.evidence


def test_of_several_soaks_each_has_to_see() -> None:
    both = checked("gate.power", source=staged((0.5, 600.0), (0.8, 600.0)))
    assert both.verdict is Verdict.PASSED
    assert "in 'soak-1', with 50 % on next" in both.evidence and "in 'soak-2', with 80 %" in both.evidence
    second = checked("gate.power", source=staged((0.5, 600.0), (0.5, 10.0)))
    assert second.verdict is Verdict.FAILED
    assert "'soak-2': A soak of 10s" in second.evidence and "soak-1" not in second.evidence


def test_a_soak_without_a_next_or_without_a_live_sees_nothing() -> None:
    nothing = checked("gate.power", source=staged((None, 600.0)))
    assert (nothing.verdict, "judges nothing" in nothing.evidence) == (Verdict.FAILED, True)
    everything = checked("gate.power", source=staged((1.0, 600.0)))
    assert (everything.verdict, "no live to compare with" in everything.evidence) == (Verdict.FAILED, True)


def test_a_check_without_its_parameter_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="below"):
        checked("queues.depth")


def test_scripts_that_are_not_the_planned_ones_are_refused() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        other = Migration(start=5, end=6, forward="DROP …", backward="ALTER … DROP", name="add_topic")
        with pytest.raises(BadInput, match="not the one that was planned"):
            await world.controller().start(world.brief(scripts=(other,)))
        with pytest.raises(BadInput, match="not handed over"):
            scripts(Release(plan=world.plan, signoffs=(), scripts=(), smoke=SMOKE, zero=world.clock.now()))

    run_in_virtual_time(main)


@pytest.mark.parametrize(
    ("told", "wanted", "words"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["$.a.b is '1', not '2'"]),
        ({"a": 1}, {"b": 1}, ["$.b is missing"]),
        ([1, 2], [1], ["$ is '[1, 2]', not '[1]'"]),
        (None, {"a": 1}, ["$ is 'None', not \"{'a': 1}\""]),
    ],
)
def test_an_answer_contains_what_is_wanted_or_it_is_said_where_not(
    told: object, wanted: object, words: list[str]
) -> None:
    assert list(lacking(told, wanted)) == words


async def cut_over(world: ReleaseWorld) -> None:
    """Both planes go to next."""
    world.router.weights = {LIVE.slot: 0, NEXT.slot: 100}
    world.router.targets[NEXT.slot] = (f"{NEXT.deployment}-serve-0:80",)
    await world.work.set_weights({LIVE.deployment: 0, NEXT.deployment: 100}, epoch=1)
    await world.clock.sleep(60.0)


def test_the_old_deployment_stands_by_without_traffic_and_well() -> None:
    found = checked("standby.ready", prepare=cut_over)
    assert found.verdict is Verdict.PASSED and "of 2.0.5 stand by" in found.evidence, found

    async def gone(world: ReleaseWorld) -> None:
        await cut_over(world)
        await world.hosts.stop(LIVE.deployment, grace_seconds=0.0, epoch=1)

    async def unwell(world: ReleaseWorld) -> None:
        await cut_over(world)
        world.hosts.status = 503

    for prepare, words in (
        (as_it_is, "the router still gives it 100 %"),
        (gone, f"no process of {LIVE.deployment} runs"),
        (unwell, "answers 503"),
    ):
        found = checked("standby.ready", prepare=prepare)
        assert found.verdict is Verdict.FAILED and words in found.evidence, found


def test_a_process_that_is_gone_meanwhile_is_not_steady() -> None:
    deaths: list[asyncio.Task[None]] = []

    async def dying(world: ReleaseWorld) -> None:
        async def later() -> None:
            await world.clock.sleep(5.0)
            await world.hosts.stop(NEXT.deployment, grace_seconds=0.0, epoch=1)

        deaths.append(asyncio.create_task(later()))

    assert checked("build.steady", of="next", during=10.0).verdict is Verdict.PASSED
    found = checked("build.steady", prepare=dying, of="next", during=10.0)
    assert found.verdict is Verdict.FAILED and "was started again, or is gone" in found.evidence, found


def test_clients_latency_is_the_routers_count_since_the_cutover() -> None:
    since = Position(cutover_began=datetime.fromtimestamp(0, UTC))

    async def slow(world: ReleaseWorld) -> None:
        await cut_over(world)
        for second, tick in world.router.served[NEXT.slot].items():
            late = {"0.005": 0, "5": tick.requests}
            world.router.served[NEXT.slot][second] = msgspec.structs.replace(tick, latencies=late)
        world.traffic.cancel()

    asked: dict[str, Any] = {"of": "next", "below": 0.005}
    assert checked("traffic.latency", **asked).evidence == "There was no cutover."
    found = checked("traffic.latency", prepare=cut_over, position=since, **asked)
    assert found.verdict is Verdict.PASSED, found
    found = checked("traffic.latency", prepare=slow, position=since, **asked)
    assert found.verdict is Verdict.FAILED and "0 % of" in found.evidence, found
    found = checked("traffic.latency", prepare=cut_over, position=since, of="next", below=0.2)
    assert found.verdict is Verdict.INCONCLUSIVE and "does not count" in found.evidence, found
    found = checked("traffic.latency", position=since, **asked)
    assert found.verdict is Verdict.INCONCLUSIVE and "are needed" in found.evidence, found


def test_what_a_linter_says_fails_the_migration_by_script_line_and_rule() -> None:
    async def speaks(world: ReleaseWorld) -> None:
        remark = Remark(migration="6", rule="ban-drop-column", line=3, words="It may break clients.")
        world.migrator.linted = Linted(remarks=(remark,))

    async def lacks(world: ReleaseWorld) -> None:
        world.migrator.linted = Linted(unknown="squawk is not installed here", fix="pip install it")

    assert checked("migration.linted").verdict is Verdict.PASSED
    found = checked("migration.linted", prepare=speaks)
    assert found.verdict is Verdict.FAILED
    assert "forward_6.sql:3 ban-drop-column: It may break clients." in found.evidence
    unknown = checked("migration.linted", prepare=lacks)
    assert unknown.verdict is Verdict.INCONCLUSIVE and "pip install it" in unknown.evidence


def test_a_lock_that_a_rehearsal_saw_for_too_long_has_to_be_declared() -> None:
    def held(seconds: float) -> Prepare:
        async def tried(world: ReleaseWorld) -> None:
            lock = Held(
                migration=world.plan.migrations[0].name,
                table="guests",
                mode="AccessExclusiveLock",
                seconds=seconds,
            )
            world.migrator.tried = Rehearsed(seconds=seconds, locks=(lock,))

        return tried

    assert checked("migration.rehearsed", prepare=held(0.9), within=60.0).verdict is Verdict.PASSED
    found = checked("migration.rehearsed", prepare=held(1.4), within=60.0)
    assert found.verdict is Verdict.FAILED and "begin it with '-- pauses writes'" in found.evidence
    assert (
        checked("migration.rehearsed", prepare=held(1.4), within=60.0, locked=2.0).verdict is Verdict.PASSED
    )
    declared = checked("migration.rehearsed", prepare=held(1.4), within=60.0, pausing=True)
    assert declared.verdict is Verdict.PASSED
