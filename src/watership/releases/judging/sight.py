"""What was served lately, read from the router's own counts; a second that is not known stays unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from watership.durable.clock import Clock
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.environment import Environment
from watership.releases.judging.traffic import together
from watership.releases.ports import Metrics, Router, TrafficTick


class Served(Struct, frozen=True, kw_only=True):
    """Sums over whole seconds."""

    seconds: int = 0
    requests: int = 0
    errors: int = 0


async def served(env: Environment, slot: Slot, *, after: float, until: float) -> Served:
    """What a slot served in whole seconds between two moments (Unix time). Raises Unavailable."""
    ticks = await env.metrics.ticks(after=int(after), until=int(until))
    return summed(ticks, slot)


async def lately(env: Environment, seconds: int) -> tuple[int, Mapping[Slot, Sequence[TrafficTick]]]:
    """The last whole seconds that the router counted, `seconds` at most, and how many they are. Raises Unavailable."""
    # What is scraped is known later, and in longer pieces.
    late = 3 * env.every if env.every > 1 else 0
    return await counted(env.clock, env.router, env.metrics, seconds + late)


async def counted(
    clock: Clock, router: Router, metrics: Metrics, seconds: int
) -> tuple[int, Mapping[Slot, Sequence[TrafficTick]]]:
    """The same, where there is no whole environment."""
    after, until = window(clock.now(), (await router.read()).started_at, seconds)
    if after >= until:
        raise Unavailable("The router has not counted a whole second yet.")
    ticks = await metrics.ticks(after=after, until=until)
    return max((told(of) for of in ticks.values()), default=0), ticks


def told(ticks: Sequence[TrafficTick]) -> int:
    """The seconds that ticks tell of."""
    return sum(tick.span for tick in ticks)


def window(now: datetime, began: datetime | None, seconds: int) -> tuple[int, int]:
    """The last whole seconds (after, until), `seconds` at most: since the router began, where that is known. Of a
    router that has not counted one yet `after` is not before `until`."""
    until = int(now.timestamp()) - 1
    after = until - seconds
    return (after if began is None else max(after, int(began.timestamp()) + 1)), until


def summed(ticks: Mapping[Slot, Sequence[TrafficTick]], slot: Slot) -> Served:
    of = ticks.get(slot)
    if of is None:
        raise Unavailable(f"Nothing is known of what {slot} served.")
    whole = together(of)
    return Served(seconds=told(of), requests=whole.requests, errors=whole.errors)
