"""Thresholds: fuses that overlap, that hide each other, or that cannot blow where they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import inf
from typing import assert_never

from msgspec import Struct

from watership.releases.book.lint.place import Places
from watership.releases.book.lint.remark import Remark, remark
from watership.releases.book.lint.stage import Stage, stages
from watership.releases.book.quantity import spoken
from watership.releases.book.runbook import Runbook
from watership.releases.judging.fuse import Action, Drift, ErrorRate, Event, Fuse, Level, Lost
from watership.releases.judging.gate import GateSpec

URGENCY = [action.value for action in Action]


class Band(Struct, frozen=True):
    """What a fuse watches, from above which value to which, and for how long it must last."""

    of: str
    above: float
    up_to: float
    window: float


def band(fuse: Fuse) -> Band | None:
    """The band of a fuse; None where it happens or not, without a threshold."""
    match fuse:
        case ErrorRate():
            return Band("error_rate", fuse.above, inf if fuse.up_to >= 1 else fuse.up_to, fuse.window)
        case Level():
            return Band(fuse.of, fuse.bound, inf if fuse.up_to is None else fuse.up_to, fuse.window)
        case Drift() | Lost():
            return Band(f"{fuse.of} {fuse.__struct_config__.tag}", 0.0, inf, fuse.window)
        case Event():
            return None
        case _:
            assert_never(fuse)


def remarks(book: Runbook, places: Places) -> Iterator[Remark]:
    bands = [(index, fuse, found) for index, fuse in enumerate(book.fuses) if (found := band(fuse))]
    for index, fuse, found in bands:
        if found.up_to <= found.above:
            words = f"'{fuse.name}' can never blow: nothing is above its threshold and within its 'up_to'"
            yield remark("warning", "empty-band", places.of("fuses", index), words)
        longest = max([book.watch.length, *(stage.soak.give_up for stage in stages(book))])
        if found.window > longest:
            words = f"'{fuse.name}' can never blow: nothing is watched for longer than {spoken(longest)}"
            yield remark("warning", "dead-fuse", places.of("fuses", index), words)
    for one, other in combinations(bands, 2):
        lower, upper = sorted((one, other), key=lambda each: (each[2].above, each[2].window))
        if lower[2].of == upper[2].of and upper[2].above < min(lower[2].up_to, upper[2].up_to):
            yield from _overlap(lower, upper, places)
    for stage in stages(book):
        yield from _too_long(book, stage, places)


Placed = tuple[int, Fuse, Band]


def _overlap(lower: Placed, upper: Placed, places: Places) -> Iterator[Remark]:
    (_, milder, low), (index, fuse, high) = lower, upper
    there = places.of("fuses", lower[0])
    hides = low.up_to >= high.up_to and low.window <= high.window
    if hides and URGENCY.index(milder.then) <= URGENCY.index(fuse.then):
        words = f"'{fuse.name}' ({fuse.then}) is never the first to blow: '{milder.name}' ({milder.then}, {there}) is"
        yield remark("warning", "hidden-fuse", places.of("fuses", index), words)
    elif milder.then != fuse.then:
        words = (
            f"'{milder.name}' ({milder.then}) and '{fuse.name}' ({fuse.then}, {places.of('fuses', index)}) overlap: "
            f"one value calls for both; an 'up_to' on the first parts them"
        )
        yield remark("warning", "overlap", there, words)


def _too_long(book: Runbook, stage: Stage, places: Places) -> Iterator[Remark]:
    """Fuses that are to take a release back, and whose window is longer than the soak before the next shift."""
    for index, fuse in enumerate(book.fuses):
        found = band(fuse)
        if found is None or fuse.then != "roll_back" or found.window <= stage.seconds:
            continue
        held = _held(found, book.gate)
        words = f"'{fuse.name}' cannot blow within {stage.words}: its window is {spoken(found.window)}"
        if held:
            yield remark(
                "note", "window", places.of("fuses", index), f"{words}; there the gate watches {held}"
            )
        else:
            words += f", and no arm of the gate watches {found.of}"
            yield remark("warning", "window", places.of("fuses", index), words)


def _held(found: Band, gate: GateSpec) -> str | None:
    """What of the gate answers for the same thing meanwhile."""
    measure = {"error_rate": "errors", "latency_p95": "slow"}.get(found.of)
    return measure if measure and any(arm.of == measure for arm in gate.arms) else None
