"""The Rule of Two: of untrusted input, private data and an outward act a run has two by itself, the third by a person.

What is asked about is the act: until then nothing that was read has gone anywhere. See docs/policy.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from watership.agents.people.approval import ApprovalRule, Needs, rule_of
from watership.agents.traits import Traits

WHY: Final = (
    "By the Rule of Two: the model may have read what strangers wrote and what is private, so strangers may have told "
    "it to make this call. Approve it only if it is what the run was started for, and look at where it sends what. (A "
    "tool that declares no `reads` counts as both; its author says reads=() where it is neither.)"
)


class RuleOfTwo(msgspec.Struct, frozen=True, kw_only=True):
    """Whose approval the third needs: nobody's where `rule` is None, so that it is refused. `off`: it needs none."""

    rule: ApprovalRule | None = None
    off: bool = False

    def covers(self, traits: Traits, known: frozenset[str]) -> bool:
        """Whether a call by a model that knows so much must not be made without a person."""
        return not self.off and traits.is_third(known)

    async def objection(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Ask about a call that is covered; empty if it was approved, else what the model is told."""
        if self.rule is None:
            return (
                f"The call of {tool} was not made: nobody is there to approve it, and this run has read what "
                "strangers wrote and what is private."
            )
        answer = await self.rule.ask(question_about(tool), details_of(tool, arguments, third=True))
        return "" if answer.granted else refusal(tool, answer.by, answer.note)


def rule_of_two(needs: Needs | None) -> RuleOfTwo:
    """The rule that an agent declares: an approval, or whose; None refuses the third; False switches the rule off."""
    if needs is None:
        return RuleOfTwo()
    return RuleOfTwo(rule=rule_of(needs), off=needs is False)


def question_about(tool: str) -> str:
    return f"May {tool} be called?"


def details_of(tool: str, arguments: Mapping[str, Any], *, third: bool) -> dict[str, object]:
    """What a person sees of the call, and why they are asked where the agent's author may not have said so."""
    shown: dict[str, object] = {"tool": tool, "arguments": dict(arguments)}
    return shown | {"why": WHY} if third else shown


def refusal(tool: str, by: str, note: str) -> str:
    """What the model is told; it was not called."""
    who = f" by {by}" if by else ""
    reason = f": {note}" if note else ""
    return f"The call of {tool} was not approved{who}{reason}. It was not made."
