"""An exercise that was held leaves a record: who was called, after how long, and who answered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct

from watership.errors import BadInput
from watership.releases.book.quantity import spoken
from watership.releases.checks.documents import marks
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, passed


class Reached(Struct, frozen=True, kw_only=True):
    """A level that was called, `after` so many seconds from the alarm, and who answered."""

    level: int
    person: str
    after: float
    answered: bool


class Exercise(Struct, frozen=True, kw_only=True):
    """What is written down of an exercise of the escalation."""

    schema: Literal["watership/exercise/v1"]
    kind: Literal["escalation"]
    held_at: datetime
    led_by: str
    scenario: str
    reached: tuple[Reached, ...]


@check("escalation.practiced", good_for="48h", fix="Hold the exercise, and write its record.")
async def practiced(scene: Scene, *, path: str, younger_than: float) -> Finding:
    """The record at `path` is of an exercise within `younger_than` in which every level of the plan was called no
    earlier than the plan says, and no later than the next one would have been, and answered, each by another person."""
    plan = scene.plan.escalation
    if plan is None:
        return failed("The plan has no escalation that could be practiced.")
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}: no exercise is on record.")
    try:
        held = msgspec.json.decode(document.content, type=Exercise)
    except msgspec.DecodeError as error:
        raise BadInput(f"{path} is no record of an exercise: {error}.") from error
    if held.held_at.tzinfo is None:
        raise BadInput(f"{path} does not say in which zone it was held.")
    age = scene.now() - held.held_at
    wrong = (
        []
        if timedelta() <= age <= timedelta(seconds=younger_than)
        else [f"it was held on {held.held_at:%Y-%m-%d}"]
    )
    for number, level in enumerate(plan.levels):
        got = next((each for each in held.reached if each.level == level.level), None)
        end = plan.levels[number + 1].after if number + 1 < len(plan.levels) else float("inf")
        if got is None or not got.answered:
            wrong.append(f"level {level.level} ({level.title}) did not answer")
        elif not level.after <= got.after < end:
            wrong.append(f"level {level.level} was called after {spoken(got.after) or '0s'}")
    wrong += [] if held.led_by and held.scenario else ["it does not say who led it, or what was played"]
    people = [each.person.casefold() for each in held.reached if each.answered]
    if len(set(people)) < len(people) or "" in people:
        wrong.append("two levels were answered by one person, or by nobody who is named")
    if wrong:
        return failed(f"{path}: {'; '.join(wrong)}.")
    return passed(
        f"{len(plan.levels)} levels answered on {held.held_at:%Y-%m-%d}: {held.scenario}", **marks(document)
    )
