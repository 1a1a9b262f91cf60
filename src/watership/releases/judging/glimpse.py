"""A glimpse is what is seen of both slots at a moment beside the traffic: what the router cannot count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from typing import Final, cast

import msgspec
from msgspec import Struct, structs

from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.environment import Environment
from watership.releases.judging import nearby
from watership.releases.judging.feed import Subject
from watership.releases.judging.fuse import Happening, Reading
from watership.releases.judging.nearby import Exposed, Soundness
from watership.releases.judging.sources import EXPOSED, OF_PROCESSES, watched
from watership.releases.plan import Plan, Side
from watership.releases.ports import Instance

HOLDS_SECONDS: Final = 5.0
"""A glimpse stands for the seconds until the next look. A window of 30 s then holds six looks of its own."""

MEANWHILE_SECONDS: Final = 60.0
"""Over which what instances count is taken: some looks, so that there is something to count."""


class Glimpse(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was seen `at` a moment, slot by slot. `exposed` and `soundness` are kept for the next look."""

    at: datetime
    slots: Mapping[Slot, Reading] = {}
    exposed: Mapping[Slot, Exposed] = {}
    soundness: Soundness | None = None

    def of(self, slot: Slot) -> Reading:
        return self.slots.get(slot, Reading())

    def covers(self, second: int) -> bool:
        """Whether it may stand for that second."""
        return abs(second - self.at.timestamp()) <= HOLDS_SECONDS


async def look(env: Environment, plan: Plan | None = None, earlier: Sequence[Glimpse] = ()) -> Glimpse:
    """Ask everybody, all at once. It never raises: no answer is not known.

    `plan`: whose sides are asked about, for what its fuses watch; without one, the slots of the router, for everything.
    `earlier`: the glimpses of the last minute, in order.
    """
    at, before = env.clock.now(), earlier[-1] if earlier else None
    looked = _Look(env, plan, await _targets(env))
    await looked.begin()
    slots = list(looked.slots)
    readings, exposed, soundness, breach, disk = await asyncio.gather(
        asyncio.gather(*(looked.beside(slot) for slot in slots)),
        asyncio.gather(*(looked.exposed(slot) for slot in slots)),
        looked.checked(before.soundness if before else None),
        nearby.breached(env, plan.release if plan else ""),
        _disk(env),
    )
    glimpse = Glimpse(at=at, exposed=dict(zip(slots, exposed, strict=True)), soundness=soundness)
    seen = {}
    for slot, (near, fed) in zip(slots, readings, strict=True):
        own = _counted(glimpse, slot, [each for each in earlier if _lately(each, at)])
        shared = {
            "data_corruption": None if soundness is None else soundness.corrupted,
            "security_breach": breach,
        }
        seen[slot] = (_joined(near, own, _event(shared), Reading(disk=disk)), fed)
    return structs.replace(glimpse, slots=_preferred(seen, plan.next.slot if plan else None))


class _Look:
    """One look: who is asked for each slot, and for what."""

    def __init__(self, env: Environment, plan: Plan | None, targets: Mapping[Slot, Sequence[str]]) -> None:
        self._env = env
        self._targets = targets
        self._instances: Sequence[Instance] = ()
        self._sides: dict[Slot, Side] = {side.slot: side for side in (plan.live, plan.next)} if plan else {}
        self._wanted = {watched(fuse) for fuse in plan.fuses} if plan else None
        self._feeds = tuple(feed for feed in plan.feeds if self._wants(feed.of)) if plan else ()
        self.slots = sorted({*targets, *self._sides})

    async def begin(self) -> None:
        if self._wants(*OF_PROCESSES):
            with suppress(Unavailable):
                self._instances = await self._env.hosts.instances()

    def _wants(self, *names: str) -> bool:
        """Whether some fuse watches one of these: nobody is troubled for what no fuse watches."""
        return self._wanted is None or not self._wanted.isdisjoint(names)

    def _addresses(self, slot: Slot) -> Sequence[str]:
        return self._targets.get(slot, ())

    async def exposed(self, slot: Slot) -> Exposed:
        return (
            await nearby.exposed(self._env.probe, self._addresses(slot))
            if self._wants(*EXPOSED)
            else Exposed()
        )

    async def checked(self, last: Soundness | None) -> Soundness | None:
        return await nearby.checked(self._env, last) if self._wants("data_corruption") else None

    async def beside(self, slot: Slot) -> tuple[Reading, Reading]:
        """What a slot shows by itself, and what whoever keeps the metrics tells of it."""
        side = self._sides.get(slot)
        mine = [each for each in self._instances if side is not None and each.deployment == side.deployment]
        reach, use, fed = await asyncio.gather(
            nearby.reached(self._env.probe, self._addresses(slot)), self._used(mine), self._fed(side)
        )
        return _joined(reach, use, _event({"out_of_memory": nearby.starved(mine)})), fed

    async def _used(self, mine: Sequence[Instance]) -> Reading:
        return await nearby.used(self._env, mine) if self._wants("cpu", "memory") else Reading()

    async def _fed(self, side: Side | None) -> Reading:
        if side is None or self._env.kept is None or not self._feeds:
            return Reading()
        told = await self._env.kept.ask(self._feeds, Subject(slot=side.slot, deployment=side.deployment))
        return told.reading


