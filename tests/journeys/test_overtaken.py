"""A controller that stands still at a call (SIGSTOP), and is overtaken by force, changes nothing when it goes on."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Final

import pytest

from tests.journeys.greeters import props
from watership.errors import NotFound
from watership.rehearsal.points import read
from watership.rehearsal.stage import Proxy, Stage, staged
from watership.rehearsal.take import controller, directed, outcome_of, take
from watership.releases.accord import discords
from watership.releases.verdict import Verdict

ACTUATORS: Final = ("router", "intake", "hosts", "deployments", "migrator", "work")

STILL_SECONDS: Final = 20.0
"""What it stands still for, at least: the dead-man's switches of a split have fired by then."""

PATIENCE_SECONDS: Final = 300.0


def stands_still(pid: int) -> bool:
    """Whether the process is stopped, as the system says."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False  # it has ended at this very moment
    return told.rpartition(")")[2].split()[0] == "T"


async def standing(stage: Stage) -> dict[str, object]:
    """What a release acts on, read back."""
    env = stage.desk.environment
    router, intake = await env.router.read(), await env.intake.read()
    return {
        "router": (router.weights, router.targets, router.until),
        "intake": (intake.weights, intake.until, intake.readonly),
        "deployments": await env.deployments.all(),
        "hosts": sorted(each.name for each in await env.hosts.instances()),
        "schema": await env.migrator.version(),
    }


async def overtaken(stage: Stage, point: str) -> tuple[str, list[str]]:
    """What a controller that stood still at a point, and was deposed meanwhile, has changed; and what is wrong then."""
    plan = await stage.draw()
    first = await controller(stage, plan, f"--stands={point}", f"--notes={stage.folder / 'points'}")
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE_SECONDS
    while first.returncode is None and not stands_still(first.pid):
        assert loop.time() < end, f"it did not come by {point}"
        await asyncio.sleep(0.05)
    if first.returncode is not None:
        await stage.put_back(plan)
        return "not come by", []
    stood_at = loop.time()
    wrong = []
    try:
        found = await stage.desk.take_back("ina", "it hangs", force=True, seconds=60.0)
        assert found is not None and found.verdict is Verdict.PASSED, found
        before = await standing(stage)
        await asyncio.sleep(max(0.0, STILL_SECONDS - (loop.time() - stood_at)))
        first.send_signal(signal.SIGCONT)
        code = await asyncio.wait_for(first.wait(), PATIENCE_SECONDS)
        after = await standing(stage)
        changed = {name for name in before if before[name] != after[name]}
        if point.startswith("migrator."):
            changed.discard("schema")  # that very step comes to its end: see docs/decisions/0037
        wrong += [f"{point}: {name} was {before[name]}, is {after[name]}" for name in sorted(changed)]
        if code == 0:
            wrong.append(f"{point}: it ended as if nothing had been")
    except NotFound:
        first.send_signal(signal.SIGCONT)  # nothing was changed yet, so there is nothing to depose it for
        await asyncio.wait_for(first.wait(), PATIENCE_SECONDS)
    await directed(stage, plan)
    outcome = await outcome_of(stage, plan)
    assert outcome is not None, f"{point}: its journal has no end"
    wrong += [f"{point}: {each}" for each in await discords(stage.desk.environment, plan, outcome)]
    await stage.put_back(plan)
    return outcome.outcome, wrong


def chosen(points: list[str]) -> list[str]:
    """Before the first and the last of each actuator's calls."""
    before = [point for point in points if point.endswith("/before") and point.startswith(ACTUATORS)]
    calls: dict[str, list[str]] = {}
    for point in before:
        calls.setdefault(point.partition("#")[0], []).append(point)
    return [point for each in calls.values() for point in dict.fromkeys((each[0], each[-1]))]


@pytest.mark.parametrize("proxy", ["embedded", "haproxy"])
def test_a_process_that_stood_still_at_an_actuators_call_changes_nothing(
    proxy: Proxy, tmp_path: Path, nightly: bool
) -> None:
    if not nightly:
        pytest.skip("some fifteen releases, each with a process that stands still for a while: the night's")

    async def main() -> tuple[dict[str, str], list[str]]:
        async with staged(props(tmp_path, proxy)) as stage:
            opening = await take(stage)
            ends, wrong = {}, list(opening.faults)
            for point in chosen(list(opening.points)):
                ends[point], found = await overtaken(stage, point)
                wrong += found
                print(point, ends[point], found, flush=True)  # noqa: T201 - how far the night has come
            assert read(stage.folder / "points")
            return ends, wrong

    ends, wrong = asyncio.run(main())
    print(f"{proxy}: stood still before {len(ends)} calls: {ends}")  # noqa: T201 - a figure of the night
    assert wrong == []
    assert len(ends) >= 8
