"""A relay follows hand-offs: a member that is not the right one answers with who is, until one has the answer."""

from __future__ import annotations

from typing import Any

import msgspec

from watership.agents.teams.member import Members, members_of, need
from watership.errors import ProgramError

HAND_OFFS = 10
"""Hand-offs of one relay: more of them are members who send each other in circles."""


class HandOff(msgspec.Struct, frozen=True, tag="hand_off", tag_field="kind"):
    """A member's word that `to` is the right one, with what that one is to be given, and why."""

    to: str
    given: Any
    reason: str = ""


class Relayed(msgspec.Struct, frozen=True):
    """The answer, who gave it, and the hand-offs that led there."""

    answer: Any
    by: str
    trail: tuple[HandOff, ...] = ()


class LostHandOff(ProgramError):
    """A hand-off that nobody can take; or one too many."""

    code = "lost_hand_off"

    def __init__(self, reason: str, trail: tuple[HandOff, ...]) -> None:
        super().__init__(
            reason, fix="Name the members that there are in the instructions, and say who is the last resort."
        )
        self.trail = trail


async def relay(first: str, given: object, members: Members, *, most: int = HAND_OFFS) -> Relayed:
    """Ask `first`, and whoever it hands off to. A member hands off by returning `HandOff(to, given, reason)`.

    Raises LostHandOff for one to nobody of `members`, and after `most` of them; MemberFailed if one gives no answer.
    """
    named = members_of(members)
    holder = first
    trail: tuple[HandOff, ...] = ()
    while True:
        if holder not in named:
            raise LostHandOff(f"{holder!r} is none of {', '.join(named)}.", trail)
        answer = await need(holder, named[holder], given)
        step = hand_off_in(answer)
        if step is None:
            return Relayed(answer, holder, trail)
        trail = (*trail, step)
        if len(trail) > most:
            raise LostHandOff(
                f"After {most} hand-offs {holder!r} hands off again, to {step.to!r}: {step.reason}", trail
            )
        holder, given = step.to, step.given


def hand_off_in(answer: object) -> HandOff | None:
    """The hand-off that an answer is, as data; None for any other answer."""
    if not isinstance(answer, dict) or answer.get("kind") != "hand_off":
        return None
    try:
        return msgspec.convert(answer, HandOff)
    except msgspec.ValidationError as reason:
        raise LostHandOff(f"A hand-off cannot be understood: {reason}.", ()) from reason
