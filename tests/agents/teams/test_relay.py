"""A pipeline passes answers on; a relay follows hand-offs, and does not go in circles."""

from __future__ import annotations

from tests.agents.teams.crew import echoes, failure_of, keys, lead, leader, play, says, world_of
from watership.agents.teams.pipeline import pipeline
from watership.agents.teams.relay import HandOff, Relayed, relay
from watership.durable import Program


def test_each_stage_is_given_the_answer_of_the_one_before() -> None:
    async def exclaim(word: str) -> str:
        return f"{word}!"

    async def body() -> object:
        return await pipeline("hop", "shout", exclaim, "twice")

    shout, twice = echoes("shout", lambda word: word.upper()), echoes("twice", lambda word: f"{word}{word}")
    assert lead(body, shout, twice) == "HOP!HOP!"


def test_a_stage_without_an_answer_ends_the_pipeline_with_its_name() -> None:
    async def body() -> object:
        return await pipeline("hop", "shout", "broken", "shout")

    told = failure_of(body, echoes("shout", lambda word: word), says("broken", OSError("no line")))
    assert told.startswith("member_failed: stage 2 (broken) gave no answer: ChildFailed:")


def test_a_pipeline_of_nothing_is_refused() -> None:
    async def body() -> object:
        return await pipeline("hop")

    assert failure_of(body).startswith("BadInput")


def test_the_answers_of_functions_are_journaled_too() -> None:
    async def exclaim(word: str) -> str:
        return f"{word}!"

    async def body() -> object:
        return await pipeline("hop", exclaim, exclaim)

    async def main() -> list[str]:
        async with world_of(leader(body)) as world:
            run = await world.end_of(await world.submit("leader"))
            return await keys(world, run.id)

    assert play(main)[:2] == ["answer/0", "answer/1"]


def refers(name: str, to: str) -> Program:
    return echoes(name, lambda given: HandOff(to, f"{given} by way of {name}", "not mine"))


async def desk() -> Relayed:
    return await relay("front", "a refund", ["front", "billing", "boss"])


def test_a_hand_off_is_followed_to_whoever_answers() -> None:
    answers = echoes("boss", lambda given: f"done: {given}")
    relayed = lead(desk, refers("front", "billing"), refers("billing", "boss"), answers)
    assert (relayed["answer"], relayed["by"]) == ("done: a refund by way of front by way of billing", "boss")
    assert [each["to"] for each in relayed["trail"]] == ["billing", "boss"]


def test_a_hand_off_to_nobody_is_lost() -> None:
    told = failure_of(desk, refers("front", "legal"))
    assert told.startswith("lost_hand_off: 'legal' is none of front, billing, boss.")


def test_members_that_send_each_other_in_circles_are_stopped() -> None:
    told = failure_of(desk, refers("front", "billing"), refers("billing", "front"))
    assert told.startswith(
        "lost_hand_off: After 10 hand-offs 'front' hands off again, to 'billing': not mine"
    )


def test_a_hand_off_that_cannot_be_understood_is_no_answer() -> None:
    told = failure_of(desk, echoes("front", lambda _: {"kind": "hand_off", "whom": "boss"}))
    assert told.startswith("lost_hand_off: A hand-off cannot be understood")
