"""Checks measure; the registry knows each kind that a runbook may name."""

from __future__ import annotations

from collections.abc import Mapping

from watership.errors import BadInput
from watership.releases.checks import (
    agreement,
    answers,
    api,
    backups,
    balancer,
    builds,
    changelog,
    cloud,
    database,
    dependencies,
    dns,
    documents,
    drills,
    entrance,
    exercise,
    figures,
    flags,
    gates,
    graphql,
    images,
    intake,
    logs,
    machines,
    manners,
    migrations,
    notices,
    plans,
    ports,
    postgres,
    programs,
    rabbitmq,
    record,
    redis,
    rehearsal,
    requests,
    reviews,
    room,
    rotation,
    router,
    runtime,
    scans,
    scripts,
    settings,
    staged,
    tags,
    tls,
    tracking,
    values,
    vault,
    websocket,
    work,
)
from watership.releases.checks.kind import CheckKind, collected, explained
from watership.releases.checks.scene import Scene
from watership.releases.plan import Plan, asked, check_kinds

CHECKS: Mapping[str, CheckKind] = collected(
    (
        agreement,
        answers,
        api,
        backups,
        balancer,
        builds,
        changelog,
        cloud,
        database,
        dependencies,
        dns,
        documents,
        drills,
        entrance,
        exercise,
        figures,
        flags,
        gates,
        graphql,
        images,
        intake,
        logs,
        machines,
        manners,
        migrations,
        notices,
        plans,
        ports,
        postgres,
        programs,
        rabbitmq,
        record,
        redis,
        rehearsal,
        requests,
        reviews,
        room,
        rotation,
        router,
        runtime,
        scans,
        scripts,
        settings,
        staged,
        tags,
        tls,
        tracking,
        values,
        vault,
        websocket,
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
