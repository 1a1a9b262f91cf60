"""A brainstorm goes by rounds: ideas, then critique, while another round is worth its price; at the end a synthesis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec

from watership.agents.teams.answer import Unreadable, read
from watership.agents.teams.ballot import Refused
from watership.agents.teams.fan_out import AtLeast, fan_out
from watership.agents.teams.member import Member, Members, members_of, need
from watership.agents.teams.worth import Worth, worth_another
from watership.durable import announce
from watership.errors import BadInput, ProgramError

T = TypeVar("T")

ROUNDS = 20
"""Rounds of one brainstorm at most, whatever they seem worth: each one makes every prompt longer."""

IDEAS = 20
"""New ideas that are taken of one thinker in one round; more are refused, for the critics must read them all."""

Stopped = Literal["not_worth_it", "nothing_new", "rounds"]
"""Why there was no further round: it was not worth its price, the last one brought no new idea, or all were held."""


class Thought(msgspec.Struct, frozen=True):
    """What a thinker said, before anybody judged it."""

    text: str
    by: str


class Idea(msgspec.Struct, frozen=True):
    """`score`: the mean of what the critics gave, 0 to 1."""

    text: str
    by: str
    round: int
    score: float


class Brainstorm(msgspec.Struct, frozen=True):
    """The ideas, the best first; who said what could not be used. `synthesis`: None where there was no idea."""

    ideas: tuple[Idea, ...]
    rounds: int
    stopped: Stopped
    synthesis: Any
    refused: tuple[Refused, ...] = ()


class NothingUsable(ProgramError):
    """Of those who answered in a round nobody did so in the form that was asked for."""

    code = "nothing_usable"

    def __init__(self, who: str, refused: Sequence[Refused]) -> None:
        last = refused[-1]
        super().__init__(
            f"No answer of the {who} can be used. {last.voter}: {last.reason}",
            fix="Have them answer with a JSON array, and nothing else.",
        )


async def brainstorm(
    topic: str,
    thinkers: Members,
    critics: Members,
    synthesizer: Member,
    *,
    worth: Worth,
    rounds: int = 5,
    seconds: float | None = None,
) -> Brainstorm:
    """Hold up to `rounds` rounds on `topic`, and synthesize the short list.

    In each round the thinkers, all at once, answer with a JSON array of new ideas, knowing those of the rounds before
    with their scores; then each critic answers with a JSON array of scores from 0 to 1, one for each new idea. An idea
    that was there already is not new. It stops when another round is not worth its price (see worth.py), or when
    nothing new came. A round in which no thinker or no critic answers raises TooManyFailed, and one in which nobody
    does so in that form, NothingUsable.
    """
    if not 1 <= rounds <= ROUNDS:
        raise BadInput(f"A brainstorm of {rounds} rounds.", fix=f"Give between 1 and {ROUNDS}.")
    table = _Table(topic, members_of(thinkers), members_of(critics), seconds)
    stopped = await _hold(table, worth, rounds)
    best = ranked(table.ideas)
    shown = best[: worth.keep]
    synthesis = None
    if shown:
        asked = (
            f"{topic}\n\nThe best ideas, with their scores:\n{listed(shown)}\n\nMake one proposal of them."
        )
        synthesis = await need("synthesizer", synthesizer, asked, seconds)
    held = Brainstorm(best, table.rounds, stopped, synthesis, tuple(table.refused))
    await announce("brainstorm.ended", held)
    return held


async def _hold(table: _Table, worth: Worth, rounds: int) -> Stopped:
    """Hold the rounds; why there was no further one."""
    while table.rounds < rounds:
        if not worth_another(scores_by_round(table.ideas, table.rounds), worth):
            return "not_worth_it"
        if not await table.hold_round():
            return "nothing_new"
    return "rounds"


@dataclass(slots=True)
class _Table:
    """Those who sit at it, and what is on it so far."""

    topic: str
    thinkers: Mapping[str, Member]
    critics: Mapping[str, Member]
    seconds: float | None
    rounds: int = 0
    ideas: list[Idea] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    async def hold_round(self) -> bool:
        """Whether it brought a new idea."""
        self.rounds += 1
        new = await self._think()
        judged = await self._criticize(new) if new else []
        self.ideas += judged
        await announce("brainstorm.round", {"round": self.rounds, "ideas": judged})
        return bool(new)

    async def _think(self) -> list[Thought]:
        """The round's new ideas, in the order of the thinkers."""
        known = f"\n\nKnown ideas, with their scores:\n{listed(ranked(self.ideas))}" if self.ideas else ""
        asked = f'{self.topic}{known}\n\nAnswer with a JSON array of new ideas, up to {IDEAS}: ["…", "…"].'
        said = await self._ask("thinkers", self.thinkers, asked, lambda answer: read(answer, tuple[str, ...]))
        for name, texts in said.items():
            self.refused += [
                Refused(name, each, f"More than {IDEAS} ideas at once.") for each in texts[IDEAS:]
            ]
        found = [Thought(each.strip(), name) for name, texts in said.items() for each in texts[:IDEAS]]
        return novel(found, [each.text for each in self.ideas])

    async def _criticize(self, new: Sequence[Thought]) -> list[Idea]:
        """The new ideas with the mean of their scores."""
        numbered = "\n".join(f"{place}. {each.text}" for place, each in enumerate(new, 1))
        asked = (
            f"{self.topic}\n\nNew ideas:\n{numbered}\n\nAnswer with a JSON array of {len(new)} scores, "
            "from 0 (useless) to 1 (excellent), in the order of the ideas."
        )
        given = await self._ask("critics", self.critics, asked, lambda answer: scores_in(answer, len(new)))
        return [
            Idea(thought.text, thought.by, self.rounds, sum(scores) / len(scores))
            for thought, scores in zip(new, zip(*given.values(), strict=True), strict=True)
        ]

    async def _ask(
        self, who: str, members: Mapping[str, Member], asked: str, understood: Callable[[object], T]
    ) -> dict[str, T]:
        """What they said, by their names; what cannot be used is refused."""
        work = dict.fromkeys(members, asked)
        said = await fan_out(work, members, policy=AtLeast(1), seconds=self.seconds)
        self.refused += [
            Refused(name, None, f"No answer: {each.kind}: {each.message}")
            for name, each in said.failures.items()
        ]
        found: dict[str, T] = {}
        for name, answer in said.results.items():
            try:
                found[name] = understood(answer)
            except Unreadable as error:
                self.refused.append(Refused(name, answer, str(error)))
        if not found:
            raise NothingUsable(who, self.refused)
        return found


