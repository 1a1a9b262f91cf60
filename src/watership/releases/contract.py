"""A contract takes away what the old build needed, for good: a gate of its own, once nothing is left that needs it.

It comes after the watch, by a command, with sign-offs for it alone. From its first script on nothing leads back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from watership.errors import Conflict, NotAllowed, NotFound
from watership.fleet.deployment import DeploymentState, Slot
from watership.fleet.stranded import open_runs
from watership.releases.acts import Standing
from watership.releases.auditing.audit import Fact
from watership.releases.checks.database import contract_scripts, scripts
from watership.releases.environment import Authority, Environment
from watership.releases.expansion import Expansion
from watership.releases.measurement import Finding, failed
from watership.releases.order import Release
from watership.releases.plan import Plan, Side
from watership.releases.ports import InstanceState
from watership.releases.readiness.records import Contracted, lacking
from watership.releases.readiness.signoff import Missing
from watership.releases.rollback import STOP_SECONDS, registered
from watership.releases.snapshots import CONTRACTED, STANDING, Contraction, load, save
from watership.releases.verdict import Verdict

WORDS: Final = 1000
"""Characters of what was found that go on record."""


class Readiness(Struct, frozen=True, kw_only=True):
    """What stands in the way of a contract; `missing`: whose word it lacks."""

    hindrances: tuple[str, ...]
    missing: tuple[Missing, ...]

    @property
    def ready(self) -> bool:
        return not self.hindrances and not self.missing


def contracting(plan: Plan) -> Plan:
    """The contract as a plan of its own, so that who signed the release has not signed this."""
    needed = plan.contract.needed or plan.signoffs.needed
    return replace(
        plan,
        migrations=plan.contracts,
        contracts=(),
        phases=(),
        items=(),
        checklist=(),
        signoffs=replace(plan.signoffs, needed=needed, at_start=True),
    )


async def readiness(env: Environment, release: Release) -> Readiness:
    """What would refuse the contract of a release that was promoted, now. Raises NotFound where there is none."""
    plan, now = release.plan, env.clock.now()
    if not plan.contracts:
        raise NotFound(f"Release {plan.release} has nothing to contract.", fix="watership release status")
    records = await env.records.all(plan.release)
    return Readiness(
        hindrances=(*await _unsettled(env, plan, now), *await _pinned(env, plan)),
        missing=lacking(contracting(plan), (), records, now),
    )


async def _unsettled(env: Environment, plan: Plan, now: datetime) -> list[str]:
    """Next has to be what is live, whole, and for long enough."""
    standing = await load(env.snapshots, STANDING, Standing)
    if standing is None or standing.live != plan.next:
        return [f"{plan.next.deployment} is not what was promoted last"]
    wrong = []
    until = standing.since + timedelta(seconds=plan.standby.at_least)
    if now < until:
        wrong.append(f"{plan.live.build.version} stands by until {until:%Y-%m-%d %H:%M:%S} UTC")
    router = (await env.router.read()).weights.get(plan.next.slot, 0)
    intake = (await env.intake.read()).weights.get(plan.next.deployment, 0)
    if (router, intake) != (100, 100):
        wrong.append(f"the router gives {plan.next.build.version} {router} %, and the intake {intake} %")
    return wrong


async def _pinned(env: Environment, plan: Plan) -> list[str]:
    """What is left on a build that cannot read the result: runs, those that wait in conversations too, and processes.

    The old deployment itself is no hindrance without runs: it is retired first.
    """
    there, census = await env.deployments.all(), await env.runs.census()
    builds = {each.id: each.build for each in there} | {plan.live.deployment: plan.live.build}
    wrong = []
    for owner in sorted({deployment for deployment, _ in census} | builds.keys()):
        build, runs = builds.get(owner), open_runs(census, owner)
        if build is not None and all(each.end in build.schema for each in plan.contracts):
            continue
        if runs:
            what = "a build that nobody knows any more" if build is None else f"build {build.version}"
            wrong.append(f"{runs} runs are pinned to {owner}, of {what}")
        elif build is not None and owner not in (plan.live.deployment, plan.next.deployment):
            wrong.append(f"{owner}, of build {build.version}, is not retired")
    return wrong


def require(ready: Readiness, plan: Plan) -> None:
    """Raises Conflict for what stands in the way, NotAllowed for sign-offs."""
    ends = ", ".join(f"schema {each.end}" for each in plan.contracts)
    if ready.hindrances:
        raise Conflict(
            f"The contract to {ends} has to wait: {'; '.join(ready.hindrances)}.",
            fix=f"Look again: watership release contract {plan.release} --check",
        )
    if ready.missing:
        words = ", ".join(f"{each.role} ({each.reason})" for each in ready.missing)
        raise NotAllowed(
            f"Sign-offs for the contract itself are missing: {words}.",
            fix=f"watership release sign {plan.release} --contract --role ROLE",
        )


async def contract(
    env: Environment, authority: Authority, release: Release, *, who: str, rehearsed: bool = True
) -> Finding:
    """Retire the old deployment, fill in what came since, and contract. What became of it is on record.

    Raises Conflict, NotAllowed or NotFound before anything is changed, and BadInput for scripts that fail on a copy.
    """
    plan, began = release.plan, env.clock.now()
    require(await readiness(env, release), plan)
    steps = contract_scripts(release)
    there = await env.migrator.version()
    if rehearsed:
        await env.migrator.rehearse([each for each in steps if each.start >= there])
    _note(env, who, plan, "begun", rehearsed=rehearsed)
    if left := await _retired(env, authority, plan.live):
        return failed(f"{plan.live.deployment} is not retired: {left}. Nothing was contracted.")
    filled = await _filled(env, authority, release)
    # From here on nothing leads back: whoever orders a rollback is told so, even if we end before the first script did.
    gone = Contraction(
        release=plan.release,
        version=plan.contracts[-1].end,
        names=tuple(each.name for each in steps),
        who=who,
        at=env.clock.now(),
    )
    await save(env.snapshots, CONTRACTED, gone)
    expansion = Expansion(env, authority, plan, plan.contracts, timeout=plan.contract.timeout)
    got = await expansion.run(steps)
    got = replace(got, evidence=f"{got.evidence}{filled}")
    record = Contracted(
        person=who,
        began=began,
        ended=env.clock.now(),
        done=got.verdict is Verdict.PASSED,
        version=await env.migrator.version(),
        evidence=got.evidence[:WORDS],
    )
    await env.records.add(plan.release, record)
    return got


async def _retired(env: Environment, authority: Authority, side: Side) -> str:
    """The old deployment is gone, read back; else what is left of it."""
    epoch = authority.epoch
    known = await registered(env, side.deployment)
    if known is not None:
        if await _stands_in(env, side.slot) == side.deployment:
            await env.router.set_targets(side.slot, (), epoch=epoch)
        await env.hosts.stop(side.deployment, grace_seconds=STOP_SECONDS, epoch=epoch)
        await env.deployments.put(replace(known, state=DeploymentState.RETIRED))
    left = [
        each.name
        for each in await env.hosts.instances()
        if each.deployment == side.deployment and each.state is not InstanceState.DEAD
    ]
    return f"{', '.join(left)} still run" if left else ""


async def _stands_in(env: Environment, slot: Slot) -> str | None:
    """The deployment whose processes the slot holds."""
    there = [each for each in await env.deployments.all() if each.slot is slot]
    standing = [each.id for each in there if each.state is DeploymentState.STANDING]
    return standing[-1] if standing else None


async def _filled(env: Environment, authority: Authority, release: Release) -> str:
    """The release's backfills once more: the old build wrote rows after them, for as long as it served."""
    told = []
    for migration in scripts(release):
        if migration.header.kind == "backfill":
            rows = await env.migrator.fill(migration, epoch=authority.epoch)
            told.append(f"{migration.name} has changed {rows:,} rows in all")
    return f" Backfilled before: {', '.join(told)}." if told else ""


def _note(env: Environment, who: str, plan: Plan, action: str, *, rehearsed: bool) -> None:
    facts: dict[str, Fact] = {
        "release": plan.release,
        "to": plan.contracts[-1].end,
        "migrations": [each.name for each in plan.contracts],
        "rehearsed": rehearsed,
    }
    env.audit.append(who, f"release.contract.{action}", facts)
