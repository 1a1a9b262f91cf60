"""A rehearsal's record is read: the migrations went both ways on a copy, and what that cost was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watership.releases.book.quantity import percent, spoken
from watership.releases.checks.documents import marks
from watership.releases.checks.kind import check
from watership.releases.checks.reports import WEEK, json_report, too_old
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed, inconclusive, passed
from watership.releases.readiness.rehearsal import Ran, Rehearsal, Script, differing

REHEARSE: Final = "Rehearse the migrations of this very plan on a fresh copy, and keep the record."

ENOUGH: Final = 100
"""Queries that a 95th percentile is worth anything from."""

NOTHING: Final = passed("The plan holds no migration: there is nothing to rehearse.")


@check("rehearsal.forward", good_for="24h", fix=REHEARSE)
async def forward(
    scene: Scene, *, path: str, copy_younger_than: float = WEEK, younger_than: float = WEEK
) -> Finding:
    """The plan's migrations went forward on a copy of live's database that is younger than `copy_younger_than`."""
    if not scene.plan.migrations:
        return NOTHING
    document, tried, wrong = await _read(scene, path, younger_than)
    wrong += [f"the copy: {words}" for words in too_old(scene, tried.copy.taken_at, copy_younger_than)]
    if not tried.copy.rows:
        wrong.append("the copy had no rows")
    wrong += _way(tried.forward, "forward", scene.plan.migrations[-1].end)
    words = f"forward on a copy of {tried.copy.of} with {tried.copy.rows:,} rows in {_seconds(tried.forward)}"
    return _found(path, document, wrong, words)


@check("rehearsal.backward", good_for="24h", fix=REHEARSE)
async def backward(scene: Scene, *, path: str, younger_than: float = WEEK) -> Finding:
    """They went backward to the very shape from which they came, and forward again."""
    if not scene.plan.migrations:
        return NOTHING
    document, tried, wrong = await _read(scene, path, younger_than)
    wrong += _way(tried.backward, "backward", tried.before.schema)
    wrong += _way(tried.again, "forward again", None)
    if tried.backward is not None and not tried.backward.error and tried.backward.shape != tried.before.shape:
        wrong.append("backward does not lead to the shape from which it came")
    if tried.again is not None and tried.forward is not None and tried.again.shape != tried.forward.shape:
        wrong.append("forward again does not lead where forward did")
    return _found(path, document, wrong, f"backward in {_seconds(tried.backward)}, and forward again")


@check("rehearsal.integrity", good_for="24h", fix=REHEARSE)
async def integrity(scene: Scene, *, path: str, younger_than: float = WEEK) -> Finding:
    """After the way forward the integrity checks found nothing wrong."""
    if not scene.plan.migrations:
        return NOTHING
    document, tried, wrong = await _read(scene, path, younger_than)
    if tried.integrity is None:
        return inconclusive(f"{path} does not say whether the data were whole afterwards.")
    return _found(
        path, document, wrong + list(tried.integrity), "the integrity checks found nothing wrong afterwards"
    )


@check("rehearsal.impact", good_for="24h", fix=REHEARSE)
async def impact(scene: Scene, *, path: str, slower_by: float, younger_than: float = WEEK) -> Finding:
    """The application's queries were slower by `slower_by` at most, while it migrated and afterwards."""
    if not scene.plan.migrations:
        return NOTHING
    document, tried, wrong = await _read(scene, path, younger_than)
    reads = tried.reads
    if reads is None or reads.samples < ENOUGH or reads.before <= 0:
        return inconclusive(f"{path} does not say, by {ENOUGH} queries or more, how slow the queries became.")
    worst = max(reads.during, reads.after) / reads.before - 1
    words = f"p95 of {reads.samples:,} queries rose by {percent(max(worst, 0.0))}; {percent(slower_by)} is the limit"
    return _found(path, document, wrong + ([words] if worst > slower_by else []), words, rise=worst)


@check("rehearsal.indexes", good_for="24h", fix=REHEARSE)
async def indexes(scene: Scene, *, path: str, within: float, younger_than: float = WEEK) -> Finding:
    """How long each index took to build was measured, and is below `within`."""
    if not scene.plan.migrations:
        return NOTHING
    document, tried, wrong = await _read(scene, path, younger_than)
    if tried.indexes is None:
        return inconclusive(f"{path} does not say how long indexes took to build.")
    slow = [
        f"{each.name} on {each.table} took {spoken(each.seconds)}, {spoken(within)} is the limit"
        for each in tried.indexes
        if each.seconds >= within
    ]
    longest = max((each.seconds for each in tried.indexes), default=0.0)
    words = f"{len(tried.indexes)} index(es) were built, the slowest in {longest:.3g} s"
    return _found(path, document, wrong + slow, words, longest=longest)


@check("rehearsal.locks", good_for="24h", fix=REHEARSE)
async def locks(scene: Scene, *, path: str, within: float, younger_than: float = WEEK) -> Finding:
    """Nobody would have waited `within` for a lock of a migration."""
    if not scene.plan.migrations:
        return NOTHING
    document, tried, wrong = await _read(scene, path, younger_than)
    if tried.locks is None:
        return inconclusive(f"{path} does not say how long locks were held.")
    long = [
        f"{each.migration} held {each.mode} on {each.table} for {each.seconds:.3g} s, {spoken(within)} is the limit"
        for each in tried.locks
        if each.seconds >= within
    ]
    longest = max((each.seconds for each in tried.locks), default=0.0)
    words = f"{len(tried.locks)} lock(s), the longest held for {longest:.3g} s"
    return _found(path, document, wrong + long, words, longest=longest)


async def _read(scene: Scene, path: str, younger_than: float) -> tuple[Document, Rehearsal, list[str]]:
    """The record, and what is wrong with it as a whole."""
    document, tried = await json_report(scene, path, Rehearsal)
    planned = [
        Script(name=each.name, forward_sha256=each.forward_sha256, backward_sha256=each.backward_sha256)
        for each in scene.plan.migrations
    ]
    return document, tried, too_old(scene, tried.ended, younger_than) + differing(tried.scripts, planned)


def _way(ran: Ran | None, way: str, schema: int | None) -> list[str]:
    if ran is None:
        return [f"it did not go {way}"]
    if ran.error:
        return [f"{way} failed: {ran.error}"]
    if schema is not None and ran.schema not in (None, schema):
        return [f"{way} led to the schema {ran.schema}, not {schema}"]
    return []


def _seconds(ran: Ran | None) -> str:
    return "?" if ran is None else f"{ran.seconds:.3g} s"


def _found(path: str, document: Document, wrong: Sequence[str], words: str, **facts: float) -> Finding:
    if wrong:
        return failed(f"{path}: {'; '.join(wrong)}.")
    return passed(f"{path}: {words}.", **marks(document), **facts)
