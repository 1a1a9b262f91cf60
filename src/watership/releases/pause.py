"""A migration's pause of all writes is a release's own: measured, bounded at the router, lifted by every way out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from msgspec import Struct

from watership.releases.auditing.audit import Plain
from watership.releases.environment import Authority, Environment
from watership.releases.measurement import number
from watership.releases.ports import Waited
from watership.releases.snapshots import load, save

PAUSE = "pause"
"""Holds the release that turned read-only on; empty when none did."""

PAUSE_SECONDS: Final = 60.0
"""The router lets everybody go by itself after that, whatever became of us."""

MARGIN_SECONDS: Final = 5.0
"""By which what is done in a pause has to be over before the router ends it."""

SETTLE_SECONDS: Final = 2.0
"""Those who were held are let go within milliseconds; who waits for longer is told as waiting still."""

LOOK_SECONDS: Final = 0.02

FIGURES: Final = ("write_pause_seconds", "writes_held", "writes_told_503", "longest_wait_seconds")
"""What a migration tells of its pause."""


class Paused(Struct, frozen=True, kw_only=True):
    """A pause that is over. `seconds`: from before the first could be held until after the last could.

    `waited`: what it came to for clients; None where that is not known, or where they were refused.
    """

    seconds: float
    waited: Waited | None = None


async def held(env: Environment, authority: Authority, act: Callable[[], Awaitable[None]]) -> Paused:
    """Do something while the router holds writes, and reads go on. Raises TimeoutError when it takes too long."""
    began = env.clock.monotonic()
    await env.router.pause(seconds=PAUSE_SECONDS, epoch=authority.epoch, writes_only=True)
    try:
        async with asyncio.timeout(PAUSE_SECONDS - MARGIN_SECONDS):
            await act()
    finally:
        await env.router.resume(epoch=authority.epoch)
        ended = env.clock.monotonic()
    return Paused(seconds=ended - began, waited=await _settled(env))


async def refused(env: Environment, authority: Authority, act: Callable[[], Awaitable[None]]) -> Paused:
    """Do something while new work is told 503: for a router that cannot hold."""
    began = env.clock.monotonic()
    if not (await env.intake.read()).readonly:
        # Noted before it is done, so that whoever goes on after a kill knows whose it is.
        await save(env.snapshots, PAUSE, authority.release)
        await env.intake.set_readonly(True, by=f"release {authority.release}", epoch=authority.epoch)
    try:
        await act()
    finally:
        await lift(env, authority)
    return Paused(seconds=env.clock.monotonic() - began)


async def lift(env: Environment, authority: Authority) -> None:
    """No pause of this release is in force afterwards; what a person turned on stays on."""
    if (await env.router.read()).paused:
        await env.router.resume(epoch=authority.epoch)
    if await load(env.snapshots, PAUSE, str) == authority.release:
        await env.intake.set_readonly(False, by=f"release {authority.release}", epoch=authority.epoch)
        await save(env.snapshots, PAUSE, "")


async def _settled(env: Environment) -> Waited | None:
    """What the router counted, once nobody waits any more."""
    end = env.clock.monotonic() + SETTLE_SECONDS
    while True:
        waited = (await env.router.read()).waited
        if waited is None or not waited.waiting or env.clock.monotonic() >= end:
            return waited
        await env.clock.sleep(LOOK_SECONDS)


def figures(pauses: list[Paused]) -> dict[str, Plain]:
    """All pauses of a release's migrations as figures; what is not known of one is not told of any."""
    if not pauses:
        return {}
    told: dict[str, Plain] = {"write_pause_seconds": sum(each.seconds for each in pauses)}
    waited = [each.waited for each in pauses if each.waited is not None]
    if len(waited) == len(pauses):
        told |= {
            "writes_held": sum(each.held for each in waited),
            "writes_told_503": sum(each.told for each in waited),
            "longest_wait_seconds": max(each.longest for each in waited),
            "held_seconds": sum(each.seconds for each in waited),
        }
    return told


def measured_pause(facts: Mapping[str, Plain]) -> str:
    """What a pause of writes was, in a sentence; empty where none was measured."""
    length, held, told, longest = (number(facts, name) for name in FIGURES)
    if length is None:
        return ""
    words = f"Writes paused for {length:.3g} s"
    if held is None or told is None or longest is None:
        return f"{words}; what that came to for clients is not known."
    return f"{words}: {held:.0f} were held, the longest for {longest:.3g} s; {told:.0f} were told 503."
