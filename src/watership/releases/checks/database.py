"""The schema is asked of the database itself: version, integrity, and a rehearsal on a copy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from watership.errors import BadInput
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.ddl import ROWS, remarks, touched
from watership.releases.measurement import Finding, failed, found, inconclusive, passed
from watership.releases.order import Release
from watership.releases.plan import PlannedMigration
from watership.releases.ports import Migration


@check("schema.compatible")
async def compatible(scene: Scene) -> Finding:
    """Both builds can live with every version that the plan passes through, beginning with the present one."""
    versions = {await scene.env.migrator.version(), *(each.end for each in scene.plan.migrations)}
    wrong = [
        f"{side.build.version} cannot live with schema {version}"
        for side in (scene.plan.live, scene.plan.next)
        for version in sorted(versions)
        if version not in side.build.schema
    ]
    spoken = " and ".join(str(version) for version in sorted(versions))
    return found(not wrong, "; ".join(wrong) or f"Both builds can live with schema {spoken}.")


@check(
    "migration.linted",
    good_for="24h",
    fix="Mend the script; begin one that drops with '-- contract', one that blocks with '-- pauses writes'.",
)
async def linted(scene: Scene, *, rows: int = ROWS) -> Finding:
    """Nothing speaks against the plan's forward scripts: they break no build that serves beside, and do nothing at once
    to all of more than `rows` live rows while others wait. A PostgreSQL's are read by squawk, too."""
    migrations = (*scripts(scene.release), *contract_scripts(scene.release))
    if not migrations:
        return passed("The plan has no migration.")
    tables = touched(migrations)
    there = await scene.env.migrator.rows(tables, most=rows)
    told = await scene.env.migrator.lint(migrations)
    wrong = [str(each) for each in (*remarks(migrations, there, most=rows), *told.remarks)]
    if wrong:
        return failed("; ".join(wrong), remarks=len(wrong))
    if told.unknown:
        return inconclusive(f"Locks were not looked for: {told.unknown}. Mend it: {told.fix}")
    met = ", ".join(f"{name} {count:,} rows" for name, count in there.items()) or "no rows that were there"
    return passed(f"Nothing speaks against {len(migrations)} migration(s); they meet {met}.")


@check("migration.rehearsed", good_for="24h")
async def rehearsed(scene: Scene, *, within: float, locked: float = 1.0) -> Finding:
    """Forward, backward and forward on a copy, each step within `within`. A lock that makes others wait is held for
    less than `locked` seconds, or by a migration for which writes are held."""
    migrations = scripts(scene.release)
    if not migrations:
        return passed("The plan has no migration.")
    try:
        tried = await scene.env.migrator.rehearse(migrations)
    except BadInput as error:
        return failed(str(error))
    took = f"The longest of {len(migrations)} migration(s) took {tried.seconds:.3g} s on a copy"
    words = f"{took}; {within:g} s are allowed."
    if tried.locks is None:
        return found(tried.seconds < within, words, seconds=tried.seconds)
    held = (
        "; ".join(f"{each.table} {each.mode} {each.seconds:.3g} s" for each in tried.locks) or "none was seen"
    )
    longest = max((each.seconds for each in tried.locks), default=0.0)
    pausing = {each.name for each in scene.plan.migrations if each.pauses_writes}
    long = sorted(
        {each.migration for each in tried.locks if each.seconds >= locked and each.migration not in pausing}
    )
    wrong = f" {', '.join(long)} held one for {locked:g} s or longer: begin it with '-- pauses writes', or split it."
    return found(
        tried.seconds < within and not long,
        f"{words} Locks that make others wait: {held}.{wrong if long else ''}",
        seconds=tried.seconds,
        longest_lock_seconds=longest,
    )


@check("schema.version")
async def version(scene: Scene, *, expected: str) -> Finding:
    """The version is the one that is `expected`, before or after the plan's migrations."""
    there = await scene.env.migrator.version()
    migrations = scene.plan.migrations
    if not migrations:
        good = there in scene.plan.next.build.schema and there in scene.plan.live.build.schema
        return found(good, f"The database reports schema {there}; the plan changes nothing.", version=there)
    if expected not in ("before", "after"):
        raise BadInput(f"'expected' is before or after, not {expected!r}.")
    after = expected == "after"
    wanted = migrations[-1].end if after else migrations[0].start
    # A release that is started again finds the schema expanded already, which is as good a start.
    good = there == wanted or (not after and there in {each.end for each in migrations})
    return found(good, f"The database reports schema {there}; the plan expects {wanted}.", version=there)


@check("schema.integrity", good_for="1h")
async def integrity(scene: Scene) -> Finding:
    """The database's own integrity checks find nothing wrong."""
    wrong = list(await scene.env.migrator.integrity())
    return found(not wrong, "; ".join(wrong) or "The database's own checks find nothing wrong.")


def scripts(release: Release) -> tuple[Migration, ...]:
    """The plan's migrations with their text, each compared with its digest. Raises BadInput."""
    return _chosen(release, release.plan.migrations)


def contract_scripts(release: Release) -> tuple[Migration, ...]:
    """What is contracted once the release has ended, in the same way."""
    return _chosen(release, release.plan.contracts)


def _chosen(release: Release, wanted: Sequence[PlannedMigration]) -> tuple[Migration, ...]:
    by_name = {each.name: each for each in release.scripts}
    chosen = []
    for planned in wanted:
        script = by_name.get(planned.name)
        if script is None:
            raise BadInput(f"The scripts of migration {planned.name} were not handed over.")
        for text, digest in (
            (script.forward, planned.forward_sha256),
            (script.backward, planned.backward_sha256),
        ):
            if hashlib.sha256(text.encode()).hexdigest() != digest:
                raise BadInput(f"A script of migration {planned.name} is not the one that was planned.")
        if (script.start, script.end) != (planned.start, planned.end):
            raise BadInput(f"Migration {planned.name} leads elsewhere than planned.")
        chosen.append(script)
    return tuple(chosen)
