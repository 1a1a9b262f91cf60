"""What is nearby shows something by itself: the instances, their processes, and the database that they share.

Nothing here raises: what does not answer, or does not say, is unknown.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Final

import msgspec
from msgspec import Struct

from watership.errors import Unavailable, WatershipError
from watership.releases.environment import Environment
from watership.releases.judging.fuse import Reading
from watership.releases.ports import Instance, Probe

ANSWER_SECONDS: Final = 3.0
"""More than an instance waits for a component that hangs (2 s), less than the switches leave (15 s)."""

SAMPLE_SECONDS: Final = 0.5
"""For which CPU is measured."""

CHECKED_SECONDS: Final = 60.0
"""Between two times that the database checks itself, which may read all of it."""

UNASKED: Final = "not configured"
"""What an instance says of a component that it does not have."""

FEWEST_READS: Final = 20
"""Reads of a cache: one hit more or less is then 5 % of them."""

LINE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
"""A sample of Prometheus' text format, as our instances write it: no timestamps."""


class Exposed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What instances count since they began, and how long their store took just now; None is not told."""

    hits: float | None = None
    reads: float | None = None
    critical: float | None = None
    """Requests to take work in that ended in an exception that nobody caught."""
    other: float | None = None
    query_time: float | None = None


class Soundness(Struct, frozen=True, kw_only=True):
    """What the database's own checks found, and when; None: they did not come to an end. `before`: what they found at
    the first look."""

    at: datetime
    faults: tuple[str, ...] | None
    before: tuple[str, ...] | None

    @property
    def corrupted(self) -> bool | None:
        """Whether there is a fault that was not there at first. Of one that was, nobody knows whose it is."""
        if self.faults is None:
            return None
        if not self.faults:
            return False
        return True if set(self.faults) - set(self.before or ()) else None


class _Told(Struct, frozen=True):
    """What we read of an answer of /health; what it does not tell stays unknown."""

    database: str | None = None
    rabbitmq: str | None = None


# --- the instances -----------------------------------------------------------------------------------------------


async def reached(probe: Probe, addresses: Sequence[str]) -> Reading:
    """What the instances say that they reach."""
    told = await asyncio.gather(*(_told(probe, address) for address in addresses))
    return Reading(
        database=_any_ok([each.database for each in told]), rabbitmq=_any_ok([each.rabbitmq for each in told])
    )


async def _told(probe: Probe, address: str) -> _Told:
    try:
        answer = await probe.request("GET", f"http://{address}/health", timeout=ANSWER_SECONDS)
        return msgspec.json.decode(answer.body, type=_Told)
    except (Unavailable, msgspec.DecodeError):
        # An instance that does not answer is the router's business; of what is behind it we know nothing.
        return _Told()


def _any_ok(answers: Sequence[str | None]) -> bool | None:
    """One instance that reaches it is enough; lost is only what each that answered calls lost."""
    known = [answer == "ok" for answer in answers if answer is not None and answer != UNASKED]
    return any(known) if known else None


async def exposed(probe: Probe, addresses: Sequence[str]) -> Exposed:
    """What the instances expose, taken together: a sum is known when each of them tells its part."""
    every = await asyncio.gather(*(_exposed(probe, address) for address in addresses))
    slowest = [each.query_time for each in every if each.query_time is not None]
    return Exposed(
        hits=_sum(each.hits for each in every),
        reads=_sum(each.reads for each in every),
        critical=_sum(each.critical for each in every),
        other=_sum(each.other for each in every),
        query_time=max(slowest) if slowest and len(slowest) == len(every) else None,
    )


async def _exposed(probe: Probe, address: str) -> Exposed:
    try:
        answer = await probe.request("GET", f"http://{address}/metrics", timeout=ANSWER_SECONDS)
    except Unavailable:
        return Exposed()
    return read(answer.body.decode(errors="replace")) if answer.status == 200 else Exposed()


def read(text: str) -> Exposed:
    """An instance's metrics in Prometheus' text format."""
    found: dict[str, list[tuple[str, float | None]]] = {}
    for name, labels, value in LINE.findall(text):
        found.setdefault(name, []).append((labels, _number(value)))

    def summed(name: str, label: str) -> float | None:
        return _sum(value for labels, value in found.get(name, ()) if label in labels)

    return Exposed(
        hits=summed("watership_cache_reads_total", 'outcome="hit"'),
        reads=summed("watership_cache_reads_total", ""),
        critical=summed("watership_unhandled_total", 'path="critical"'),
        other=summed("watership_unhandled_total", 'path="other"'),
        query_time=summed("watership_store_query_seconds", ""),
    )


def _number(text: str) -> float | None:
    """A build may write there what it likes: what is no number is not known."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _sum(values: Iterable[float | None]) -> float | None:
    """Of nothing, or with something unknown, it is unknown."""
    every = list(values)
    known = [value for value in every if value is not None]
    return sum(known) if known and len(known) == len(every) else None


def hit_rate(before: Exposed, now: Exposed) -> float | None:
    """The share of reads that a cache answered meanwhile. Counters that began anew say nothing."""
    if before.hits is None or before.reads is None or now.hits is None or now.reads is None:
        return None
    hits, reads = now.hits - before.hits, now.reads - before.reads
    return hits / reads if reads >= FEWEST_READS and 0 <= hits <= reads else None


# --- their processes ---------------------------------------------------------------------------------------------


async def used(env: Environment, instances: Sequence[Instance]) -> Reading:
    """The memory of all processes together, as a share of what they may take, and the CPU of the busiest one, as a
    share of one processor: of every process, or unknown."""
    pids = [each.pid for each in instances if each.pid is not None]
    if env.usage is None or not pids or len(pids) < len(instances):
        return Reading()
    try:
        use = await env.usage.of(pids, seconds=SAMPLE_SECONDS)
    except Unavailable:
        return Reading()
    if set(use.processes) != set(pids):
        return Reading()
    return Reading(
        cpu=max(each.cpu for each in use.processes.values()),
        memory=sum(each.memory for each in use.processes.values()) / use.memory,
    )


def starved(instances: Sequence[Instance]) -> bool | None:
    """Whether the system ended a process for want of memory, ever since the deployment stands."""
    kills = [each.oom_kills for each in instances]
    if any(kills):
        return True
    return False if kills and None not in kills else None


# --- what they share ---------------------------------------------------------------------------------------------


async def checked(env: Environment, last: Soundness | None) -> Soundness:
    """What the database's own checks find; what they found within the last minute still stands."""
    at = env.clock.now()
    if last is not None and (at - last.at).total_seconds() < CHECKED_SECONDS:
        return last
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            found = await env.migrator.integrity()
    except (WatershipError, TimeoutError):
        return Soundness(at=at, faults=None, before=last.before if last else None)
    # How long ago, or how many, is told anew at each look; what it is stays the same.
    faults = tuple(sorted({re.sub(r"\d+", "#", each) for each in found}))
    before = last.before if last is not None and last.before is not None else faults
    return Soundness(at=at, faults=faults, before=before)


async def breached(env: Environment, release: str) -> bool | None:
    """Whether people have put down a security incident that is going on."""
    if env.breach is None:
        return None
    try:
        return await env.breach(release)
    except WatershipError:
        return None


def happenings(looked: Mapping[str, bool | None]) -> dict[str, bool]:
    """Those of which something is known."""
    return {name: told for name, told in looked.items() if told is not None}
