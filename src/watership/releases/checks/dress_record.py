"""The record of a dress rehearsal is read: this very plan was released and taken back, and its controller killed."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from watership.releases.book.quantity import spoken
from watership.releases.checks.kind import check
from watership.releases.checks.reports import AHEAD
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import decoded
from watership.releases.measurement import Finding, failed, found
from watership.releases.readiness.dress import CONVERGES, FOLDER, DressRehearsal, changed

REHEARSE: Final = "Rehearse this very plan: watership release rehearse --crash=each"

DAY: Final = 86_400.0


@check("release.rehearsed", good_for="24h", fix=REHEARSE)
async def rehearsed(
    scene: Scene,
    *,
    younger_than: float = DAY,
    killed_at: int = 0,
    converges: float = CONVERGES,
    rollback_within: float = 60.0,
    folder: str = FOLDER,
) -> Finding:
    """The last rehearsal of this release was of these builds, migrations, runbook and controller, within
    `younger_than`; all parties agreed after each of its takes, a rollback took `rollback_within` at most, and a
    controller that was killed (at `killed_at` places or more) had ended its release `converges` after its new start.
    """
    last = await _last(scene, folder)
    if last is None:
        return failed(f"No rehearsal of {scene.plan.next.build.version} is on record in {folder}.")
    wrong = changed(last, scene.plan) + list(last.faults)
    age = scene.now() - last.ended
    if age < -AHEAD:
        wrong.append("it ended in the future")
    if age > timedelta(seconds=younger_than):
        wrong.append(f"it was before {spoken(younger_than)}")
    if not last.promoted or last.way_back is None:
        wrong.append("it promoted nothing, so that nothing was taken back")
    elif last.way_back.longest > rollback_within:
        wrong.append(f"a rollback took {last.way_back.longest:.3g} s")
    if last.kills.killed < killed_at:
        wrong.append(f"the controller was killed at {last.kills.killed} places; {killed_at} are wanted")
    if last.kills.slowest is not None and last.kills.slowest > converges:
        wrong.append(f"a killed one had ended only {last.kills.slowest:.3g} s after it was started again")
    words = f"{last.takes} takes, killed at {last.kills.killed} of {last.kills.points} places"
    if last.way_back is not None:
        words += f", taken back in {last.way_back.longest:.3g} s at most"
    head = f"The last rehearsal, at {last.ended:%Y-%m-%d %H:%M} by {last.by}"
    return found(
        not wrong,
        f"{head}: {'; '.join(wrong) or words}.",
        killed=last.kills.killed,
        points=last.kills.points,
        rollback=last.way_back.longest if last.way_back else None,
    )


async def _last(scene: Scene, folder: str) -> DressRehearsal | None:
    """The newest record of a rehearsal of next's version, however it ended."""
    documents = scene.look.documents
    read = [await documents.read(name) for name in await documents.names(f"{folder}/*.json")]
    held = [decoded(each, DressRehearsal) for each in read if each is not None]
    mine = [
        each
        for each in held
        if each.release == scene.plan.release or each.next == scene.plan.next.build.digest
    ]
    return max(mine, key=lambda each: each.ended, default=None)
