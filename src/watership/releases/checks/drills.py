"""Drills are judged by their newest record, however it ended: that it went well, lately, quickly, and step by step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from watership.errors import BadInput
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.reports import AHEAD
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found
from watership.releases.readiness.drill import FOLDER, Drill, drills

AGAIN: Final = "Hold the drill again, and keep its record: docs/evidence.md says how."

QUARTER: Final = 90 * 86_400.0
"""Seconds that a drill may be old unless it is said otherwise: what is not rehearsed for longer is forgotten."""

FIGURES: Final = ("seconds", "rto", "rpo")
"""What a record measures of a drill as a whole."""


@check("drill.fresh", good_for="48h", fix=AGAIN)
async def fresh(
    scene: Scene,
    *,
    kind: str,
    younger_than: float = QUARTER,
    of: str = "",
    environment: str = "",
    method: str = "",
    folder: str = FOLDER,
) -> Finding:
    """The last drill of a `kind` passed, within `younger_than`; with the build of `of` (live or next), and in
    `environment`, by that `method`, where these are said."""
    last = await _last(scene, kind, folder, environment, method)
    if last is None:
        return failed(_none(kind, environment, method))
    wrong = _unfit(scene, last, younger_than)
    if of and last.build != scene.side(of).build.digest:
        wrong.append(f"was of {last.build or 'no build'}, not of {scene.side(of).build.digest}")
    return _found(last, wrong, f"passed in {spoken(last.seconds)}")


@check("drill.within", good_for="48h", fix=AGAIN)
async def within(
    scene: Scene,
    *,
    kind: str,
    below: float,
    step: str = "",
    figure: str = "seconds",
    environment: str = "",
    method: str = "",
    younger_than: float = QUARTER,
    folder: str = FOLDER,
) -> Finding:
    """The last drill of a `kind` passed, within `younger_than`, and took less than `below`: as a whole, in that `step`,
    or by what it measured (`figure`: rto, from the loss to the service; rpo, how much of the past was lost). Only those
    in `environment` and by `method` count, where these are said."""
    if figure not in FIGURES:
        raise BadInput(f"No drill measures '{figure}'.", fix=f"Say one of: {', '.join(FIGURES)}.")
    last = await _last(scene, kind, folder, environment, method)
    if last is None:
        return failed(_none(kind, environment, method))
    wrong, what = _unfit(scene, last, younger_than), step or ("it" if figure == "seconds" else figure.upper())
    took = _measured(last, step, figure)
    if took is None:
        wrong.append(f"did not measure '{step or figure}'")
    elif not took < below:
        wrong.append(f"{what} took {spoken(took)}; below {spoken(below)} is wanted")
    return _found(last, wrong, f"{what} took {spoken(took or 0.0)} of {spoken(below)} allowed", seconds=took)


def _measured(drill: Drill, step: str, figure: str) -> float | None:
    if step:
        part = drill.step(step)
        return None if part is None else part.seconds
    return {"seconds": drill.seconds, "rto": drill.rto_seconds, "rpo": drill.rpo_seconds}[figure]


@check("drill.steps", good_for="48h", fix=AGAIN)
async def steps(
    scene: Scene,
    *,
    kind: str,
    steps: str,
    environment: str = "",
    method: str = "",
    younger_than: float = QUARTER,
    folder: str = FOLDER,
) -> Finding:
    """The last drill of a `kind` passed, within `younger_than`, and went through each of `steps` (commas between).
    Only those in `environment` and by `method` count, where these are said."""
    wanted = listed(steps)
    if not wanted:
        raise BadInput("No step is named.")
    last = await _last(scene, kind, folder, environment, method)
    if last is None:
        return failed(_none(kind, environment, method))
    wrong = _unfit(scene, last, younger_than)
    wrong += [f"left out '{name}'" for name in wanted if last.step(name) is None]
    return _found(last, wrong, f"passed {', '.join(wanted)}")


async def _last(scene: Scene, kind: str, folder: str, environment: str, method: str) -> Drill | None:
    every = await drills(scene.look.documents, kind, folder)
    return next(
        (
            each
            for each in every[::-1]
            if environment in ("", each.environment) and method in ("", each.facts.get("method"))
        ),
        None,
    )


def _none(kind: str, environment: str, method: str) -> str:
    which = f"{f' by {method}' if method else ''}{f' in {environment}' if environment else ''}"
    return f"No drill of {kind} is on record{which}."


def _unfit(scene: Scene, drill: Drill, younger_than: float) -> list[str]:
    """Why a drill counts for nothing: it failed, is long ago, or has not been yet."""
    wrong = [] if drill.passed else [f"failed: {drill.words or _bad_step(drill)}"]
    age = scene.now() - drill.began
    if age < -AHEAD:
        wrong.append("began in the future")
    if age > timedelta(seconds=younger_than):
        wrong.append(f"was before {spoken(younger_than)}")
    return wrong


def _found(drill: Drill, wrong: Sequence[str], good: str, **facts: float | None) -> Finding:
    words = f"The last drill of {drill.kind}, in {drill.environment} at {drill.began:%Y-%m-%d %H:%M} by {drill.by}"
    return found(not wrong, f"{words}: {'; '.join(wrong) or good}.", build=drill.build, **facts)


def _bad_step(drill: Drill) -> str:
    return next(
        (f"{step.name}: {step.words}" for step in drill.steps if not step.passed), "it does not say why"
    )
