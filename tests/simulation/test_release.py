"""Releases in virtual time: killed at every call, taken back by switches, hands and gates, and always of one mind."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest

from tests.simulation.release_targets import SimRouter
from tests.simulation.release_world import LIVE, NEXT, Life, ReleaseWorld
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.durable.writes import Submit
from watership.errors import BadInput, Conflict, Fenced, NotAllowed
from watership.fleet.deployment import Slot
from watership.releases.book.shelf import shipped
from watership.releases.controller import Deposed
from watership.releases.journal import fold, journal
from watership.releases.judging import gate
from watership.releases.judging.gate import GateSpec, GateState, Judgement
from watership.releases.order import Order, Release
from watership.releases.plan import Overrides, Size
from watership.releases.ports import RouterState, SlotWeights
from watership.releases.program import Outcome
from watership.releases.reporting.account import account
from watership.releases.reporting.forms.html import page as render
from watership.releases.rollback_now import rollback_now
from watership.releases.smoke import Smoke
from watership.releases.status import status
from watership.releases.verdict import Verdict
from watership.testing import run_in_virtual_time

BAD = 0.15
SECONDS = 3600.0
"""No simulated release takes an hour."""

SHORT_PAUSE, LONG_PAUSE = 1.0, 40.0
"""Until a dead controller is started again: well within the switches' time, and well beyond it."""

SEEDS, NIGHTLY_SEEDS = 50, 5_000

PARTS = 4
"""Tests that share the places to die at, so that none of them takes minutes on a busy machine."""


def history(
    *deaths: int, bad: float = 0.0, pause: float = SHORT_PAUSE, seed: int = 0, **facts: Any
) -> Outcome:
    """One release with deaths in it. It ends, and everything agrees."""

    async def main() -> tuple[Outcome, list[str]]:
        world = ReleaseWorld(bad=bad, **facts)
        outcome = await world.release(*deaths, pause=pause)
        return outcome, await world.faults(outcome)

    outcome, faults = run_in_virtual_time(main, seed=seed, limit_seconds=SECONDS)
    assert not faults, f"deaths {deaths}, bad {bad}, pause {pause}, seed {seed}: {faults} after {outcome}"
    return outcome


def calls(bad: float) -> int:
    """How many places there are to die at in a release without deaths."""

    async def main() -> int:
        world = ReleaseWorld(bad=bad)
        await world.release()
        return world.lives[0].calls

    return run_in_virtual_time(main, limit_seconds=SECONDS)


# --- killed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("bad", "ending"), [(0.0, "promoted"), (BAD, "rolled_back")])
def test_killed_before_and_after_any_call_a_release_ends_as_if_it_had_not_been(
    bad: float, ending: str, part: int, nightly: bool
) -> None:
    total = calls(bad)
    assert total > 250

    # By day every fourth place of each part, now before a call and now after one.
    places = range(1 + part, total + 1, PARTS if nightly else 4 * PARTS + 1)
    ends = {dies_at: history(dies_at, bad=bad).outcome for dies_at in places}

    assert {at: end for at, end in ends.items() if end != ending} == {}


def test_killed_many_times_and_left_dead_for_long_it_still_ends_in_one_of_two_ways(nightly: bool) -> None:
    ends: Counter[tuple[float, str]] = Counter()
    for seed in range(1, (NIGHTLY_SEEDS if nightly else SEEDS) + 1):
        random = Random(seed)
        bad = random.choice((0.0, BAD))
        deaths = [random.randrange(1, random.choice((60, 300, 550))) for _ in range(random.randrange(2, 6))]
        pause = random.choice((0.1, 1.0, 5.0, 14.0, 16.0, LONG_PAUSE))
        outcome = history(*deaths, bad=bad, pause=pause, seed=seed)
        ends[bad, outcome.outcome] += 1
        if pause <= SHORT_PAUSE:
            expected = "rolled_back" if bad else "promoted"
            assert outcome.outcome == expected, f"seed {seed}: deaths {deaths}, pause {pause}: {outcome}"

    assert {ending for (bad, ending) in ends if bad} == {"rolled_back"}
    assert {ending for (bad, ending) in ends if not bad} == {"promoted", "rolled_back"}


