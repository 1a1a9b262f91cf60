"""Checks measure; the registry knows one function for each kind that a runbook may name."""

from __future__ import annotations

from collections.abc import Mapping

from watership.errors import BadInput
from watership.releases.checks import (
    agreement,
    answers,
    builds,
    database,
    exercise,
    intake,
    record,
    room,
    router,
    work,
)
from watership.releases.checks.scene import CheckFunction, Scene, measure
from watership.releases.plan import Plan, check_kinds

CHECKS: Mapping[str, CheckFunction] = {
    "audit.verified": record.verified,
    "backup.fresh": room.backup_fresh,
    "baseline.captured": router.baseline,
    "build.digest": builds.planned,
    "build.running": builds.running,
    "disk.free": room.disk_free,
    "gate.power": router.power,
    "http.health": answers.health,
    "http.latency": answers.latency,
    "intake.readable": intake.readable,
    "migration.rehearsed": database.rehearsed,
    "queues.depth": work.depth,
    "router.health": router.health,
    "router.weights": router.weights,
    "runs.accounted": work.accounted,
    "schema.compatible": database.compatible,
    "schema.integrity": database.integrity,
    "schema.version": database.version,
    "signoffs.complete": agreement.complete,
    "smoke": exercise.smoke,
    "traffic.errors": router.errors,
}


def require_known(plan: Plan) -> None:
    """Refuse a plan with a kind of check that nobody can measure. Raises BadInput."""
    strange = sorted(check_kinds(plan) - CHECKS.keys())
    if strange:
        raise BadInput(
            f"This controller does not know the checks {', '.join(strange)}.",
            fix=f"It knows: {', '.join(CHECKS)}.",
        )


__all__ = ["CHECKS", "Scene", "measure", "require_known"]
