"""Checks measure; the registry knows each kind that a runbook may name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from watership.errors import BadInput
from watership.releases.checks.kind import CheckKind, collected, explained
from watership.releases.checks.scene import Scene
from watership.releases.plan import Plan, asked, check_kinds

CHECKS: Mapping[str, CheckKind] = collected(
    import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)
)
"""Every kind that a module of this package defines: a new one is here as soon as its file is."""


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
