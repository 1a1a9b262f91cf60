"""Migration scripts come in pairs without a gap, were tested, and are told of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from watership.releases.checks.documents import filled, present, section_of
from watership.releases.checks.faults import judged
from watership.releases.checks.junit import State, parsed
from watership.releases.checks.kind import check
from watership.releases.checks.reports import report as read
from watership.releases.checks.reports import stale
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, passed
from watership.releases.plan import PlannedMigration

SCRIPT = re.compile(r"(forward|backward)_(\d+(?:\.\d+)*)\.sql$")

NAMED = re.compile(r"\d+(?:\.\d+)+")

Version = tuple[int, ...]

TOUCHED = re.compile(
    r"\b(?:CREATE|ALTER|DROP)\s+TABLE\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:ONLY\s+)?\"?([\w.]+)\"?",
    re.IGNORECASE,
)
"""The tables that a script makes, changes or drops."""


class Scripts(Struct, frozen=True, kw_only=True):
    """The scripts of a folder around the plan's migrations, as paths in the order in which they run."""

    earlier: tuple[str, ...]
    forward: tuple[str, ...]
    backward: tuple[str, ...]
    text: str
    """Of the plan's forward scripts."""
    count: int


async def scripts_in(scene: Scene, folder: str) -> Scripts | Finding:
    """The scripts of the folder; a failed finding when one lacks its other half, or a number is missing."""
    paths = await scene.look.documents.names(f"{folder}/*.sql")
    ways: dict[str, dict[Version, str]] = {"forward": {}, "backward": {}}
    for path in paths:
        if (script := SCRIPT.search(path)) is not None:
            ways[script[1]][_version(script[2])] = script[2]
    forward, backward = ways["forward"], ways["backward"]
    if not forward:
        return failed(f"{folder} holds no migration (forward_1.sql, backward_1.sql).")
    wrong = [f"forward_{forward[each]}.sql has no way back" for each in sorted(forward.keys() - backward)]
    wrong += [
        f"backward_{backward[each]}.sql has no way forward" for each in sorted(backward.keys() - forward)
    ]
    if all(len(each) == 1 for each in forward):
        numbers = [each[0] for each in forward]
        wrong += [
            f"number {each} is missing" for each in range(min(numbers), max(numbers)) if each not in numbers
        ]
    planned = sorted(_planned(each) for each in scene.plan.migrations)
    wrong += [
        f"the plan's migration {'.'.join(map(str, each))} is not there"
        for each in planned
        if each not in forward
    ]
    if wrong:
        return failed(f"{folder}: {'; '.join(wrong)}.")
    return Scripts(
        earlier=tuple(
            f"{folder}/forward_{forward[each]}.sql"
            for each in sorted(forward)
            if not planned or each < planned[0]
        ),
        forward=tuple(f"{folder}/forward_{forward[each]}.sql" for each in planned),
        backward=tuple(f"{folder}/backward_{forward[each]}.sql" for each in reversed(planned)),
        text=await _text(scene, [f"{folder}/forward_{forward[each]}.sql" for each in planned]),
        count=len(forward),
    )


def _version(words: str) -> Version:
    """What scripts are ordered by: 2.10 comes after 2.9."""
    return tuple(int(part) for part in words.split("."))


def _planned(migration: PlannedMigration) -> Version:
    """By its name, where that is a version; else by the number that it leads to."""
    return _version(migration.name) if NAMED.fullmatch(migration.name) else (migration.end,)


async def _text(scene: Scene, paths: Sequence[str]) -> str:
    found = [await scene.look.documents.read(path) for path in paths]
    return "\n".join(each.content.decode(errors="replace") for each in found if each is not None)


@check("migrations.tested", good_for="24h", fix="Test the migrations, and keep the JUnit report.")
async def tested(scene: Scene, *, folder: str, report: str, younger_than: float = 7 * 86400.0) -> Finding:
    """The scripts of the folder are in pairs and without a gap, and their tests passed for next's version: the JUnit
    report at `report` is fresh, about the build that is released, and has cases of which none failed or was skipped."""
    scripts, document = await scripts_in(scene, folder), await read(scene, report)
    if isinstance(scripts, Finding):
        return scripts
    results = parsed(document.content, report)
    first, _ = results.times()
    wrong = await stale(scene, document, younger_than=younger_than, at=first, builds=results.builds())
    if not results.cases:
        wrong.append("it has no case")
    # A test that was skipped has tested nothing.
    wrong += [f"{case.name} {case.state}" for case in results.cases if case.state is not State.PASSED]
    words = f"{scripts.count} pairs of scripts are there, and {len(results.cases)} tests passed."
    return judged([f"{report}: {each}" for each in wrong], words, tests=len(results.cases))


@check("migrations.documented", good_for="48h", fix="Tell what the migration changes, table by table.")
async def documented(scene: Scene, *, folder: str, document: str, section: str) -> Finding:
    """The section of the document names each table that the plan's migrations make, change or drop."""
    scripts = await scripts_in(scene, folder)
    if isinstance(scripts, Finding):
        return scripts
    tables = sorted(set(TOUCHED.findall(scripts.text)))
    if not tables:
        return passed("The plan's migrations touch no table.")
    told = await present(scene, document)
    if isinstance(told, Finding):
        return told
    body = section_of(told.content.decode(errors="replace"), filled(scene, section))
    if body is None:
        return failed(f"{document} has no section '{filled(scene, section)}'.")
    lacks = [table for table in tables if table not in body]
    words = f"{document} tells what becomes of {', '.join(tables)}."
    return found(not lacks, f"{document} does not name {', '.join(lacks)}." if lacks else words)
