"""Checks measure; the registry knows each kind that a runbook may name.

A module is named by what its kinds look at. These are what the others stand on:

A kind      `kind` is what a check is, `scene` what it may look at and in whose name, `own` the kinds that a runbook
            brings itself.
Asking      `requests` and `answers` (kinds, too) ask over HTTP, any system or an instance past the router; `signature`
            and `aws` ask what wants signed requests. `mark` is how a test message is known when it is found again.
Reading     `shapes` is how an answer or a file becomes values, and what does not fit is not known. `reports` says which
            report proves anything now; `junit`, `scanners`, `registry`, `catalogue`, `openapi` with `compatibility`,
            and `variables` are formats.
Trying      `scratch` is a database for one rehearsal.
Judging     `faults` become a finding: the first of them in words.
"""

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
