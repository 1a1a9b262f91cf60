"""The schema is asked of the database itself: version, integrity, and a rehearsal on a copy."""

from __future__ import annotations

import hashlib

from watership.errors import BadInput
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, passed
from watership.releases.order import Release
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


@check("migration.rehearsed", good_for="24h")
async def rehearsed(scene: Scene, *, within: float) -> Finding:
    """Forward, backward and forward on a copy, each step within `within`."""
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
    return found(
        tried.seconds < within,
        f"{words} Locks that make others wait: {held}.",
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
    by_name = {each.name: each for each in release.scripts}
    chosen = []
    for planned in release.plan.migrations:
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