async def _targets(env: Environment) -> Mapping[Slot, Sequence[str]]:
    try:
        return (await env.router.read()).targets
    except Unavailable:
        return {}


async def _disk(env: Environment) -> float | None:
    try:
        return await env.used_disk()
    except Unavailable:
        return None


def _lately(glimpse: Glimpse, at: datetime) -> bool:
    return (at - glimpse.at).total_seconds() <= MEANWHILE_SECONDS


def _counted(glimpse: Glimpse, slot: Slot, lately: Sequence[Glimpse]) -> Reading:
    """What a slot's instances counted, over the last minute where it is a rate."""
    now = glimpse.exposed[slot]
    before = lately[0].exposed.get(slot) if lately else None
    failed = {
        "unhandled_in_critical_path": None if now.critical is None else now.critical > 0,
        "feature_failure": None if now.other is None else now.other > 0,
    }
    rate = nearby.hit_rate(before, now) if before is not None else None
    return _joined(_event(failed), Reading(cache_hit_rate=rate, query_time=now.query_time))


def _event(looked: Mapping[str, bool | None]) -> Reading:
    return Reading(happened=cast("dict[Happening, bool]", nearby.happenings(looked)))


def _joined(*readings: Reading) -> Reading:
    """Several that tell of different things, as one."""
    told = [structs.asdict(each) for each in readings]
    known = {name: value for each in told for name, value in each.items() if value is not None}
    happened = {name: so for each in readings for name, so in each.happened.items()}
    return msgspec.convert(known | {"happened": happened}, Reading)


def _preferred(seen: Mapping[Slot, tuple[Reading, Reading]], nxt: Slot | None) -> dict[Slot, Reading]:
    """What is fed of next is taken from the feed, of both slots, so that no figure is compared with another's; what
    the feed does not tell, the slots show by themselves."""
    if nxt is None:
        return {slot: near for slot, (near, _) in seen.items()}
    _, there = seen[nxt]
    figures = [
        name for name, value in structs.asdict(there).items() if name != "happened" and value is not None
    ]
    chosen = {}
    for slot, (near, fed) in seen.items():
        taken = structs.replace(near, **{name: getattr(fed, name) for name in figures})
        events = {name: fed.happened.get(name) for name in there.happened}
        happened = near.happened | {name: so for name, so in events.items() if so is not None}
        for name, so in events.items():
            if so is None:
                happened.pop(name, None)
        chosen[slot] = structs.replace(taken, happened=happened)
    return chosen


def over(glimpses: Sequence[Glimpse], slot: Slot, first: int, last: int) -> Reading:
    """What was seen of a slot in the seconds from `first` to `last`: what was not seen throughout is unknown.

    Of several looks the mildest counts, since a fuse needs what is wrong to be so throughout; an event counts once.
    """
    if first == last:
        nearest = min(glimpses, key=lambda each: abs(first - each.at.timestamp()), default=None)
        return nearest.of(slot) if nearest is not None and nearest.covers(first) else Reading()
    there = [
        each for each in glimpses if first - HOLDS_SECONDS <= each.at.timestamp() <= last + HOLDS_SECONDS
    ]
    whole = bool(there) and there[0].covers(first) and there[-1].covers(last)
    if not whole or any((b.at - a.at).total_seconds() > 2 * HOLDS_SECONDS for a, b in pairwise(there)):
        return Reading()
    return _mildest([each.of(slot) for each in there])


GOOD: Final[Mapping[str, Callable[[Iterable[float]], float]]] = {
    "cache_hit_rate": max,
    "database": max,
    "rabbitmq": max,
}
"""Of what more is better; of everything else less is."""


def _mildest(readings: Sequence[Reading]) -> Reading:
    told = [structs.asdict(each) for each in readings]
    figures: dict[str, object] = {}
    for name in told[0].keys() - {"happened"}:
        values = [each[name] for each in told]
        figures[name] = None if None in values else GOOD.get(name, min)(values)
    names = {name for each in readings for name in each.happened}
    looks = {name: [each.happened.get(name) for each in readings] for name in names}
    happened = {name: any(looks[name]) for name in names if any(looks[name]) or None not in looks[name]}
    return msgspec.convert(figures | {"happened": happened}, Reading)
