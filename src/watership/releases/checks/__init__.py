"""Checks measure; the registry knows each kind that a runbook may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules

from watership.errors import BadInput
from watership.releases.checks.kind import CheckKind, check, collected, explained
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, inconclusive, passed
from watership.releases.order import Release
from watership.releases.plan import Plan, asked, check_kinds

CHECKS: Mapping[str, CheckKind] = collected(
    import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)
)
"""Every kind that a module of this package defines: a new one is here as soon as its file is."""


Kinds = Callable[[Release], Mapping[str, CheckKind]]
"""What a release may have measured. Raises BadInput for code of its own that is not as it was planned."""


def shipped(_: Release) -> Mapping[str, CheckKind]:
    """Nothing but what comes with Watership."""
    return CHECKS


def require_known(plan: Plan, kinds: Mapping[str, CheckKind] = CHECKS) -> None:
    """Refuse a plan with a check that nobody can measure, or not with these parameters. Raises BadInput."""
    strange = sorted(check_kinds(plan) - kinds.keys())
    if strange:
        raise BadInput(
            f"This controller does not know the checks {', '.join(strange)}.",
            fix=f"It knows: {', '.join(kinds)}.",
        )
    for kind, parameters in asked(plan):
        kinds[kind].bound(parameters)


__all__ = [
    "CHECKS",
    "CheckKind",
    "Finding",
    "Kinds",
    "Scene",
    "check",
    "explained",
    "failed",
    "found",
    "inconclusive",
    "passed",
    "require_known",
    "shipped",
]
