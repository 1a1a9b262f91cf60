"""Drills are judged by their records: that the last one went well, not long ago, quickly, and step by step."""

from __future__ import annotations

from datetime import timedelta

from watership.errors import BadInput
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found
from watership.releases.readiness.drill import FOLDER, Drill, drills

AGAIN = "Hold the drill again, and keep its record: docs/evidence.md says how."


@check("drill.fresh", good_for="48h", fix=AGAIN)
async def fresh(
    scene: Scene, *, kind: str, younger_than: float, of: str = "", environment: str = "", folder: str = FOLDER
) -> Finding:
    """The last drill of a `kind` passed, within `younger_than`; with the build of `of` (live or next), and in
    `environment`, where these are said."""
    last = await _last(scene, kind, folder, environment)
    if last is None:
        return failed(f"No drill of {kind} is on record{f' in {environment}' if environment else ''}.")
    words = f"The last drill of {kind}, in {last.environment} at {last.began:%Y-%m-%d %H:%M}"
    if not last.passed:
        return failed(f"{words}, failed: {last.words or _bad_step(last)}.")
    if last.began > scene.now():
        return failed(f"{words}, began in the future.")
    wrong = []
    if scene.now() - last.began > timedelta(seconds=younger_than):
        wrong.append(f"was before {spoken(younger_than)}")
    if of and last.build != scene.side(of).build.digest:
        wrong.append(f"was of {last.build or 'no build'}, not of {scene.side(of).build.digest}")
    return found(
        not wrong, f"{words}, {' and '.join(wrong) or f'passed in {spoken(last.seconds)}'}.", build=last.build
    )


@check("drill.within", good_for="48h", fix=AGAIN)
async def within(scene: Scene, *, kind: str, below: float, step: str = "", folder: str = FOLDER) -> Finding:
    """The last drill of a `kind` that passed took less than `below`, as a whole or in that `step`."""
    last = next(
        (each for each in (await drills(scene.look.documents, kind, folder))[::-1] if each.passed), None
    )
    if last is None:
        return failed(f"No drill of {kind} has passed.")
    part = last.step(step) if step else None
    if step and part is None:
        return failed(f"The last drill of {kind} did not measure '{step}'.")
    took = last.seconds if part is None else part.seconds
    words = f"{step or f'The drill of {kind}'} took {spoken(took)}; below {spoken(below)} is wanted."
    return found(took < below, words, seconds=took)


@check("drill.steps", good_for="48h", fix=AGAIN)
async def steps(scene: Scene, *, kind: str, steps: str, folder: str = FOLDER) -> Finding:
    """The last drill of a `kind` went through each of `steps` (commas between), and each passed."""
    wanted = listed(steps)
    if not wanted:
        raise BadInput("No step is named.")
    last = await _last(scene, kind, folder, "")
    if last is None:
        return failed(f"No drill of {kind} is on record.")
    wrong = [f"'{name}' was left out" for name in wanted if last.step(name) is None]
    wrong += [
        f"'{step.name}' failed: {step.words}"
        for step in last.steps
        if step.name in wanted and not step.passed
    ]
    words = "; ".join(wrong) or f"{', '.join(wanted)}: passed"
    return found(not wrong, f"The last drill of {kind}, at {last.began:%Y-%m-%d %H:%M}: {words}.")


async def _last(scene: Scene, kind: str, folder: str, environment: str) -> Drill | None:
    every = await drills(scene.look.documents, kind, folder)
    return next((each for each in every[::-1] if environment in ("", each.environment)), None)


def _bad_step(drill: Drill) -> str:
    return next(
        (f"{step.name}: {step.words}" for step in drill.steps if not step.passed), "it does not say why"
    )
