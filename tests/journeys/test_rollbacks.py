"""Rollback from every phase, twice, and during a rollback, on real processes with a thousand runs in flight."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.journeys.greeters import props
from watership.durable.ids import RunId
from watership.durable.states import TERMINAL, RunState
from watership.durable.writes import Submit, Submitted
from watership.rehearsal.stage import Stage, staged
from watership.rehearsal.take import controller, directed, outcome_of
from watership.releases.accord import discords
from watership.releases.cutover import Dial
from watership.releases.environment import Authority
from watership.releases.order import Order
from watership.releases.rollback import whole
from watership.releases.snapshots import quarantined

RUNS: Final = 1_000

NAP_SECONDS, SHORT_NAP_SECONDS = 120.0, 25.0
"""What a run sleeps for: longer than a release takes to its rollback; and, where it may be next's, no longer than a
stage waits for the runs of what it puts away."""

WITHIN: Final = 60.0

MOMENTS: Final = (
    *("deployment.deploy", "deployment.smoke", "migration.expand", "validation.health"),
    *("cutover.half", "cutover.soak", "cutover.full", "cutover.drain", "post-verification.health", "watch"),
)
"""Acts of a release during which its rollback is ordered: each phase from the first that changes something."""

ORDER: Final = Order(kind="rollback", who="ina", reason="I say so")

PATIENCE_SECONDS: Final = 300.0


async def in_flight(stage: Stage, number: int, name: str, seconds: float) -> list[RunId]:
    """Start so many runs, pinned by the intake as it is."""
    value = msgspec.Raw(msgspec.json.encode({"seconds": seconds}))
    ids = [RunId(f"nap-{name}-{each}") for each in range(number)]
    written = await stage.desk.environment.work.write(
        [Submit(run_id=run_id, program="nap", input=value) for run_id in ids]
    )
    assert all(isinstance(each, Submitted) for each in written.outcomes)
    return ids


async def until(stage: Stage, release: str, action: str) -> None:
    """Wait for an entry of the audit about a release."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE_SECONDS
    while not any(
        each.action == action and each.facts.get("release") == release
        for each in stage.desk.environment.audit.entries()
    ):
        assert loop.time() < end, f"{action} did not come"
        await asyncio.sleep(0.02)


async def taken_back(stage: Stage, number: int, moment: str) -> tuple[float, list[RunId]]:
    """A release whose rollback is ordered at a moment: seconds until both planes were back, and the runs in flight."""
    plan = await stage.draw()
    env = stage.desk.environment
    runs = await in_flight(stage, RUNS // 2, f"{number}-before", NAP_SECONDS)
    process = await controller(stage, plan)
    await until(stage, plan.release, f"release.{moment}.begun")
    # By the weights of the moment: in a split half of them are next's.
    runs += await in_flight(stage, RUNS - len(runs), f"{number}-meanwhile", SHORT_NAP_SECONDS)
    flying = [await env.runs.get(each) for each in runs]
    assert sum(run is not None and run.state not in TERMINAL for run in flying) == RUNS
    loop = asyncio.get_running_loop()
    began = loop.time()
    await stage.desk.controller.order(ORDER)
    if number % 2:
        await stage.desk.controller.order(ORDER)
    if moment.startswith("cutover"):
        await until(stage, plan.release, "release.take_back.begun")
        await stage.desk.take_back("ina", "once more, and at once", force=True, seconds=WITHIN)
    dial = Dial(env, Authority(env.lock, who="looks", release=plan.release), to=plan.live, away=plan.next)
    while not (await whole(dial))[1]:
        assert loop.time() < began + PATIENCE_SECONDS, await whole(dial)
        await asyncio.sleep(0.02)
    seconds = loop.time() - began
    await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)
    await directed(stage, plan)
    outcome = await outcome_of(stage, plan)
    assert outcome is not None and outcome.outcome == "rolled_back", (moment, outcome)
    assert await discords(env, plan, outcome) == [], moment
    assert await quarantined(env.snapshots) == frozenset(), "a person ordered it"
    await stage.put_back(plan)
    return seconds, runs


def test_a_rollback_from_every_phase_with_a_thousand_runs_in_flight_ends_at_the_last_good_version(
    tmp_path: Path, nightly: bool
) -> None:
    if not nightly:
        pytest.skip("ten releases with a thousand runs each: the night's")

    async def main() -> dict[str, float]:
        took, runs = {}, list[RunId]()
        async with staged(props(tmp_path)) as stage:
            for number, moment in enumerate(MOMENTS):
                took[moment], more = await taken_back(stage, number, moment)
                runs += more
                print(moment, f"{took[moment]:.2f} s", flush=True)  # noqa: T201 - how far the night has come
            wrong = await lost(stage, runs)
            print(f"{len(runs):,} runs, {len(wrong)} lost", flush=True)  # noqa: T201 - a figure of the night
            assert wrong[:5] == []
        return took

    took = asyncio.run(main())
    print({moment: round(seconds, 2) for moment, seconds in took.items()})  # noqa: T201 - a figure of the night
    assert max(took.values()) < WITHIN


async def lost(stage: Stage, runs: list[RunId]) -> list[str]:
    """The runs that did not succeed."""
    loop = asyncio.get_running_loop()
    end = loop.time() + NAP_SECONDS + PATIENCE_SECONDS
    waiting, wrong = set(runs), []
    while waiting and loop.time() < end:
        for run_id in list(waiting):
            run = await stage.desk.environment.runs.get(run_id)
            if run is not None and run.state in TERMINAL:
                waiting.discard(run_id)
                if run.state is not RunState.SUCCEEDED:
                    wrong.append(f"{run_id} ended {run.state.value}")
        await asyncio.sleep(0.5)
    return wrong + [f"{run_id} has not ended" for run_id in waiting]
