"""A fan-out gives work to several members at the same time, and a policy says how many of them may fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

import msgspec

from watership.agents.llm import Agent
from watership.agents.teams.member import Heard, Member, hear, heard_of, members_of
from watership.durable import Ended, gather_until
from watership.durable.events import Failure
from watership.errors import BadInput, ProgramError


class All(msgspec.Struct, frozen=True, tag="all"):
    """Every result is needed: the first failure ends it."""


class AtLeast(msgspec.Struct, frozen=True, tag="at_least"):
    """`count` results are needed; it ends once so few can come no more. With `stop` also once they are there."""

    count: int
    stop: bool = False


class BestEffort(msgspec.Struct, frozen=True, tag="best_effort"):
    """Whatever comes, even nothing. Everybody is waited for."""


Policy = All | AtLeast | BestEffort
ALL = All()
BEST_EFFORT = BestEffort()


class Gathered(msgspec.Struct, frozen=True):
    """What came of it, by the name of the work. `dropped`: what was not waited for."""

    results: dict[str, Any]
    failures: dict[str, Failure]
    dropped: tuple[str, ...] = ()


class TooManyFailed(ProgramError):
    """The policy of a fan-out cannot be kept. `gathered` has the results that there are, and the failures."""

    code = "too_many_failed"

    def __init__(self, gathered: Gathered, policy: Policy, total: int) -> None:
        name, first = next(iter(gathered.failures.items()))
        super().__init__(
            f"{len(gathered.failures)} of {total} failed, and {needed(policy, total)} are needed. "
            f"{name}: {first.kind}: {first.message}",
            fix="Mend what failed, or choose another policy: AtLeast(k) or BestEffort().",
        )
        self.gathered = gathered


async def fan_out(
    work: Mapping[str, object],
    to: Member | Mapping[str, Member],
    *,
    policy: Policy = ALL,
    seconds: float | None = None,
    limit: int | None = None,
) -> Gathered:
    """Give each piece of `work` to the member `to`, or to the one of the same name, `limit` at a time.

    A member that takes longer than `seconds` has failed. Once the policy cannot be kept, the rest are dropped, their
    runs cancelled, and TooManyFailed is raised. Otherwise results and failures both come back: look at both.
    """
    members = _assigned(work, to)
    if isinstance(policy, AtLeast) and not 1 <= policy.count <= len(work):
        raise BadInput(
            f"Of {len(work)} pieces of work {policy.count} results are asked for.",
            fix="Ask for at least 1, and at most all.",
        )

    def enough(ended: Sequence[Ended]) -> bool:
        return over(_counted(heard_of(ended)), policy, len(work))

    hearings = (hear(name, member, work[name], seconds) for name, member in members.items())
    heard = heard_of(await gather_until(enough, *hearings, limit=limit))
    gathered = _gathered(heard, members)
    if not kept(_counted(heard), policy, len(work)):
        raise TooManyFailed(gathered, policy, len(work))
    return gathered


def over(counted: tuple[int, int], policy: Policy, total: int) -> bool:
    """Whether nobody else need be waited for, `counted` being the results and the failures so far."""
    results, failures = counted
    stop = isinstance(policy, AtLeast) and policy.stop and results >= policy.count
    return stop or total - failures < needed(policy, total)


def kept(counted: tuple[int, int], policy: Policy, total: int) -> bool:
    """Whether these results are as many as the policy needs."""
    return counted[0] >= needed(policy, total)


def needed(policy: Policy, total: int) -> int:
    match policy:
        case All():
            return total
        case AtLeast(count=count):
            return count
        case BestEffort():
            return 0
        case _:
            assert_never(policy)


def _assigned(work: Mapping[str, object], to: Member | Mapping[str, Member]) -> dict[str, Member]:
    if isinstance(to, str | Agent) or callable(to):
        return members_of(dict.fromkeys(work, to))
    if to.keys() != work.keys():
        raise BadInput(
            f"No member for {sorted(work.keys() - to.keys())}, no work for {sorted(to.keys() - work.keys())}.",
            fix="Name the members by their pieces of work.",
        )
    return members_of({name: to[name] for name in work})


def _counted(heard: Sequence[Heard]) -> tuple[int, int]:
    failures = sum(each.failure is not None for each in heard)
    return len(heard) - failures, failures


def _gathered(heard: Sequence[Heard], members: Mapping[str, Member]) -> Gathered:
    by_name = {each.member: each for each in heard}
    return Gathered(
        {name: by_name[name].answer for name in members if name in by_name and by_name[name].failure is None},
        {
            name: failure
            for name in members
            if name in by_name and (failure := by_name[name].failure) is not None
        },
        tuple(name for name in members if name not in by_name),
    )
