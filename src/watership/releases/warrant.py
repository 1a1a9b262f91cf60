"""A warrant is the right to do something to a release: by the service's roles, or by those that its plan names."""

from __future__ import annotations

from dataclasses import dataclass

from watership.errors import NotAllowed
from watership.fleet.identity import OPERATOR, Identity
from watership.releases.audit import Audit, Fact
from watership.releases.plan import Plan
from watership.releases.team import Authority, Role

ROLLS_BACK = frozenset({"roll_back_on_criteria", "roll_back_by_decision"})


def may_take_back(plan: Plan | None) -> tuple[str, ...]:
    """The roles that may order a rollback: operators always, and whom the plan's runbook gives that right."""
    holders: tuple[Role | Authority, ...] = (*plan.roles, *plan.authorities) if plan is not None else ()
    return (OPERATOR, *sorted({each.id for each in holders if ROLLS_BACK & set(each.may)}))


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