def test_targets_that_often_do_not_answer_delay_a_release_and_never_split_its_mind(nightly: bool) -> None:
    async def main(random: Random, bad: float) -> tuple[Outcome, list[str]]:
        world = ReleaseWorld(bad=bad)
        outcome = await world.release(flaky=random)
        return outcome, await world.faults(outcome)

    ends: Counter[tuple[float, str]] = Counter()
    for seed in range(1, NIGHTLY_SEEDS if nightly else 25):
        bad = (0.0, BAD)[seed % 2]
        outcome, faults = run_in_virtual_time(
            lambda: main(Random(seed), bad),  # noqa: B023 - called at once
            seed=seed,
            limit_seconds=SECONDS,
        )
        assert not faults, f"seed {seed}: {faults} after {outcome}"
        ends[bad, outcome.outcome] += 1

    assert ends[BAD, "promoted"] == 0
    assert ends[0.0, "promoted"] > 5 * ends[0.0, "rolled_back"]


async def until_split(world: ReleaseWorld) -> None:
    while world.router.weights[NEXT.slot] != 50:
        await world.clock.sleep(0.1)


def test_the_switches_take_back_a_split_whose_controller_stays_dead() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        life, before = Life(), asyncio.all_tasks()
        world.controlling = asyncio.create_task(world.controller(life).start(world.brief()))
        await until_split(world)
        await world.clock.sleep(3.0)
        await world.kill(life, asyncio.all_tasks() - before)
        await world.clock.sleep(16.0)

        assert (await world.router.read()).weights == {LIVE.slot: 100, NEXT.slot: 0}
        assert (await world.work.read()).weights[NEXT.deployment] == 0
        outcome = await world.controller().resume()
        assert outcome.outcome == "rolled_back"
        assert await world.faults(outcome) == []

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_controller_that_is_stopped_in_order_is_resumed_where_it_stood() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        starting = asyncio.create_task(world.controller().start(world.brief()))
        await until_split(world)
        await world.clock.sleep(2.0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        assert world.lock.holder is None

        outcome = await world.controller().resume()
        assert outcome.outcome == "promoted"
        assert await world.faults(outcome) == []

    run_in_virtual_time(main, limit_seconds=SECONDS)


# --- judged -----------------------------------------------------------------------------------------------------


def run(world_facts: dict[str, Any], change: Any = None) -> tuple[Outcome, ReleaseWorld, list[str]]:
    """A release without deaths; `change` may prepare the world."""

    async def main() -> tuple[Outcome, ReleaseWorld, list[str]]:
        world = ReleaseWorld(**world_facts)
        if change is not None:
            change(world)
        outcome = await world.release()
        return outcome, world, await world.faults(outcome)

    return run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_broken_release_is_taken_back_within_seconds_and_its_digest_is_quarantined() -> None:
    outcome, world, faults = run({"bad": BAD})

    assert outcome.outcome == "rolled_back" and faults == []
    assert outcome.rollback_seconds is not None and outcome.rollback_seconds < 5
    assert b"sha256:2.1.0" in world.snapshots.kept["quarantine"]


def test_a_quarantined_build_is_refused_until_somebody_waives_it() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        world.snapshots.kept["quarantine"] = b'["sha256:2.1.0"]'
        await world.begin()
        with pytest.raises(Conflict, match="quarantined"):
            await world.controller().start(world.brief())
        outcome = await world.controller().start(world.brief(waived_by="Ina Charge"))
        assert outcome.outcome == "promoted"

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_soak_without_figures_is_inconclusive_and_never_promoted() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        starting = asyncio.create_task(world.controller().start(world.brief()))
        await until_split(world)
        world.router.blind = True
        outcome = await starting
        assert outcome.outcome == "rolled_back"
        # The check of phase 6 cannot be reached, so it was the soak that gave up.
        assert "The gate looks" in outcome.reason

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_one_process_with_another_digest_keeps_a_release_from_being_promoted() -> None:
    def change(world: ReleaseWorld) -> None:
        world.hosts.impostor = f"{NEXT.deployment}-serve-1"

    outcome, world, faults = run({}, change)

    assert outcome.outcome == "rolled_back" and faults == []
    assert "d-2.1.0-serve-1 reports the digest sha256:other" in outcome.reason
    assert world.snapshots.kept.get("quarantine") is None, "nothing failed in service"


@pytest.mark.parametrize("name", ["serve-0", "serve-5", "worker-1"])
@pytest.mark.parametrize("fault", ["impostor", "mute"])
def test_one_of_eight_processes_keeps_a_release_from_being_promoted_and_is_named(
    fault: str, name: str
) -> None:
    def change(world: ReleaseWorld) -> None:
        setattr(world.hosts, fault, f"{NEXT.deployment}-{name}")

    outcome, world, faults = run({"size": Size(serve=6, workers=2)}, change)

    assert outcome.outcome == "rolled_back" and faults == []
    said = "reports the digest sha256:other" if fault == "impostor" else "is starting"
    assert f"{NEXT.deployment}-{name} {said}" in outcome.reason
    assert world.router.weights == {LIVE.slot: 100, NEXT.slot: 0}


def test_a_deployment_that_fails_is_tried_three_times_in_all() -> None:
    def change(world: ReleaseWorld) -> None:
        world.hosts.impostor = f"{NEXT.deployment}-serve-0"

    _, world, _ = run({}, change)

    begun = [entry for entry in world.audit.kept if entry.action == "release.deployment.deploy.begun"]
    assert [entry.facts["attempt"] for entry in begun] == [1, 2, 3]


def test_a_router_that_answers_and_does_nothing_promotes_nothing() -> None:
    def change(world: ReleaseWorld) -> None:
        world.router.deaf = True

    outcome, _, _ = run({}, change)

    assert outcome.outcome == "rolled_back"
    assert "does not read back" in outcome.reason


def test_a_plan_without_its_sign_offs_is_refused_before_anything_changes() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        with pytest.raises(NotAllowed, match="owner"):
            await world.controller().start(world.brief(signoffs=()))
        assert NEXT.deployment not in world.hosts.specs and world.lock.holder is None

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_another_smoke_test_than_the_planned_one_is_refused_before_anything_changes() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        with pytest.raises(BadInput, match="smoke test"):
            await world.controller().start(world.brief(smoke=Smoke()))
        assert world.router.weights[LIVE.slot] == 100

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_the_shipped_runbook_is_gone_through_from_its_first_item_to_its_last() -> None:
    async def main() -> None:
        overrides = Overrides(clock_factor=0.0005, soak_seconds=5.0, watch_seconds=10.0, min_samples=1500)
        world = ReleaseWorld(source=shipped("one-machine"), overrides=overrides)
        outcome = await world.release()
        assert outcome.outcome == "promoted", outcome
        assert await world.faults(outcome) == []
        entries = await journal(world.own, RunId("2.1.0-1"))
        told = await status(world.own, RunId("2.1.0-1"), world.snapshots)
        assert {item.state for item in told.items} == {"passed"} and len(told.items) == len(world.plan.items)
        assert len(entries) < 150, "a journal stays small"
        assert told.figures.cutover_seconds is not None and told.figures.cutover_seconds < 60
        first = await world.own.get(RunId("2.1.0-1"))
        assert first is not None
        release = msgspec.json.decode(first.input, type=Release)
        page = render(account(release, fold(entries, release), audit=world.audit))
        assert "Promoted" in page

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_the_shipped_runbook_keeps_its_calendar_and_its_budgets() -> None:
    async def main() -> None:
        world = ReleaseWorld(source=shipped("one-machine"), overrides=Overrides(watch_seconds=10.0))
        await world.begin()
        zero = world.clock.now()
        outcome = await world.controller().start(world.brief(zero=zero))
        assert outcome.outcome == "promoted", outcome
        assert await world.faults(outcome) == []
        begun = {e.action: e.at - zero for e in world.audit.kept if e.action.endswith(".begun")}
        assert timedelta(minutes=25) <= begun["release.deployment.unmoved.begun"] < timedelta(minutes=26)
        assert timedelta(minutes=50) <= begun["release.cutover.half.begun"] < timedelta(minutes=51)
        assert timedelta(minutes=80) <= begun["release.post-verification.runs.begun"] < timedelta(minutes=81)

    run_in_virtual_time(main, limit_seconds=3 * SECONDS)


# --- people -----------------------------------------------------------------------------------------------------


def ordered(kind: Any, *, at: str) -> tuple[Outcome, ReleaseWorld]:
    """A good release to which somebody says `kind` once `at` (an action of the audit) has happened."""

    async def main() -> tuple[Outcome, ReleaseWorld]:
        world = ReleaseWorld()
        await world.begin()
        controller = world.controller()
        starting = asyncio.create_task(controller.start(world.brief()))
        while not any(entry.action == at for entry in world.audit.kept):
            await world.clock.sleep(0.05)
        await controller.order(Order(kind=kind, who="Ina Charge", reason="I say so"))
        if kind == "hold":
            await world.clock.sleep(60.0)
            assert not starting.done()
            await controller.order(Order(kind="resume", who="Ina Charge"))
        outcome = await starting
        assert await world.faults(outcome) == []
        return outcome, world

    return run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_person_may_order_a_rollback_in_the_middle_of_a_soak() -> None:
    outcome, world = ordered("rollback", at="release.cutover.soak.begun")

    assert outcome.outcome == "rolled_back" and "Ina Charge: I say so" in outcome.reason
    assert world.snapshots.kept.get("quarantine") is None, "a person decided, not the gate"


def test_a_rollback_during_the_watch_goes_the_same_way() -> None:
    assert ordered("rollback", at="release.watch.begun")[0].outcome == "rolled_back"


def test_an_abort_before_anything_was_changed_merely_ends_the_release() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        controller, soon = world.controller(), world.clock.now() + timedelta(minutes=5)
        starting = asyncio.create_task(controller.start(world.brief(zero=soon)))
        await world.clock.sleep(10.0)
        await controller.order(Order(kind="abort", who="Ina Charge"))
        outcome = await starting
        assert outcome.outcome == "refused" and world.clock.now() < soon
        assert NEXT.deployment not in world.hosts.specs

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_release_waits_for_the_calendar_unless_it_is_told_not_to() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        controller, soon = world.controller(), world.clock.now() + timedelta(minutes=5)
        starting = asyncio.create_task(controller.start(world.brief(zero=soon)))
        await world.clock.sleep(10.0)
        assert NEXT.deployment not in world.hosts.specs
        for _ in world.plan.items:
            await controller.order(Order(kind="next", who="Ina Charge"))
            await world.clock.sleep(5.0)
        assert (await starting).outcome == "promoted" and world.clock.now() < soon

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_release_on_hold_waits_and_goes_on_when_it_is_resumed() -> None:
    outcome, _ = ordered("hold", at="release.deployment.deploy.begun")

    assert outcome.outcome == "promoted"


def test_a_split_on_hold_is_kept_up() -> None:
    outcome, _ = ordered("hold", at="release.cutover.soak.begun")

    assert outcome.outcome == "promoted"


# --- other hands ------------------------------------------------------------------------------------------------


def test_rollback_now_needs_no_journal_and_the_controller_that_returns_completes_it() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        life, before = Life(), asyncio.all_tasks()
        world.controlling = asyncio.create_task(world.controller(life).start(world.brief()))
        await until_split(world)
        await world.clock.sleep(2.0)
        await world.kill(life, asyncio.all_tasks() - before)

        found = await rollback_now(world.controller()._env, who="Ina Charge", reason="now")
        assert found.verdict is Verdict.PASSED
        assert (await world.router.read()).weights[NEXT.slot] == 0
        outcome = await world.controller().resume()
        assert outcome.outcome == "rolled_back"
        assert await world.faults(outcome) == []

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_second_controller_is_refused_while_the_first_one_lives() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        starting = asyncio.create_task(world.controller().start(world.brief()))
        await until_split(world)
        with pytest.raises(Conflict, match="holds the lock"):
            await world.controller().resume()
        await starting

    run_in_virtual_time(main, limit_seconds=SECONDS)


async def depose(world: ReleaseWorld) -> asyncio.Task[Outcome]:
    """A controller in a split is thought dead and loses its lock while it lives; another one takes over."""
    await world.begin()
    deposed = asyncio.create_task(world.controller().start(world.brief()))
    await until_split(world)
    await world.clock.sleep(2.2)
    second = world.lock.process()
    world.lock.holder = None
    taken = await second.acquire(who="the second", release="2.1.0-1")
    back = {LIVE.slot: 100, NEXT.slot: 0}
    await world.router.set_weights(back, epoch=taken.epoch)
    await world.work.set_weights({LIVE.deployment: 100, NEXT.deployment: 0}, epoch=taken.epoch)
    world.router.reverts += 1  # from here on nobody may raise next again
    return deposed


def test_a_deposed_controller_stops_and_touches_nothing_more() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        deposed = await depose(world)
        with pytest.raises(Deposed):
            await deposed
        assert world.router.raised_after_revert == 0
        assert (await world.router.read()).weights[NEXT.slot] == 0
        assert (await world.work.read()).weights[NEXT.deployment] == 0
        ended = [entry for entry in world.audit.kept if entry.action == "release.ended"]
        assert ended == [], "how it ends is the second one's to say"

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_another_build_must_adopt_and_takes_an_unjudged_split_back() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        life, before = Life(), asyncio.all_tasks()
        world.controlling = asyncio.create_task(world.controller(life).start(world.brief()))
        await until_split(world)
        await world.kill(life, asyncio.all_tasks() - before)

        other = world.controller(build="sha256:another controller")
        with pytest.raises(Conflict, match="adopt"):
            await other.resume()
        outcome = await other.resume(adopt=True)
        assert outcome.outcome == "rolled_back"
        assert (await world.router.read()).weights[NEXT.slot] == 0
        assert (await world.work.read()).weights[NEXT.deployment] == 0

    run_in_virtual_time(main, limit_seconds=SECONDS)


@pytest.mark.parametrize(("bad", "ending"), [(0.0, "promoted"), (BAD, "rolled_back")])
def test_another_build_that_adopts_a_watch_goes_on_with_it(bad: float, ending: str) -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        life, before = Life(), asyncio.all_tasks()
        world.controlling = asyncio.create_task(world.controller(life).start(world.brief()))
        while not any(entry.action == "release.watch.begun" for entry in world.audit.kept):
            await world.clock.sleep(0.1)
        await world.kill(life, asyncio.all_tasks() - before)
        world.router.worsen(NEXT.deployment, bad)

        outcome = await world.controller(build="sha256:another controller").resume(adopt=True)

        assert outcome.outcome == ending
        assert await world.faults(outcome) == []
        watched = [entry.action for entry in world.audit.kept if entry.action.startswith("release.watch.")]
        assert watched[-1] == ("release.watch.failed" if bad else "release.watch.passed")

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_runs_that_next_never_began_go_to_live() -> None:
    async def main() -> None:
        world = ReleaseWorld(bad=BAD)
        await world.begin()
        starting = asyncio.create_task(world.controller().start(world.brief()))
        await until_split(world)
        submit = Submit(
            run_id=RunId("waiting"), program="agent", input=msgspec.Raw(b"1"), deployment=NEXT.deployment
        )
        await world.work.write([submit])
        assert (await starting).outcome == "rolled_back"
        run = await world.work.get(RunId("waiting"))
        assert run is not None and run.deployment == LIVE.deployment and run.state is RunState.READY

    run_in_virtual_time(main, limit_seconds=SECONDS)


# --- planted bugs: the world must notice ------------------------------------------------------------------------


HALF = "release.cutover.half."


class LowersFirst(SimRouter):
    """Planted: the one weight is lowered before the other is raised."""

    def steps(self, weights: SlotWeights) -> Sequence[SlotWeights]:
        return [{slot: min(self.weights[slot], weights[slot]) for slot in Slot}, dict(weights)]


class Echo(SimRouter):
    """Planted: what was asked for is taken for what is."""

    asked: SlotWeights | None = None

    async def set_weights(self, weights: SlotWeights, **facts: Any) -> RouterState:
        self.deaf = True
        self.asked = dict(weights)
        await super().set_weights(weights, **facts)
        return await self.read()

    async def read(self) -> RouterState:
        state = await super().read()
        return msgspec.structs.replace(state, weights=self.asked) if self.asked else state


def content_with_nothing(state: GateState, spec: GateSpec) -> Judgement:
    """Planted: no data is good data."""
    judgement = gate.judge(state, spec)
    if judgement.samples == 0:
        return msgspec.structs.replace(judgement, verdict=Verdict.PASSED)
    return judgement


def test_planted_a_weight_lowered_before_the_other_is_raised_loses_requests() -> None:
    """Between 50 % and either end both keep something; the way back from 100 % shows it."""

    async def main(router: type[SimRouter]) -> list[str]:
        world = ReleaseWorld(router=router)
        await world.begin()
        controller = world.controller()
        starting = asyncio.create_task(controller.start(world.brief()))
        while not any(entry.action == "release.watch.begun" for entry in world.audit.kept):
            await world.clock.sleep(0.05)
        await controller.order(Order(kind="rollback", who="Ina Charge"))
        return await world.faults(await starting)

    assert run_in_virtual_time(lambda: main(SimRouter), limit_seconds=SECONDS) == []
    assert run_in_virtual_time(lambda: main(LowersFirst), limit_seconds=SECONDS) == [
        "1 requests found nobody"
    ]


def test_planted_without_reading_back_a_shift_that_never_happened_passes() -> None:
    def deaf(world: ReleaseWorld) -> None:
        world.router.deaf = True

    def half(world: ReleaseWorld) -> str:
        (action,) = {e.action for e in world.audit.kept if e.action.startswith(HALF)} - {f"{HALF}begun"}
        return action.removeprefix(HALF)

    _, honest, _ = run({}, deaf)
    _, planted, _ = run({"router": Echo})

    assert (half(honest), half(planted)) == ("failed", "passed")
    assert planted.router.weights[NEXT.slot] == 0, "nothing was moved"


def test_planted_a_judge_that_takes_no_data_for_good_promotes_what_nobody_saw() -> None:
    async def main() -> Verdict:
        world = ReleaseWorld(judge=content_with_nothing)
        await world.begin()
        starting = asyncio.create_task(world.controller().start(world.brief()))
        await until_split(world)
        for served in world.router.served.values():
            served.clear()
        # Nobody comes: every second is told of, and none has a request.
        world.router.per_second = 0
        await starting
        soaks = [entry for entry in world.audit.kept if entry.action.startswith("release.cutover.soak.")]
        return Verdict(soaks[-1].action.rsplit(".", 1)[-1])

    assert run_in_virtual_time(main, limit_seconds=SECONDS) is Verdict.PASSED


def test_without_any_traffic_the_judge_is_inconclusive() -> None:
    async def main() -> Outcome:
        world = ReleaseWorld()
        await world.begin()
        starting = asyncio.create_task(world.controller().start(world.brief()))
        await until_split(world)
        world.traffic.cancel()
        return await starting

    outcome = run_in_virtual_time(main, limit_seconds=SECONDS)
    assert outcome.outcome == "rolled_back" and "The gate looks" in outcome.reason


def test_planted_a_lock_whose_epoch_does_not_rise_lets_a_deposed_controller_act_on() -> None:
    """The dial of a controller that was paused just before its word to the router, past every look of its own."""

    async def main(*, rising: bool) -> int:
        world = ReleaseWorld()
        world.lock.rising = rising
        await world.begin()
        world.router.targets[NEXT.slot] = world.router.targets[LIVE.slot]
        paused = await world.lock.process().acquire(who="the paused one", release="2.1.0-1")
        world.lock.holder = None
        second = await world.lock.process().acquire(who="the second", release="2.1.0-1")
        await world.router.set_weights({LIVE.slot: 100, NEXT.slot: 0}, epoch=second.epoch)
        world.router.reverts += 1
        with suppress(Fenced):
            await world.router.set_weights({LIVE.slot: 50, NEXT.slot: 50}, epoch=paused.epoch)
        return world.router.raised_after_revert

    assert run_in_virtual_time(lambda: main(rising=True), limit_seconds=SECONDS) == 0
    assert run_in_virtual_time(lambda: main(rising=False), limit_seconds=SECONDS) == 1
