"""Checks measure; the registry knows each kind that a runbook may name."""

from __future__ import annotations

from collections.abc import Mapping

from watership.errors import BadInput
from watership.releases.checks import (
    agreement,
    answers,
    backups,
    balancer,
    builds,
    cloud,
    database,
    dns,
    documents,
    drills,
    entrance,
    exercise,
    figures,
    gates,
    images,
    intake,
    machines,
    notices,
    plans,
    ports,
    postgres,
    programs,
    record,
    requests,
    room,
    router,
    scripts,
    staged,
    tls,
    values,
    vault,
    work,
)
from watership.releases.checks.kind import CheckKind, collected, explained
from watership.releases.checks.scene import Scene
from watership.releases.plan import Plan, asked, check_kinds

CHECKS: Mapping[str, CheckKind] = collected(
    (
        agreement,
        answers,
        backups,
        balancer,
        builds,
        cloud,
        database,
        dns,
        documents,
        drills,
        entrance,
        exercise,
        figures,
        gates,
        images,
        intake,
        machines,
        notices,
        plans,
        ports,
        postgres,
        programs,
        record,
        requests,
        room,
        router,
        scripts,
        staged,
        tls,
        values,
        vault,
        work,
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
