"""A debate hears all sides in each round, and its judge decides, or fails to."""

from __future__ import annotations

import msgspec
import pytest

from tests.agents.teams.crew import echoes, failure_of, lead, says
from watership.agents.teams.debate import Debate, debate
from watership.agents.teams.tally import Decided, NoQuorum, Tied
from watership.durable import Program

SIDES = ["pro", "contra"]


def speaks(name: str) -> Program:
    """A side that says how much it was told of before."""
    return echoes(name, lambda asked: f"{name} after {asked.count('Round ')} speeches")


async def one_judge() -> Debate:
    return await debate("Ship on Friday?", SIDES, "judge")


def held(judge: Program) -> Debate:
    return msgspec.convert(lead(one_judge, speaks("pro"), speaks("contra"), judge), Debate)


def test_each_side_knows_what_was_said_in_the_rounds_before() -> None:
    ended = held(says("judge", "pro"))
    assert [(each.round, each.words) for each in ended.speeches] == [
        (1, "pro after 0 speeches"),
        (1, "contra after 0 speeches"),
        (2, "pro after 2 speeches"),
        (2, "contra after 2 speeches"),
    ]
    assert ended.tally.outcome == Decided("pro") and ended.winner == "pro"


def test_the_judge_is_given_the_whole_debate() -> None:
    judge = echoes("judge", lambda asked: "contra" if "Round 2, pro: pro after 2" in asked else "pro")
    assert held(judge).winner == "contra"


@pytest.mark.parametrize("verdict", [OSError("no line"), "both"])
def test_a_judge_that_names_no_side_decides_nothing(verdict: object) -> None:
    ended = held(says("judge", verdict))
    assert ended.tally.outcome == NoQuorum(0, 1) and len(ended.tally.refused) == 1


def test_judges_may_be_tied() -> None:
    async def body() -> Debate:
        return await debate("?", SIDES, {"one": "first", "two": "second"}, rounds=1)

    ended = lead(body, speaks("pro"), speaks("contra"), says("first", "pro"), says("second", "contra"))
    assert msgspec.convert(ended, Debate).tally.outcome == Tied(("pro", "contra"))


def test_a_side_that_says_nothing_is_recorded_as_silent() -> None:
    async def body() -> Debate:
        return await debate("?", [*SIDES, "mute"], "judge", rounds=1)

    mute = says("mute", OSError("no line"))
    ended = msgspec.convert(lead(body, speaks("pro"), speaks("contra"), mute, says("judge", "pro")), Debate)
    *_, silent = ended.speeches
    assert (silent.side, silent.words) == ("mute", "") and silent.failure is not None


def test_with_one_side_alone_there_is_no_debate() -> None:
    told = failure_of(one_judge, speaks("pro"), says("contra", OSError("no line")), says("judge", "pro"))
    assert told.startswith("too_many_failed: 1 of 2 failed, and 2 are needed.")


@pytest.mark.parametrize(("sides", "rounds"), [(["pro"], 2), (SIDES, 0), (SIDES, 21)])
def test_a_debate_that_cannot_be_held_is_refused(sides: list[str], rounds: int) -> None:
    async def body() -> Debate:
        return await debate("?", sides, "judge", rounds=rounds)

    assert failure_of(body).startswith("BadInput")
