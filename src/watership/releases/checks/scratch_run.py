"""Migrations run on a scratch database: forward, backward, and with a look at what they leave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from watership.releases.checks.database import rehearsed
from watership.releases.checks.documents import filled, present, section_of
from watership.releases.checks.kind import check
from watership.releases.checks.migrations import scripts_in
from watership.releases.checks.scene import Scene
from watership.releases.checks.scratch import COLUMNS, UNINDEXED, UNSOUND, Refused, Scratch
from watership.releases.checks.scratch import scratch as scratch_of
from watership.releases.instruments import Row
from watership.releases.measurement import Finding, failed, found, passed

EXCUSED = re.compile(r"^\s*--\s*no index:\s*([\w.]+)", re.MULTILINE)
"""How a script says that a new column needs no index."""


@check("migrations.round_trip", good_for="24h", fix="Mend the script; watership check run schema-migration")
async def round_trip(scene: Scene, *, folder: str, scratch: str, within: float = 300.0) -> Finding:
    """The plan's migrations run forward, backward and forward again on a scratch database that holds all that went
    before; the way back restores the schema column by column, and each way takes less than `within`.

    Where an environment is open, its own migrator rehearses on a copy of its database instead.
    """
    if scene.environment is not None:
        return await rehearsed(scene, within=within)
    scripts = await scripts_in(scene, folder)
    if isinstance(scripts, Finding):
        return scripts
    async with scratch_of(scene, scratch) as there:
        try:
            await there.apply(scripts.earlier)
            before = await there.shape()
            seconds = [await _timed(scene, there, scripts.forward)]
            after = await there.shape()
            seconds.append(await _timed(scene, there, scripts.backward))
            wrong = [*_differences("the way back", before, await there.shape())]
            seconds.append(await _timed(scene, there, scripts.forward))
            wrong += _differences("the second way forward", after, await there.shape())
        except Refused as error:
            return failed(error.message)
    if max(seconds) >= within:
        wrong.append(f"one way took {max(seconds):.3g} s, of {within:g} s allowed")
    words = f"{len(scripts.forward)} migration(s) ran both ways, each in {max(seconds):.3g} s at most."
    return found(not wrong, f"{'; '.join(wrong[:8])}." if wrong else words, seconds=max(seconds))


async def _timed(scene: Scene, there: Scratch, files: Sequence[str]) -> float:
    began = scene.clock.monotonic()
    await there.apply(files)
    return scene.clock.monotonic() - began


def _differences(way: str, wanted: frozenset[str], there: frozenset[str]) -> Iterator[str]:
    for part in sorted(wanted - there):
        yield f"{way} loses {part}"
    for part in sorted(there - wanted):
        yield f"{way} leaves {part}"


@check(
    "migrations.indexed",
    good_for="24h",
    fix="Create the index (CONCURRENTLY on a large table) in the migration.",
)
async def indexed(scene: Scene, *, folder: str, scratch: str) -> Finding:
    """After all migrations each foreign key has an index, and so has each column that the plan's migrations add to a
    table, unless the script says `-- no index: TABLE.COLUMN` and why."""
    grown = await _grown(scene, folder, scratch)
    if isinstance(grown, Finding):
        return grown
    old = {row["table"] for row in grown.before}
    new = {f"{row['table']}.{row['column']}": row for row in grown.after if row["table"] in old}
    added = new.keys() - {f"{row['table']}.{row['column']}" for row in grown.before}
    wrong = [
        f"the new column {name} has no index"
        for name in sorted(added - grown.excused)
        if not new[name]["indexed"]
    ]
    wrong += [f"the foreign key {row['name']} of {row['table']} has no index" for row in grown.unindexed]
    words = f"{len(added)} new column(s) and all foreign keys have an index, or say why not."
    return found(not wrong, f"{'; '.join(wrong)}." if wrong else words, added=len(added))


@check("migrations.constraints", good_for="24h", fix="VALIDATE CONSTRAINT in a later step of the migration.")
async def constraints(scene: Scene, *, folder: str, scratch: str) -> Finding:
    """After all migrations each constraint is validated, each index valid, and each table has a primary key."""
    grown = await _grown(scene, folder, scratch)
    if isinstance(grown, Finding):
        return grown
    wrong = [str(row["what"]) for row in grown.unsound]
    return found(
        not wrong, f"{'; '.join(wrong)}." if wrong else "Every constraint holds, and every table has a key."
    )


@check("migrations.types", good_for="24h", fix="Say in the document how the change of type is handled.")
async def types(scene: Scene, *, folder: str, scratch: str, document: str, section: str) -> Finding:
    """Each column whose type the plan's migrations change is named (TABLE.COLUMN) in that section of the document,
    which says how it is handled."""
    grown = await _grown(scene, folder, scratch)
    if isinstance(grown, Finding):
        return grown
    was = {(row["table"], row["column"]): row["type"] for row in grown.before}
    changes = {
        f"{row['table']}.{row['column']}": f"{was[place]} to {row['type']}"
        for row in grown.after
        if was.get(place := (row["table"], row["column"]), row["type"]) != row["type"]
    }
    if not changes:
        return passed("No column changes its type.")
    told = await present(scene, document)
    if isinstance(told, Finding):
        return told
    body = section_of(told.content.decode(errors="replace"), filled(scene, section)) or ""
    wrong = [f"{name} changes from {change}" for name, change in changes.items() if name not in body]
    words = f"{document} says how {', '.join(changes)} are handled."
    return found(not wrong, f"{'; '.join(wrong)}, of which {document} says nothing." if wrong else words)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grown:
    """The schema before and after the plan's migrations."""

    before: Sequence[Row]
    after: Sequence[Row]
    unindexed: Sequence[Row]
    unsound: Sequence[Row]
    excused: frozenset[str]


async def _grown(scene: Scene, folder: str, server: str) -> _Grown | Finding:
    scripts = await scripts_in(scene, folder)
    if isinstance(scripts, Finding):
        return scripts
    async with scratch_of(scene, server) as there:
        try:
            await there.apply(scripts.earlier)
            before = await there.rows(COLUMNS)
            await there.apply(scripts.forward)
        except Refused as error:
            return failed(error.message)
        return _Grown(
            before=before,
            after=await there.rows(COLUMNS),
            unindexed=await there.rows(UNINDEXED),
            unsound=await there.rows(UNSOUND),
            excused=frozenset(EXCUSED.findall(scripts.text)),
        )
