"""A warrant is the right to do something to a release: by the service's roles, or by those that its plan names."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from watership.errors import BadInput, NotAllowed
from watership.fleet.identity import OPERATOR, Identity
from watership.releases.auditing.audit import Audit, Fact
from watership.releases.book.team import Authority, Power, Role
from watership.releases.plan import Plan

ON_CRITERIA: Final[Power] = "roll_back_on_criteria"
BY_DECISION: Final[Power] = "roll_back_by_decision"


class Grounds(Struct, frozen=True, kw_only=True):
    """On what somebody orders a rollback: a criterion of the runbook, or their own decision with its reason."""

    role: str = ""
    """Empty where nobody is asked for a token."""
    criterion: str = ""
    reason: str = ""

    def __str__(self) -> str:
        role = f"as {self.role}" if self.role else ""
        return ", ".join(word for word in (self.criterion, self.reason, role) if word)


def criteria(plan: Plan) -> tuple[str, ...]:
    """The criteria of a runbook, in its words (else the fuse's own)."""
    return tuple(fuse.criterion or fuse.name for fuse in plan.fuses)


def calling_back(plan: Plan) -> tuple[str, ...]:
    """Those on which a rollback may be ordered. The others call for an investigation: who takes a release back on
    one of these decides it."""
    return tuple(fuse.criterion or fuse.name for fuse in plan.fuses if fuse.then != "investigate")


def holders(plan: Plan | None, power: Power) -> tuple[str, ...]:
    """The roles that the runbook gives a power."""
    everyone: tuple[Role | Authority, ...] = (*plan.roles, *plan.authorities) if plan is not None else ()
    return tuple(sorted({each.id for each in everyone if power in each.may}))


def may_take_back(plan: Plan | None) -> tuple[str, ...]:
    """The roles that may order a rollback: operators always, and whom the plan's runbook gives that right."""
    return (OPERATOR, *sorted({*holders(plan, ON_CRITERIA), *holders(plan, BY_DECISION)}))


def grounds(plan: Plan | None, caller: Caller, audit: Audit, *, criterion: str, reason: str) -> Grounds:
    """On what `caller` may order a rollback. Raises NotAllowed for the wrong role, BadInput without grounds.

    Whoever may by decision gives a reason, or none where nobody is asked for a token; who may on criteria alone names
    the criterion that is met, and that calls for more than an investigation. A refusal is in the audit like everything
    else.
    """
    release = plan.release if plan is not None else ""
    caller.require(audit, "roll back", *may_take_back(plan), release=release)
    known = criteria(plan) if plan is not None else ()
    if criterion and criterion not in known:
        close = difflib.get_close_matches(criterion, known, n=1, cutoff=0.3)
        raise BadInput(
            f"No criterion of this runbook is {criterion!r}.",
            fix=f"Say: --criterion {shlex.quote((close or [*known, ''])[0])}",
        )
    if caller.open:
        return Grounds(criterion=criterion, reason=reason)
    deciders = holders(plan, BY_DECISION)
    deciding = next((role for role in (*deciders, OPERATOR) if caller.identity.acts_as(role)), None)
    if deciding is not None:
        return Grounds(role=deciding, criterion=criterion, reason=reason)
    role = next(role for role in holders(plan, ON_CRITERIA) if caller.identity.acts_as(role))
    enough = calling_back(plan) if plan is not None else ()
    if criterion not in enough:
        why = f"{criterion!r} calls for an investigation" if criterion else "no criterion was named"
        facts: dict[str, Fact] = {"act": "roll back", "release": release, "role": role, "why": why}
        audit.append(caller.person, "authority.refused", facts)
        named = f"{criterion!r} calls for an investigation only" if criterion else "named none"
        raise NotAllowed(
            f"As {role} {caller.person} orders a rollback on a criterion, and {named} ({'; '.join(enough)}).",
            fix=f"Name it: --criterion. By decision alone may: {', '.join(deciders) or 'nobody'}.",
        )
    return Grounds(role=role, criterion=criterion, reason=reason)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts. `open`: no tokens are asked for on this loopback, so that everybody has every role."""

    identity: Identity
    open: bool

    @property
    def person(self) -> str:
        return self.identity.person

    def require(self, audit: Audit, act: str, *roles: str, release: str = "") -> str:
        """The person, if they have one of `roles`; NotAllowed otherwise. Either way it is in the audit."""
        granted = self.open or any(self.identity.acts_as(role) for role in roles)
        facts: dict[str, Fact] = {
            "act": act,
            "release": release,
            "needs": ", ".join(roles),
            "open": self.open,
        }
        audit.append(self.person, f"authority.{'granted' if granted else 'refused'}", facts)
        if not granted:
            has = ", ".join(sorted(self.identity.roles)) or "none"
            raise NotAllowed(
                f"To {act} needs the role {' or '.join(roles)}; {self.person} has {has}.",
                fix=f"Ask an administrator for a token with --role {roles[0]}.",
            )
        return self.person
