"""A vote hears its voters durably, stops when it is settled, and never passes a missing decision off as one."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from tests.agents.teams.crew import CENTS, failure_of, fates, keys, lead, leader, play, says, world_of
from watership.agents.teams.election import MAJORITY, QuadraticVoting, RankedChoice
from watership.agents.teams.tally import Decided, NoQuorum, Tally, Tied
from watership.agents.teams.vote import vote
from watership.durable import Program, signal
from watership.durable.counters import Cap
from watership.durable.states import RunState

FIVE = ("ann", "bob", "cy", "dee", "eve")


async def panel() -> Tally:
    return await vote("Who answers?", ["billing", "tech"], FIVE, bar=MAJORITY)


def voters(*answers: object, seconds: float = 1.0) -> list[Program]:
    """The five, each of whom takes three times as long as the one before."""
    return [
        says(name, answer, seconds * 3**number)
        for number, (name, answer) in enumerate(zip(FIVE, answers, strict=True))
    ]


def tally_of(body: Callable[[], Awaitable[object]], *crew: Program) -> Tally:
    return msgspec.convert(lead(body, *crew), Tally)


def test_a_panel_decides_and_every_ballot_is_in_the_tally() -> None:
    counted = tally_of(panel, *voters("tech", "tech", "billing", "billing", "tech"))
    assert counted.outcome == Decided("tech")
    assert {each.voter: each.mark.candidate for each in counted.counted} == {  # type: ignore[union-attr]
        "ann": "tech",
        "bob": "tech",
        "cy": "billing",
        "dee": "billing",
        "eve": "tech",
    }


def test_a_settled_vote_stops_and_its_remaining_voters_are_cancelled() -> None:
    async def main() -> None:
        crew = voters("tech", "tech", "tech", "billing", "billing")
        async with world_of(leader(panel), *crew) as world:
            run = await world.end_of(await world.submit("leader"))
            counted = msgspec.json.decode(run.result, type=Tally)
            assert (counted.outcome, counted.unheard) == (Decided("tech"), ("dee", "eve"))
            await world.clock.sleep(120)
            states = await fates(world)
            assert [states[name] for name in FIVE] == [RunState.SUCCEEDED] * 3 + [RunState.CANCELLED] * 2

    play(main)


@pytest.mark.parametrize(("limit", "spent"), [(5, 3 * 10 + 2 * 5), (1, 3 * 10)])
def test_what_the_unheard_did_not_begin_is_not_spent(limit: int, spent: int) -> None:
    """Two steps of 5 cents each: of the unheard, what they are in the middle of is finished and paid for."""

    async def body() -> Tally:
        return await vote("?", ["a", "b"], FIVE, bar=MAJORITY, limit=limit)

    async def main() -> None:
        async with world_of(leader(body), *voters("a", "a", "a", "a", "a", seconds=10)) as world:
            caps = [Cap(counter="vote", unit=CENTS, most=50)]
            run = await world.end_of(await world.submit("leader", caps=caps))
            assert msgspec.json.decode(run.result, type=Tally).winner == "a"
            await world.clock.sleep(1000)
            (count,) = await world.memory.counts([f"vote/{CENTS}"])
            assert (count.reserved, count.spent) == (0, spent)

    play(main)


def test_the_journal_has_every_ballot_by_the_voters_place() -> None:
    async def main() -> list[str]:
        async with world_of(leader(panel), *voters("a", "tech", ["x"], "billing", "tech")) as world:
            run = await world.end_of(await world.submit("leader"))
            return [key for key in await keys(world, run.id) if "/answer/" in key]

    assert sorted(play(main)) == [f"gather_until#0/{number}/answer/0" for number in range(5)]


def test_who_fails_or_says_something_else_is_recorded_and_not_counted() -> None:
    counted = tally_of(panel, *voters(OSError("no line"), "tech", "Tech, I think", "tech", ["tech"]))
    assert counted.outcome == NoQuorum(2, 3)
    assert [each.voter for each in counted.refused] == ["ann", "cy", "eve"]
    first, second, third = (each.reason for each in counted.refused)
    assert "no line" in first and "ChildFailed" in first
    assert second == "There is no candidate 'Tech, I think'."
    assert third.startswith("The answer is not in the form that was asked for")


def test_who_takes_too_long_is_recorded_and_its_run_cancelled() -> None:
    async def body() -> Tally:
        return await vote("?", ["billing", "tech"], FIVE, seconds=30)

    async def main() -> None:
        crew = voters("tech", "billing", "billing", "tech", "tech", seconds=25)
        async with world_of(leader(body), *crew) as world:
            run = await world.end_of(await world.submit("leader"))
            counted = msgspec.json.decode(run.result, type=Tally)
            assert counted.outcome == NoQuorum(1, 3)
            assert all("TimeoutError" in each.reason for each in counted.refused)
            await world.clock.sleep(200)
            assert (await fates(world))["bob"] is RunState.CANCELLED

    play(main)


def test_a_program_that_does_not_look_fails_by_a_tie() -> None:
    async def body() -> str:
        return (await vote("?", ["a", "b"], FIVE[:2])).winner

    told = failure_of(body, says("ann", "a"), says("bob", "b"))
    assert told.startswith("undecided: The vote has no winner: a, b are tied. Look at tally.outcome")


def test_a_tie_is_there_for_a_program_that_looks() -> None:
    async def body() -> Tally:
        return await vote("?", ["a", "b"], FIVE[:2])

    assert tally_of(body, says("ann", "a"), says("bob", "b")).outcome == Tied(("a", "b"))


def test_functions_and_agents_vote_by_any_method() -> None:
    async def ann(prompt: str) -> list[str]:
        assert "the best one first" in prompt
        return ["b", "a"]

    async def body() -> Tally:
        return await vote("?", ["a", "b"], {"ann": ann, "bob": "bob", "cy": "bob"}, method=RankedChoice())

    counted = tally_of(body, says("bob", '["a", "b"]'))
    assert counted.outcome == Decided("a") and len(counted.rounds) == 1


def test_a_ballot_that_costs_too_much_is_recorded_as_refused() -> None:
    async def body() -> Tally:
        return await vote("?", ["a", "b"], FIVE[:2], method=QuadraticVoting(credits=10))

    counted = tally_of(body, says("ann", {"a": 3}), says("bob", {"b": 4}))
    assert counted.outcome == Decided("a")
    assert [(each.voter, each.reason) for each in counted.refused] == [("bob", "It costs 16 credits of 10.")]


def test_a_replay_counts_the_ballots_that_were_cast() -> None:
    """A function that would answer otherwise the second time is not heard a second time."""
    answers = random.Random(1)

    async def moody(_: object) -> str:
        return answers.choice(["a", "b"])

    seen: list[Tally] = []

    async def body() -> Tally:
        members = {f"v{number}": moody for number in range(9)}
        counted = await vote("?", ["a", "b"], members)
        seen.append(counted)
        await signal("go")
        return counted

    async def main() -> None:
        async with world_of(leader(body)) as world:
            run_id = await world.submit("leader")
            await world.until(run_id, RunState.WAITING)
            for each in world.workers:
                world.crash(each)
            await world.clock.sleep(5)
            await world.deliver(run_id, "go")
            await world.end_of(run_id)

    play(main)
    assert len(seen) > 1 and all(each == seen[0] for each in seen)


@pytest.mark.parametrize("seed", range(25))
def test_a_vote_ends_alike_wherever_its_workers_crash(seed: int) -> None:
    async def main() -> None:
        crew = voters("tech", "billing", "tech", "tech", "billing", seconds=2)
        async with world_of(leader(panel), *crew, seed=seed, faults=True) as world:
            run = await world.end_of(await world.submit("leader"))
            counted = msgspec.json.decode(run.result, type=Tally)
            assert counted.outcome == Decided("tech")
            heard = [each.voter for each in counted.counted] + [each.voter for each in counted.refused]
            assert sorted([*heard, *counted.unheard]) == sorted(FIVE)
            assert world.oracle.violations == []
            world.nemesis.heal()
            await world.clock.sleep(600)
            states = await fates(world)
            assert all(states[name] is RunState.CANCELLED for name in counted.unheard)

    play(main, seed)


def test_a_voter_that_is_named_twice_is_refused() -> None:
    async def body() -> Tally:
        return await vote("?", ["a", "b"], ["ann", "ann"])

    assert failure_of(body).startswith("BadInput: A member of the team is named twice.")
