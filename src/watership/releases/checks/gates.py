"""Gates on what is on record: the checklist up to a moment of the calendar, and the decision to go."""

from __future__ import annotations

from typing import Final

from watership.releases.book.quantity import listed, offset
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, Measurement, failed, inconclusive, passed
from watership.releases.readiness import go
from watership.releases.readiness.checklist import Point, key, points_of
from watership.releases.readiness.records import Decided, Measured, Record
from watership.releases.readiness.rounds import round_of
from watership.releases.readiness.situation import situation
from watership.releases.readiness.standing import ItemStanding, standing
from watership.releases.verdict import Verdict, worst

CONTROLLER: Final = "controller"

AGAIN: Final = 60.0
"""Seconds before what has failed is measured again, and before it is looked whether people have attested."""


@check("checklist.complete", fix="watership check list --due")
async def complete(scene: Scene, *, by: str) -> Finding:
    """Every item that is due `by` a moment of the calendar is good: measured now where its evidence is missing, failed
    or expired, attested or waived where people have to.

    What is not is looked at again each minute until the check's time is over. Where nothing is due nothing is known.
    """
    moment = offset(by)
    if not await _due(scene, moment):
        return inconclusive(f"No item of the checklist is due by {by}, so that nothing was judged.")
    end = scene.clock.monotonic() + scene.timeout - AGAIN
    while True:
        bad = [item for item in await _due(scene, moment) if not item.good]
        await _measure(scene, {point.key for item in bad for point in item.points if not point.good})
        items = await _due(scene, moment)
        verdict, words = go.items_stand(items)
        if verdict is Verdict.PASSED or scene.clock.monotonic() >= end:
            late = sum(not item.good for item in items)
            return Finding(verdict=verdict, evidence=words, facts={"items": len(items), "open": late})
        await scene.clock.sleep(AGAIN)


async def _due(scene: Scene, moment: float) -> list[ItemStanding]:
    """The items due by then, as they stand now."""
    assert scene.records is not None
    by = {item.id: item.by for section in scene.plan.checklist for item in section.items}
    records = await scene.records.all(scene.plan.release)
    stand = standing(scene.plan.checklist, records, build=scene.plan.next.build.digest, now=scene.now())
    return [item for item in stand if by[item.id] <= moment]


async def _measure(scene: Scene, wanted: set[str]) -> dict[str, Measurement]:
    """Measure points, and put each on record."""
    assert scene.records is not None
    points: list[tuple[str, Point]] = [
        (name, point)
        for item, point in points_of(scene.plan.checklist)
        if (name := key(item, point)) in wanted
    ]
    measured = await round_of(scene, points)
    for name, got in measured.items():
        record = Measured(point=name, build=scene.plan.next.build.digest, by=CONTROLLER, got=got)
        await scene.records.add(scene.plan.release, record)
    return measured


@check("checklist.again", fix="watership check run ITEM")
async def again(scene: Scene, *, items: str) -> Finding:
    """Each point of `items` (ids, commas between) that a program can see is measured once more, whatever was found
    before, put on record, and passes now."""
    assert scene.records is not None
    wanted = {
        key(item, point)
        for item, point in points_of(scene.plan.checklist)
        if item.id in listed(items) and point.check is not None
    }
    lacking = set(listed(items)) - {name.partition("/")[0] for name in wanted}
    if lacking or not wanted:
        return inconclusive(f"Of {', '.join(sorted(lacking)) or 'no item'} nothing can be measured here.")
    found = await _measure(scene, wanted)
    bad = {name: got for name, got in found.items() if not got.passed}
    if not bad:
        return passed(f"{len(found)} points of {items} are as they were.", points=len(found))
    first = ", ".join(f"{name} {got.verdict.value}" for name, got in list(bad.items())[: go.NAMED])
    more = f" and {len(bad) - go.NAMED} more" if len(bad) > go.NAMED else ""
    words = f"{len(bad)} of {len(found)} points of {items} do not pass now: {first}{more}; see: {go.SEE}"
    return Finding(verdict=worst(got.verdict for got in bad.values()), evidence=words)


@check("gate.decided", fix="watership gate show, then: watership gate decide go|no-go")
async def decided(scene: Scene) -> Finding:
    """Who may decide has decided GO for this very plan, and every condition of the GO still holds."""
    assert scene.records is not None
    made: list[Decided] = []

    async def there() -> bool:
        records: list[Record] = list(await scene.records.all(scene.plan.release)) if scene.records else []
        last = go.decision(scene.plan, records)
        made[:] = [last] if last is not None else []
        return bool(made)

    await scene.until(there, scene.timeout * 0.9)
    conditions = go.conditions(
        scene.plan, await situation(scene.release, scene.records, scene.incidents, now=scene.now())
    )
    verdict = go.verdict(conditions)
    wrong = "; ".join(
        f"{each.text}: {each.words}" for each in conditions if each.verdict is not Verdict.PASSED
    )
    if made and made[0].decision == "no_go":
        return failed(f"NO-GO by {made[0].person}: {made[0].reason}; {made[0].issue}")
    if verdict is not Verdict.PASSED:
        return Finding(verdict=verdict, evidence=wrong or go.UNWRITTEN, fix="" if wrong else go.WRITE)
    if not made:
        return inconclusive(
            f"{' or '.join(go.deciders(scene.plan)) or 'Nobody'} has not decided GO or NO-GO."
        )
    return passed(f"GO by {made[0].person} ({made[0].role}); {len(conditions)} conditions hold.")
