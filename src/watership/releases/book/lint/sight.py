"""Sight: a soak is long enough for the regression that the gate says it sees, at a stated traffic."""

from __future__ import annotations

from collections.abc import Iterator

from watership.releases.book.lint.place import Places
from watership.releases.book.lint.remark import Remark, remark
from watership.releases.book.lint.stage import Stage, stages
from watership.releases.book.lint.threshold import band
from watership.releases.book.quantity import percent, spoken
from watership.releases.book.runbook import Runbook
from watership.releases.judging.arms import AgainstLive
from watership.releases.judging.power import Traffic, soak_needed, stated


def remarks(book: Runbook, places: Places, per_second: float | None) -> Iterator[Remark]:
    for stage in stages(book):
        place = places.of(*stage.path)
        if stage.share <= 0:
            words = f"{stage.words} judges nothing: no shift comes before it"
            yield remark("warning", "blind-soak", place, words)
        elif stage.share >= 1 and all(isinstance(arm, AgainstLive) for arm in book.gate.arms):
            words = f"{stage.words} compares with a live that gets no traffic"
            yield remark("warning", "blind-soak", place, words)
        elif per_second is not None:
            yield from _too_short(book, stage, per_second, places)


def _too_short(book: Runbook, stage: Stage, per_second: float, places: Places) -> Iterator[Remark]:
    place, traffic = places.of(*stage.path), Traffic(per_second=per_second, share=stage.share)
    needed = soak_needed(book.gate, traffic)
    seen = f"a regression of {percent(stated(book.gate))} at {per_second:g} requests per second"
    if needed is None:
        yield remark(
            "warning", "blind-soak", place, f"no soak of a day sees {seen}, at {percent(stage.share)} on next"
        )
    elif needed > stage.soak.give_up:
        words = f"{stage.words} gives up after {spoken(stage.soak.give_up)}; {seen} takes {spoken(needed)} to judge"
        yield remark("warning", "blind-soak", place, words)
    elif needed > stage.seconds:
        words = f"{stage.words} is too short for {seen}: it goes on for {spoken(needed)}"
        yield remark("warning", "short-soak", place, words)
    for index, fuse in enumerate(book.fuses):
        found, enough = band(fuse), getattr(fuse, "min_samples", 0)
        there = 0.0 if found is None else found.window * per_second * stage.share
        if found is not None and there < enough:
            words = f"'{fuse.name}' sees {there:.0f} requests in its window within {stage.words}; it needs {enough}"
            yield remark("warning", "starved-fuse", places.of("fuses", index), words)
