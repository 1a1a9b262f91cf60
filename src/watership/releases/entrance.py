"""The entrance's name is led to a balancer before traffic moves: its TTL first, and never as a way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from watership.durable.clock import Clock
from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import spoken
from watership.releases.book.runbook import Repoint, Ttl
from watership.releases.book.shares import shares
from watership.releases.environment import Authority, Environment
from watership.releases.facts import Position
from watership.releases.measurement import Finding, failed, inconclusive, passed
from watership.releases.plan import Plan
from watership.releases.ports import Pointing
from watership.releases.snapshots import load, save

LOOK_SECONDS: Final = 0.5
"""Between two looks at authorities that follow their primary within seconds."""

FORWARDING: Final = 2
"""As many of the longest TTL is what a balancer that is left has to forward for: some keep a name longer."""

Ordered = Callable[[], Awaitable[str | None]]
"""Whether a person has ordered it back meanwhile, in words."""


class Found(Struct, frozen=True, kw_only=True):
    """How a release found an entrance, since when its TTL is lower, and since when it leads elsewhere."""

    before: Pointing
    lowered: datetime | None = None
    moved: datetime | None = None

    def longest(self, there: Pointing) -> int:
        """Seconds that anybody may have been told to keep it for."""
        return max(self.before.ttl, there.ttl)

    def calm(self, there: Pointing) -> datetime | None:
        """From when on everybody who keeps to the TTL has the present one; None: from the start."""
        return None if self.lowered is None else self.lowered + timedelta(seconds=self.longest(there))


class Doorway:
    """The entrance of one system, for one release."""

    def __init__(self, env: Environment, authority: Authority, plan: Plan, of: str) -> None:
        looking, system = env.instruments, plan.systems.get(of)
        if env.entrances is None or looking is None or system is None:
            raise BadInput(
                f"The system '{of}', whose names are to lead elsewhere, is not named in this plan.",
                fix="watership release plan … --systems systems.yaml",
            )
        self.entrance = env.entrances(system, looking.secrets)
        # Resolvers do not leap with a rehearsal's calendar.
        self.clock: Clock = looking.clock
        self._epoch = authority.epoch
        self._snapshots = env.snapshots
        self._kept = f"{plan.release}.entrance.{of}"

    async def found(self, there: Pointing) -> Found:
        """How it was found; for the first who asks, as it is."""
        known = await load(self._snapshots, self._kept, Found)
        if known is None:
            known = Found(before=there)
            await self.keep(known)
        return known

    async def keep(self, known: Found) -> None:
        await save(self._snapshots, self._kept, known)

    async def set(self, weights: Mapping[str, int], ttl: int) -> None:
        await self.entrance.set(weights, ttl=ttl, epoch=self._epoch)

    async def agreed(self, good: Callable[[Pointing], bool], seconds: float) -> Pointing:
        """What every authority says, once all say the same and it is `good`. Raises Unavailable, in their words."""
        end = self.clock.monotonic() + seconds
        while True:
            said = await self.entrance.read()
            first, *others = said.values()
            if good(first) and all(each == first for each in others):
                return first
            if self.clock.monotonic() >= end:
                words = "; ".join(f"{who}: {_told(each)}" for who, each in said.items())
                raise Unavailable(f"The authorities of {self.entrance.name} do not say it: {words}.")
            await self.clock.sleep(LOOK_SECONDS)


async def keep_for(env: Environment, authority: Authority, plan: Plan, item: Ttl) -> Finding:
    """Have resolvers keep the name for so long from now on; what they have, they keep for as long as before."""
    door, seconds = Doorway(env, authority, plan, item.of), round(item.to)
    there = await door.agreed(lambda _: True, item.timeout)
    known = await door.found(there)
    if there.ttl != seconds:
        await door.set(there.weights, seconds)
    there = await door.agreed(lambda said: said.ttl == seconds, item.timeout)
    if seconds < known.before.ttl and known.lowered is None:
        known = replace(known, lowered=door.clock.now())
        await door.keep(known)
    words = f"Every authority of {door.entrance.name} says {_told(there)}"
    calm = known.calm(there)
    if calm is not None and calm > door.clock.now():
        words += f"; who heard it before may keep it for {spoken(known.before.ttl)}, until {_at(calm)}"
    return passed(f"{words}.", ttl=seconds, before=known.before.ttl)


async def lead(
    env: Environment, authority: Authority, plan: Plan, item: Repoint, *, position: Position, ordered: Ordered
) -> Finding:
    """Let the name lead elsewhere, and wait until everybody who keeps to its TTL comes there."""
    if position.moved:
        return failed("Traffic is being shifted: a name that moves now would stand in the way of a rollback.")
    door, wanted = Doorway(env, authority, plan, item.of), shares(item.to)
    there = await door.agreed(lambda _: True, item.timeout)
    known = await door.found(there)
    end = door.clock.now() + timedelta(seconds=item.timeout)
    if not leads(there, wanted):
        if there.ttl > item.at_most:
            return failed(
                f"{door.entrance.name} may be kept for {spoken(there.ttl)}; {spoken(item.at_most)} is the most. "
                f"Lower its TTL, and wait until the old one is over."
            )
        calm = known.calm(there)
        if calm is not None and calm > end:
            return failed(
                f"Who heard of {door.entrance.name} before its TTL was lowered may keep it until {_at(calm)}; "
                f"it is not moved before."
            )
        if calm is not None and (order := await _waited(door, calm, ordered)):
            return inconclusive(order)
        await door.set(wanted, there.ttl)
        there = await door.agreed(lambda said: leads(said, wanted), item.timeout)
    if known.moved is None:
        known = replace(known, moved=door.clock.now())
        await door.keep(known)
    assert known.moved is not None, "it was kept just now"
    forgotten = known.moved + timedelta(seconds=there.ttl)
    if order := await _waited(door, forgotten, ordered):
        return inconclusive(order)
    return passed(
        _moved(door.entrance.name, there, known, known.moved), ttl=there.ttl, before=known.before.ttl
    )


def leads(there: Pointing, wanted: Mapping[str, int]) -> bool:
    """Whether it leads where it is wanted to, in the same shares."""
    return _shared(there.weights) == _shared(wanted)


def _shared(weights: Mapping[str, int]) -> dict[str, Fraction]:
    whole = sum(weights.values())
    return {value: Fraction(weight, whole) for value, weight in weights.items() if weight}


async def _waited(door: Doorway, until: datetime, ordered: Ordered) -> str | None:
    """Wait; why it was given up, where a person ordered something else."""
    while (left := (until - door.clock.now()).total_seconds()) > 0:
        if order := await ordered():
            return order
        await door.clock.sleep(min(left, LOOK_SECONDS))
    return None


def _moved(name: str, there: Pointing, known: Found, moved: datetime) -> str:
    gone = sorted(set(_shared(known.before.weights)) - set(_shared(there.weights)))
    words = f"Every authority of {name} says {_told(there)}, since {_at(moved)}; the TTL has passed since."
    if gone:
        until = moved + timedelta(seconds=FORWARDING * known.longest(there))
        words += f" Some keep a name longer: let {', '.join(gone)} forward until {_at(until)}, and until nobody comes."
    return f"{words} A rollback does not touch it."


def _told(said: Pointing) -> str:
    parts = [f"{value} ({weight})" if weight != 1 else value for value, weight in said.weights.items()]
    return f"{', '.join(parts) or 'nothing'}, to be kept for {spoken(said.ttl)}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
