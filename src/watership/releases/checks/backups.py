"""Backups are judged by their catalogue: young enough, complete, kept as long as promised, and proved by a restore."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from watership.releases.book.quantity import spoken
from watership.releases.checks.catalogue import Kept, kept
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found
from watership.releases.readiness.drill import FOLDER, drills
from watership.releases.verdict import Verdict

DAY = 86400.0

TAKE = "Take a backup, and let the catalogue tell of it."


@check("backups.young", good_for="1h", fix=TAKE)
async def young(scene: Scene, *, of: str, kind: str, younger_than: float) -> Finding:
    """The last backup of a `kind` (full, incremental, wal, state) in the catalogue `of` was taken within
    `younger_than`, and is not empty. Of `wal` that is what could be lost: the recovery point (RPO)."""
    return _young(scene, of, kind, await kept(scene, of, kind), younger_than)


@check("backups.complete", good_for="1h", fix=TAKE)
async def complete(scene: Scene, *, of: str, full: float, incremental: float) -> Finding:
    """The catalogue `of` holds a full backup within `full`, and one that is incremental to it, within `incremental`."""
    every = await kept(scene, of, "full", "incremental")
    base = next((each for each in every[::-1] if each.kind == "full"), None)
    since = [each for each in every if each.kind == "incremental" and base and each.taken_at >= base.taken_at]
    first = _young(scene, of, "full", [base] if base else [], full)
    if first.verdict is not Verdict.PASSED:
        return first
    assert base is not None
    second = _young(scene, of, "incremental", since, incremental)
    return found(
        second.verdict is Verdict.PASSED,
        f"{first.evidence} {second.evidence}",
        full=base.name,
        incremental=len(since),
    )


@check("backups.retained", good_for="24h", fix="Mend the rule that removes backups.")
async def retained(
    scene: Scene, *, of: str, kind: str = "full", retention: float = 30 * DAY, at_most_apart: float = 2 * DAY
) -> Finding:
    """The catalogue `of` reaches back for `retention`, with no gap longer than `at_most_apart` on the way."""
    every = await kept(scene, of, kind)
    edge = scene.now() - timedelta(seconds=retention)
    if not every:
        return failed(f"{of} holds no {kind} backup.")
    if every[0].taken_at > edge:
        return failed(
            f"The oldest {kind} backup of {of} is of {every[0].taken_at:%Y-%m-%d}; {spoken(retention)} are wanted."
        )
    times = [max(each.taken_at, edge) for each in every] + [scene.now()]
    gap = max((after - before).total_seconds() for before, after in pairwise(times))
    words = f"{of} reaches back to {every[0].taken_at:%Y-%m-%d}; the longest gap is {spoken(gap)}"
    return found(gap <= at_most_apart, f"{words}, {spoken(at_most_apart)} is allowed.", backups=len(every))


@check(
    "backups.proved", good_for="24h", fix="Restore the newest backup elsewhere, and keep the record of it."
)
async def proved(scene: Scene, *, of: str, younger_than: float, folder: str = FOLDER) -> Finding:
    """A full backup that is in the catalogue `of`, not older than `younger_than`, was restored and compared: the last
    drill of backup-restore says so, and names it."""
    records = await drills(scene.look.documents, "backup-restore", folder)
    if not records:
        return failed("No restore is on record.")
    last = records[-1]
    name = str(last.facts.get("backup", ""))
    if not last.passed:
        return failed(
            f"The last restore, of {name or 'an unnamed backup'}, failed: {last.words or 'it does not say why'}."
        )
    there = next((each for each in await kept(scene, of, "full") if each.name == name), None)
    if there is None:
        return failed(f"The last restore was of '{name}', which is not in {of}.")
    if there.sha256 and there.sha256 != last.facts.get("sha256"):
        return failed(f"{name} has other bytes than what was restored.")
    if last.began < there.taken_at:
        return failed(f"{name} was taken after the restore that names it.")
    age = (scene.now() - there.taken_at).total_seconds()
    words = f"{name} was restored at {last.began:%Y-%m-%d %H:%M}; it is {spoken(age)} old"
    return found(age <= younger_than, f"{words}, {spoken(younger_than)} is the limit.", backup=name)


def _young(scene: Scene, of: str, kind: str, every: list[Kept], younger_than: float) -> Finding:
    if not every:
        return failed(f"{of} holds no {kind} backup.")
    last = every[-1]
    age = (scene.now() - last.taken_at).total_seconds()
    if last.bytes == 0:
        return failed(f"{last.name} is empty.")
    if age < -60:
        return failed(f"{last.name} is from the future, by {spoken(-age)}: a clock is wrong.")
    words = f"{last.name} ({last.bytes:,} bytes) was taken {spoken(max(age, 1.0))} ago"
    return found(
        age <= younger_than,
        f"{words}; {spoken(younger_than)} is the limit.",
        name=last.name,
        bytes=last.bytes,
    )
