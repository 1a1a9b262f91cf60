"""A migration's pause of all writes is a release's own: what a person turned on stays on."""

from __future__ import annotations

from watership.releases.environment import Environment
from watership.releases.snapshots import load, save

PAUSE = "pause"
"""Holds the release that turned read-only on; empty when none did."""


async def pause(env: Environment, release: str, *, epoch: int) -> None:
    """Read-only on. Noted before it is done, so that whoever goes on after a kill knows whose it is."""
    if (await env.intake.read()).readonly:
        return
    await save(env.snapshots, PAUSE, release)
    await env.intake.set_readonly(True, by=f"release {release}", epoch=epoch)


async def resume(env: Environment, release: str, *, epoch: int) -> None:
    """Read-only off, if this release turned it on."""
    if await load(env.snapshots, PAUSE, str) == release:
        await env.intake.set_readonly(False, by=f"release {release}", epoch=epoch)
        await save(env.snapshots, PAUSE, "")
