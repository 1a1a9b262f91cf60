"""A take is one release of a rehearsal, with one death at most: followed to its end, compared, and taken back."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.errors import WatershipError
from watership.rehearsal.controller import STARTER
from watership.rehearsal.points import read
from watership.rehearsal.stage import Stage, bare
from watership.releases.accord import discords
from watership.releases.order import Order
from watership.releases.plan import Plan
from watership.releases.program import Outcome, decode_outcome
from watership.releases.readiness.dress import CONVERGES
from watership.releases.readiness.records import taken_back
from watership.releases.verdict import Verdict
from watership.wiring.messages import outbox

TAKE_SECONDS: Final = 300.0
"""A controller that lives for so long without an end has lost its way, and is killed for it."""

LOST: Final = -1
"""The code of a controller that had to be killed because it came to no end."""

ASKED_SECONDS: Final = 1.0
"""Between two looks whether a release waits for a person."""

BACK_SECONDS: Final = 60.0

HEARD_SECONDS: Final = 20.0
"""What the last messages of a take get."""


class Take(Struct, frozen=True, kw_only=True):
    """What came of one release. `died`: it did come by the point at which it was to die.

    `directed`: seconds that the first controller lived. `converged`: seconds from the start of the one after it until
    that had ended the release.
    `back`: seconds from the order of a rollback until both planes were read back.
    """

    dies: str
    died: bool
    outcome: Literal["promoted", "rolled_back", "refused", "none"]
    points: tuple[str, ...]
    faults: tuple[str, ...]
    seconds: float
    directed: float
    converged: float | None = None
    back: float | None = None


async def take(stage: Stage, dies: str = "", *, undisturbed: float = 0.0) -> Take:
    """Release to the end, the controller killed at the point `dies` where one is named, and take it back.

    `undisturbed`: seconds that a controller needs here for all of it. A new one has as many, and CONVERGES.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    plan = await stage.draw()
    notes = stage.folder / f"{plan.release}.points"
    failed, lost = len(stage.traffic.failures), len(stage.traffic.lost)
    faults: list[str] = []
    code = await directed(stage, plan, f"--dies={dies}", f"--notes={notes}")
    lived = loop.time() - began
    died, converged = code == -signal.SIGKILL, None
    if died:
        again = loop.time()
        code = await directed(stage, plan)
        converged = loop.time() - again
        if converged > CONVERGES + undisturbed:
            faults.append(f"it ended only {converged:.1f} s after its controller was started again")
    if code != 0:
        faults.append(f"its controller ended with {code}: {_last_words(stage, plan)}")
    outcome = await outcome_of(stage, plan)
    if outcome is None:
        faults.append("its journal has no end")
    else:
        faults += await discords(stage.desk.environment, plan, outcome)
    back = await _back(stage, plan, faults) if outcome is not None and outcome.outcome == "promoted" else None
    faults += await _unheard(stage, plan)
    await stage.put_back(plan)
    faults += [f"a request failed: {words}" for words in stage.traffic.failures[failed:]][:3]
    faults += stage.traffic.lost[lost:][:3]
    return Take(
        dies=dies,
        died=died,
        outcome=outcome.outcome if outcome is not None else "none",
        points=tuple(read(notes)),
        faults=tuple(faults),
        seconds=loop.time() - began,
        directed=lived,
        converged=converged,
        back=back,
    )


async def controller(stage: Stage, plan: Plan, *words: str) -> asyncio.subprocess.Process:
    """Start a controller of that release: it begins it, or goes on with it."""
    command = [
        sys.executable,
        "-m",
        "watership.rehearsal.controller",
        str(stage.folder),
        plan.release,
        *words,
    ]
    with _log(stage, plan).open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=bare(),
            cwd=stage.folder,
            start_new_session=True,
        )


async def directed(stage: Stage, plan: Plan, *words: str) -> int:
    """Run a controller to its end; how it ended."""
    process = await controller(stage, plan, *words)
    content = asyncio.create_task(_content(stage, plan), name="stand-in who is content")
    try:
        async with asyncio.timeout(TAKE_SECONDS):
            return await process.wait()
    except TimeoutError:
        return LOST
    finally:
        content.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _content(stage: Stage, plan: Plan) -> None:
    """A watch that saw too little on a busy machine waits for a person, who is content: traffic is not rehearsed."""
    while True:
        await asyncio.sleep(ASKED_SECONDS)
        with suppress(WatershipError):
            found = await stage.desk.status(await stage.desk.find(plan.release))
            if found.asks and found.stage == "watching":
                await stage.desk.controller.order(Order(kind="accept", who=STARTER, reason="rehearsed"))


def _log(stage: Stage, plan: Plan) -> Path:
    return stage.folder / f"{plan.release}.log"


def _last_words(stage: Stage, plan: Plan) -> str:
    lines = _log(stage, plan).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


async def outcome_of(stage: Stage, plan: Plan) -> Outcome | None:
    """How the release ended, by its own journal."""
    run = await stage.desk.store.get(RunId(plan.release))
    return decode_outcome(run.result) if run is not None and run.state is RunState.SUCCEEDED else None


async def _back(stage: Stage, plan: Plan, faults: list[str]) -> float | None:
    """Take a promoted release back, as a person does: seconds until both planes were read back."""
    began = datetime.now(UTC)
    try:
        found = await stage.desk.take_back(STARTER, "rehearsed", force=False, seconds=BACK_SECONDS)
    except WatershipError as error:
        faults.append(f"it could not be taken back: {error}")
        return None
    back = taken_back(await stage.desk.environment.records.all(plan.release))
    if found is None or found.verdict is not Verdict.PASSED or back is None:
        faults.append(f"it was not taken back: {found.evidence if found else 'its controller lives'}")
        return None
    return (back.ended - began).total_seconds()


async def _unheard(stage: Stage, plan: Plan) -> list[str]:
    """Messages of the release that were put out, and that nobody has heard."""
    # Killed at its very end a controller leaves that to whoever looks next, as `release resume` does.
    await stage.desk.tells((await stage.desk.find(plan.release)).release)
    loop = asyncio.get_running_loop()
    end = loop.time() + HEARD_SECONDS
    while True:
        with outbox(stage.desk.places) as box:
            put = {each.message.id for each in box.deliveries() if each.message.release == plan.release}
        waiting = sorted(put - stage.listener.heard.keys())
        if not waiting or loop.time() >= end:
            return [f"message {each} was put out, and nobody heard it" for each in waiting]
        await asyncio.sleep(0.1)
