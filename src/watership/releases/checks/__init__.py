"""Checks measure; the registry knows each kind that a runbook may name."""

from __future__ import annotations

from collections.abc import Mapping

from watership.errors import BadInput
from watership.releases.checks import (
    access,
    agreement,
    answers,
    backups,
    balancer,
    baselines,
    builds,
    cloud,
    coverage,
    database,
    dns,
    documents,
    drills,
    entrance,
    exercise,
    figures,
    gates,
    hosts,
    images,
    intake,
    jira,
    kubernetes,
    load,
    machines,
    notices,
    plans,
    ports,
    postgres,
    programs,
    record,
    rehearsals,
    requests,
    room,
    router,
    scripts,
    staged,
    tests,
    tls,
    trial,
    values,
    vault,
    webhooks,
    work,
    zap,
)
from watership.releases.checks.kind import CheckKind, collected, explained
from watership.releases.checks.scene import Scene
from watership.releases.plan import Plan, asked, check_kinds

CHECKS: Mapping[str, CheckKind] = collected(
    (
        access,
        agreement,
        answers,
        backups,
        balancer,
        baselines,
        builds,
        cloud,
        coverage,
        database,
        dns,
        documents,
        drills,
        entrance,
        exercise,
        figures,
        gates,
        hosts,
        images,
        intake,
        jira,
        kubernetes,
        load,
        machines,
        notices,
        plans,
        ports,
        postgres,
        programs,
        record,
        rehearsals,
        requests,
        room,
        router,
        scripts,
        staged,
        tests,
        tls,
        trial,
        values,
        vault,
        webhooks,
        work,
        zap,
    )
)


def require_known(plan: Plan) -> None:
    """Refuse a plan with a check that nobody can measure, or not with these parameters. Raises BadInput."""
    strange = sorted(check_kinds(plan) - CHECKS.keys())
    if strange:
        raise BadInput(
            f"This controller does not know the checks {', '.join(strange)}.",
            fix=f"It knows: {', '.join(CHECKS)}.",
        )
    for kind, parameters in asked(plan):
        CHECKS[kind].bound(parameters)


__all__ = ["CHECKS", "CheckKind", "Scene", "explained", "require_known"]
