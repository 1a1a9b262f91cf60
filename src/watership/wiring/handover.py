"""A hand-over pins runs that one build began to another build's deployment, where its agents would go on with them.

`python -m watership.wiring.handover` does it with the agents of a build, in a process of its own: a controller never
loads what it releases.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from watership.adapters.files.builds import read_build_file
from watership.adapters.structlog.observer import StructlogObserver
from watership.agents.app import App
from watership.config import Config, load
from watership.durable.ids import DeploymentId
from watership.durable.ports import RunFilter
from watership.durable.run import Run
from watership.durable.states import OPEN
from watership.durable.writes import Done, Duplicate, HandOver, Outcome, Refused, Rehome
from watership.errors import NotFound, Unavailable, WatershipError
from watership.fleet.build import Build
from watership.fleet.deployment import Deployment
from watership.releases.ports import Handed
from watership.wiring.application import load_app
from watership.wiring.engines import use_pydantic_ai
from watership.wiring.kernel import Kernel, open_kernel
from watership.wiring.replays import PAGE, replayed

SECONDS: Final = 120.0
"""For all replays of a hand-over. What was not replayed by then stays where it is."""

LAST_WORDS: Final = 500
"""Characters of what a process said that did not come to an end."""


async def hand_over(
    config: Config, app: App, source: str, target: str, *, tries: bool = False
) -> list[Handed]:
    """Replay each open run of `source` with `app`, and pin those that it would go on with to `target`.

    `tries`: nothing is pinned. Raises NotFound for a target that is not registered.
    """
    use_pydantic_ai(offline=True)
    app.prepare()
    async with open_kernel(config, _quiet(config), shares=False) as kernel:
        await _registered(kernel, target)
        return [
            await _handed(kernel, app, run, DeploymentId(target), tries=tries)
            async for run in _open(kernel, DeploymentId(source))
        ]


async def rehome(config: Config, source: str, target: str) -> int:
    """Pin the runs of `source` that nobody has begun to `target`; how many there were. Raises NotFound as above."""
    async with open_kernel(config, _quiet(config), shares=False) as kernel:
        await _registered(kernel, target)
        moved = await kernel.committer.write(Rehome(source=DeploymentId(source), target=DeploymentId(target)))
        return moved.count if isinstance(moved, Done) else 0


class BuildHandover:
    """A hand-over for a controller: `variables` tell the build's process where the runs are."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = variables

    async def hand_over(self, source: DeploymentId, target: DeploymentId, build: Build) -> Sequence[Handed]:
        words = ("--source", build.source, "--from", source, "--to", target)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watership.wiring.handover", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._variables,
        )
        try:
            async with asyncio.timeout(SECONDS):
                told, complaint = await process.communicate()
        except TimeoutError:
            raise Unavailable(f"The replays did not end within {SECONDS:g} s.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            said = complaint.decode(errors="replace").strip()[-LAST_WORDS:]
            raise Unavailable(f"The replays with {build.version} failed: {said or 'it said nothing'}")
        return msgspec.json.decode(told, type=list[Handed])


async def _handed(kernel: Kernel, app: App, run: Run, target: DeploymentId, *, tries: bool) -> Handed:
    told = await replayed(kernel, app, run)
    if told.verdict not in ("fits", "drifts"):
        return Handed(run_id=run.id, goes=False, why=told.why)
    drift = f"what may change harmlessly has changed at {', '.join(told.drifted[:3])}" if told.drifted else ""
    if tries:
        return Handed(run_id=run.id, goes=True, why=drift)
    write = HandOver(run_id=run.id, target=target, seq=run.seq, inbox=run.inbox)
    return _told(run, await kernel.committer.write(write), drift)


def _told(run: Run, outcome: Outcome, drift: str) -> Handed:
    match outcome:
        case Done() | Duplicate():
            return Handed(run_id=run.id, goes=True, why=drift)
        case Refused(reason=reason):
            return Handed(run_id=run.id, goes=False, why=reason)
        case _:
            raise AssertionError(f"no answer to a hand-over: {outcome}")


async def _open(kernel: Kernel, source: DeploymentId) -> AsyncIterator[Run]:
    """All that has not ended, in the order of a list that does not change while its runs move away."""
    which, after = RunFilter(states=OPEN, deployment=source), None
    while True:
        page = await kernel.store.list(which, limit=PAGE, after=after)
        for run in page.runs:
            yield run
        after = page.next
        if after is None:
            return


async def _registered(kernel: Kernel, name: str) -> Deployment:
    known = await kernel.store.all()
    for each in known:
        if each.id == name:
            return each
    names = ", ".join(each.id for each in known) or "none"
    raise NotFound(f"There is no deployment {name}.", fix=f"Those that there are: {names}.")


def _quiet(config: Config) -> StructlogObserver:
    return StructlogObserver(form=config.log.format, level="error")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m watership.wiring.handover", description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="the build's folder")
    parser.add_argument("--from", dest="origin", required=True, help="the deployment that began the runs")
    parser.add_argument("--to", required=True, help="the build's deployment")
    options = parser.parse_args()
    try:
        config = load(Path.cwd(), os.environ)
        app = load_app(str(options.source / read_build_file(options.source).app))
        handed = asyncio.run(hand_over(config, app, options.origin, options.to))
    except WatershipError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(handed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
