"""There is room, and there is a backup that was restored once to prove it."""

from __future__ import annotations

from datetime import timedelta

from watership.releases.book.quantity import percent
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.environment import Environment
from watership.releases.measurement import Finding, failed, found, passed
from watership.releases.ports import Backup
from watership.releases.snapshots import BACKUP, load, save


@check("disk.free")
async def disk_free(scene: Scene, *, used_below: float) -> Finding:
    """Less than `used_below` of the fullest disk is used."""
    used = await scene.env.used_disk()
    words = f"{percent(used)} of the disk is used; {percent(used_below)} is the limit."
    return found(used < used_below, words, used=used)


@check("backup.fresh")
async def backup_fresh(scene: Scene, *, younger_than: float) -> Finding:
    """The last backup is younger than `younger_than` and can be restored; where there is none, take one."""
    oldest = timedelta(seconds=younger_than)
    last = await load(scene.env.snapshots, BACKUP, Backup)
    if last is not None and scene.now() - last.taken_at < oldest:
        return proved(last, list(await scene.env.backups.verify(last)))
    return await taken(scene.env, f"{scene.plan.release}-before")


async def taken(env: Environment, name: str) -> Finding:
    """Take a backup, restore it elsewhere and compare; remember it only if that went well."""
    backup = await env.backups.create(name)
    wrong = list(await env.backups.verify(backup))
    if not wrong:
        await save(env.snapshots, BACKUP, backup)
    return proved(backup, wrong)


def proved(backup: Backup, wrong: list[str]) -> Finding:
    if wrong:
        return failed(f"Backup {backup.id} cannot be trusted: {'; '.join(wrong)}.")
    words = f"Backup {backup.id} of {backup.bytes:,} bytes was restored elsewhere and compared."
    return passed(words, id=backup.id, path=backup.path, sha256=backup.sha256)
