"""Teams end alike wherever their leader and their members crash: nothing that was said is asked for again."""

from __future__ import annotations

import pytest

from tests.agents.teams.crew import echoes, leader, play, says, world_of
from watership.agents.teams.brainstorm import brainstorm
from watership.agents.teams.debate import debate
from watership.agents.teams.dispatch import dispatch
from watership.agents.teams.fan_out import AtLeast, fan_out
from watership.agents.teams.pipeline import pipeline
from watership.agents.teams.relay import HandOff, relay
from watership.agents.teams.roster import Job, Worker
from watership.agents.teams.worth import Worth
from watership.durable import Program
from watership.testing.simulation import decoded

CREW: list[Program] = [
    echoes("shout", lambda word: str(word).upper()),
    echoes("front", lambda given: HandOff("back", given, "not mine")),
    says("back", "done", 3.0),
    says("pro", "Yes.", 1.0),
    says("contra", "No.", 2.0),
    says("judge", "contra", 1.0),
    says("mute", OSError("no line"), 1.0),
    says("poet", ["Fiver", "Hazel"], 2.0),
    says("critic", [0.5, 0.75], 1.0),
    says("editor", "Hazel.", 1.0),
]


async def roster() -> list[Worker]:
    return [Worker("back", frozenset({"law"}), 0, 4, 1.0)]


async def everything() -> list[object]:
    words = await fan_out(
        {"a": "hop", "b": "run", "c": "x"}, {"a": "shout", "b": "shout", "c": "mute"}, policy=AtLeast(2)
    )
    ended = await debate("?", ["pro", "contra", "mute"], "judge", rounds=2)
    found = await brainstorm("?", ["poet", "mute"], ["critic"], "editor", worth=Worth(price=0.1, point=1.0))
    done = await dispatch(
        [Job("x", needs=frozenset({"law"})), Job("y", needs=frozenset({"art"}))], roster, looks=2
    )
    return [
        words.results,
        [*words.failures],
        await pipeline("hop", "shout", "shout"),
        (await relay("front", "?", ["front", "back"])).by,
        [(each.round, each.side, each.words) for each in ended.speeches],
        ended.winner,
        [(each.text, each.score) for each in found.ideas],
        found.stopped,
        found.synthesis,
        done.by,
        [*done.failures],
    ]


def result(seed: int, *, faults: bool) -> object:
    async def main() -> object:
        async with world_of(leader(everything), *CREW, seed=seed, faults=faults) as world:
            run = await world.end_of(await world.submit("leader"))
            assert run.failure is None, run.failure
            assert world.oracle.violations == []
            return decoded(run)

    return play(main, seed)


@pytest.mark.parametrize("seed", range(1, 21))
def test_a_day_of_teamwork_ends_as_it_does_without_crashes(seed: int) -> None:
    assert result(seed, faults=True) == result(seed, faults=False)


def test_what_such_a_day_comes_to() -> None:
    assert result(0, faults=False) == [
        {"a": "HOP", "b": "RUN"},
        ["c"],
        "HOP",
        "back",
        [[number, *said] for number in (1, 2) for said in (["pro", "Yes."], ["contra", "No."], ["mute", ""])],
        "contra",
        [["Hazel", 0.75], ["Fiver", 0.5]],
        "nothing_new",
        "Hazel.",
        {"x": "back"},
        ["y"],
    ]  # fmt: skip
