"""An approval is a person's yes or no, waited for without holding anything; no answer is never a yes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, get_args

import msgspec

from watership.agents.people.audience import Who
from watership.agents.people.escalation import Escalation, Unanswered, levels, put
from watership.agents.people.question import APPROVAL, Approval
from watership.errors import BadInput

Otherwise = Literal["refused", "raise"]
"""What it is when nobody answered in time: a refusal, or Unanswered is raised."""


async def approve(
    question: str,
    details: object = None,
    *,
    by: Who = (),
    requester: bool | None = None,
    within: timedelta | float | None = None,
    escalate: Sequence[Who | Escalation] = (),
    otherwise: Otherwise = "refused",
) -> Approval:
    """Ask, park, and return the answer. Look at `granted`: a refusal is an answer, not an error.

    `by`: the roles, and the people as "@ada", of which each may give it; who they are is proved when they answer.
    `requester`: whether whoever started the run may, too; unless given, not where `by` names a role.
    `within` (seconds): then the next of `escalate` is asked in their place, each for as long; and after the last one
    it is refused, or raises Unanswered, as `otherwise` says.
    """
    if otherwise not in get_args(Otherwise):
        raise BadInput(
            f"An approval that nobody gives cannot be {otherwise!r}.", fix='Say "refused" or "raise".'
        )
    asked = levels(by, requester, within, escalate)
    try:
        return await put(APPROVAL, question, details, asked, into=Approval)
    except Unanswered as error:
        if otherwise == "raise":
            raise
        return Approval(granted=False, by="", note=error.message)


class ApprovalRule(msgspec.Struct, frozen=True, kw_only=True):
    """Whose approval something needs, and for how long they are asked; as in `approve`."""

    by: Who = ()
    requester: bool | None = None
    within: timedelta | float | None = None
    escalate: Sequence[Who | Escalation] = ()

    async def ask(self, question: str, details: object) -> Approval:
        """The answer; nobody's is a refusal."""
        return await approve(
            question,
            details,
            by=self.by,
            requester=self.requester,
            within=self.within,
            escalate=self.escalate,
        )


Needs = bool | Who | ApprovalRule
"""Whether something needs an approval, or whose."""


def rule_of(needs: Needs) -> ApprovalRule | None:
    """The rule that is meant, checked as far as it can be before anybody is asked. Raises BadInput."""
    if isinstance(needs, bool):
        return ApprovalRule() if needs else None
    rule = needs if isinstance(needs, ApprovalRule) else ApprovalRule(by=needs)
    levels(rule.by, rule.requester, rule.within, rule.escalate)
    return rule
