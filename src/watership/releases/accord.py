"""In accord are router, intake, schema, hosts, register and audit with a release's end, or it is said where not."""

from __future__ import annotations

from watership.fleet.deployment import DeploymentState
from watership.fleet.stranded import open_runs
from watership.releases.auditing.audit import Broken
from watership.releases.environment import Environment
from watership.releases.plan import Plan
from watership.releases.ports import InstanceState
from watership.releases.program import Outcome
from watership.releases.rollback import misplaced, registered


async def discords(env: Environment, plan: Plan, outcome: Outcome) -> list[str]:
    """Where what is read back does not agree with how the release ended, in words; empty where all of it does."""
    promoted = outcome.outcome == "promoted"
    wrong = [*await _planes(env, plan, promoted=promoted), *await _schema(env, plan, promoted=promoted)]
    wrong += await _sides(env, plan, promoted=promoted)
    if isinstance(found := env.audit.verify(), Broken):
        wrong.append(f"the audit is broken at {found.number}: {found.reason}")
    return wrong


async def _planes(env: Environment, plan: Plan, *, promoted: bool) -> list[str]:
    router, intake = await env.router.read(), await env.intake.read()
    share = 100 if promoted else 0
    wanted = {plan.next.slot: share, plan.live.slot: 100 - share}
    pinned = {plan.next.deployment: share, plan.live.deployment: 100 - share}
    gives = {slot: router.weights.get(slot, 0) for slot in wanted}
    takes = {deployment: intake.weights.get(deployment, 0) for deployment in pinned}
    rules = {
        f"the router gives next {gives[plan.next.slot]} %, live {gives[plan.live.slot]} %": gives == wanted,
        f"the intake gives next {takes[plan.next.deployment]} %, live {takes[plan.live.deployment]} %": takes
        == pinned,
        "the router's switch is armed": router.until is None,
        "the intake's switch is armed": intake.until is None,
        "the router holds requests": not router.paused,
        "new work is refused": not intake.readonly,
    }
    return [words for words, holds in rules.items() if not holds]


async def _schema(env: Environment, plan: Plan, *, promoted: bool) -> list[str]:
    """Promoted it is where the plan leads to; taken back it may stay expanded, for live can live with that."""
    if not plan.migrations:
        return []
    there, end = await env.migrator.version(), plan.migrations[-1].end
    if promoted and there != end:
        return [f"the database reports schema {there}, not {end}"]
    if there not in plan.live.build.schema:
        return [f"the database reports schema {there}, with which live cannot live"]
    return []


async def _sides(env: Environment, plan: Plan, *, promoted: bool) -> list[str]:
    """Live stands, next does or does not, and each of their processes is the planned build's."""
    serving = (plan.live, plan.next) if promoted else (plan.live,)
    wrong = [f"{side.deployment}: {why}" for side in serving if (why := await misplaced(env, side))]
    known = await registered(env, plan.next.deployment)
    if not promoted:
        if known is not None and known.state is DeploymentState.STANDING:
            wrong.append(f"the register still has {plan.next.deployment}")
        wrong += [f"{name} still runs" for name in await _left(env, plan)]
    return wrong


async def _left(env: Environment, plan: Plan) -> list[str]:
    """Processes of next that serve, or that stay though no run of it does."""
    mine = [each for each in await env.hosts.instances() if each.deployment == plan.next.deployment]
    runs = open_runs(await env.runs.census(), plan.next.deployment)
    return [
        each.name
        for each in mine
        if each.state is not InstanceState.DEAD and (each.role == "serve" or not runs)
    ]