def scores_in(answer: object, count: int) -> tuple[float, ...]:
    """A critic's scores. Raises Unreadable for another number of them, and for one that is not between 0 and 1."""
    scores = read(answer, tuple[float, ...])
    if len(scores) != count:
        raise Unreadable(f"{len(scores)} scores for {count} ideas.")
    if not all(0 <= each <= 1 for each in scores):
        raise Unreadable("A score is not between 0 and 1.")
    return scores


def novel(found: Iterable[Thought], known: Iterable[str]) -> list[Thought]:
    """Those of `found` that say something new: of two with the same words the first counts; none are no idea."""
    seen = {_words(each) for each in known}
    new: list[Thought] = []
    for each in found:
        words = _words(each.text)
        if words and words not in seen:
            seen.add(words)
            new.append(each)
    return new


def ranked(ideas: Iterable[Idea]) -> tuple[Idea, ...]:
    """The best first; as they came where nothing tells them apart."""
    return tuple(sorted(ideas, key=lambda each: each.score, reverse=True))


def scores_by_round(ideas: Sequence[Idea], rounds: int) -> list[list[float]]:
    """The scores that each round brought."""
    return [[each.score for each in ideas if each.round == number] for number in range(1, rounds + 1)]


def listed(ideas: Iterable[Idea]) -> str:
    """Ideas for a prompt, a line each."""
    return "\n".join(f"- {each.text} ({each.score:.2f})" for each in ideas)


def _words(text: str) -> tuple[str, ...]:
    """What an idea says, whatever its case, spaces and marks."""
    return tuple("".join(each if each.isalnum() else " " for each in text.casefold()).split())
