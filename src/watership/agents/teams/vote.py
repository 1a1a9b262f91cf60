"""A vote asks its voters at the same time, stops as soon as it is settled, and ends in a tally with every ballot."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watership.agents.teams.answer import Unreadable, mark_of, prompt_of
from watership.agents.teams.ballot import Ballot, Refused
from watership.agents.teams.election import HALF, Bar, Election, Method, Plurality
from watership.agents.teams.member import Heard, Members, hear, heard_of, members_of
from watership.agents.teams.settled import settled
from watership.agents.teams.tally import Tally, tally
from watership.durable import Ended, gather_until

PLURALITY = Plurality()


async def vote(
    question: str,
    candidates: Sequence[str],
    voters: Members,
    *,
    method: Method = PLURALITY,
    quorum: int | float = HALF,
    bar: Bar | None = None,
    seconds: float | None = None,
    limit: int | None = None,
    given: object = None,
) -> Tally:
    """Ask every voter, `limit` at a time, and count. Look at the tally's `outcome`: a tie, too few ballots and a leader
    below the bar are outcomes, and `tally.winner` raises Undecided for them.

    Voters get the question with the candidates and the form of an answer as text; or `given` instead, and answer in the
    same form. Whoever fails, takes longer than `seconds` or says something else is recorded, and not counted. As soon
    as no answer can change the outcome any more, the others are dropped and their runs cancelled. The journal has each
    answer, and the replay of a vote counts the same ones.
    """
    members = members_of(voters)
    election = Election(
        candidates=tuple(candidates), electorate=len(members), method=method, quorum=quorum, bar=bar
    )
    asked = prompt_of(question, election) if given is None else given

    def enough(ended: Sequence[Ended]) -> bool:
        return settled(count(heard_of(ended), election), len(members) - len(ended))

    hearings = (hear(name, member, asked, seconds) for name, member in members.items())
    heard = heard_of(await gather_until(enough, *hearings, limit=limit))
    missing = members.keys() - {each.member for each in heard}
    return msgspec.structs.replace(count(heard, election), unheard=tuple(sorted(missing)))


def count(heard: Sequence[Heard], election: Election) -> Tally:
    """The tally of what the voters said; who failed or cannot be understood is refused."""
    ballots: list[Ballot] = []
    refused: list[Refused] = []
    for each in heard:
        if each.failure is not None:
            reason = f"No answer: {each.failure.kind}: {each.failure.message}"
            refused.append(Refused(each.member, None, reason))
            continue
        try:
            ballots.append(Ballot(each.member, mark_of(each.answer, election.method)))
        except Unreadable as error:
            refused.append(Refused(each.member, each.answer, str(error)))
    counted = tally(ballots, election)
    every = sorted((*counted.refused, *refused), key=lambda each: each.voter)
    return msgspec.structs.replace(counted, refused=tuple(every))
