"""A fan-out gives back results and failures both, and ends once its policy cannot be kept."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.teams.crew import echoes, failure_of, fates, lead, leader, play, says, world_of
from watership.agents.teams.fan_out import (
    ALL,
    BEST_EFFORT,
    AtLeast,
    Gathered,
    Policy,
    TooManyFailed,
    fan_out,
    kept,
    over,
)
from watership.durable import Program
from watership.durable.states import RunState

THREE = {"a": None, "b": None, "c": None}


def crew(a: object, b: object, c: object) -> list[Program]:
    """Three who take 1, 10 and 100 seconds."""
    return [says("a", a, 1), says("b", b, 10), says("c", c, 100)]


BROKEN = OSError("no line")


def test_all_results_come_by_the_name_of_their_work() -> None:
    async def body() -> Gathered:
        return await fan_out({"de": "Haus", "fr": "maison"}, "shout")

    gathered = lead(body, echoes("shout", lambda word: word.upper()))
    assert gathered == {"results": {"de": "HAUS", "fr": "MAISON"}, "failures": {}, "dropped": []}


def test_the_first_failure_ends_what_needs_all_and_the_rest_is_cancelled() -> None:
    found: list[Gathered] = []

    async def body() -> str:
        try:
            await fan_out(THREE, {name: name for name in THREE})
        except TooManyFailed as error:
            found.append(error.gathered)
            return error.message
        return "nothing failed"

    async def main() -> str:
        async with world_of(leader(body), *crew(1, BROKEN, 3)) as world:
            run = await world.end_of(await world.submit("leader"))
            await world.clock.sleep(200)
            assert (await fates(world))["c"] is RunState.CANCELLED
            return str(msgspec.json.decode(run.result))

    told = play(main)
    assert told.startswith("1 of 3 failed, and 3 are needed. b: ChildFailed: ") and "no line" in told
    assert (found[0].results, [*found[0].failures], found[0].dropped) == ({"a": 1}, ["b"], ("c",))


def test_at_least_so_many_may_have_failures_beside() -> None:
    async def body() -> Gathered:
        return await fan_out(THREE, {name: name for name in THREE}, policy=AtLeast(2))

    gathered = msgspec.convert(lead(body, *crew(1, BROKEN, 3)), Gathered)
    assert (gathered.results, [*gathered.failures], gathered.dropped) == ({"a": 1, "c": 3}, ["b"], ())


def test_at_least_so_many_can_be_enough() -> None:
    async def body() -> Gathered:
        return await fan_out(THREE, {name: name for name in THREE}, policy=AtLeast(2, stop=True))

    gathered = msgspec.convert(lead(body, *crew(1, 2, 3)), Gathered)
    assert (gathered.results, gathered.dropped) == ({"a": 1, "b": 2}, ("c",))


def test_best_effort_may_come_back_with_nothing_but_failures() -> None:
    async def body() -> Gathered:
        return await fan_out(THREE, {name: name for name in THREE}, policy=BEST_EFFORT)

    gathered = msgspec.convert(lead(body, *crew(BROKEN, BROKEN, BROKEN)), Gathered)
    assert (gathered.results, [*gathered.failures]) == ({}, ["a", "b", "c"])


def test_a_program_that_does_not_look_fails_with_the_first_failure() -> None:
    async def body() -> Gathered:
        return await fan_out(THREE, {name: name for name in THREE}, policy=AtLeast(3))

    assert failure_of(body, *crew(1, 2, BROKEN)).startswith("too_many_failed: 1 of 3 failed")


def test_who_takes_too_long_has_failed() -> None:
    async def body() -> Gathered:
        return await fan_out(THREE, {name: name for name in THREE}, policy=AtLeast(2), seconds=30)

    gathered = msgspec.convert(lead(body, *crew(1, 2, 3)), Gathered)
    assert gathered.failures["c"].kind == "TimeoutError"


@pytest.mark.parametrize("policy", [AtLeast(0), AtLeast(4)])
def test_a_policy_that_asks_for_the_impossible_is_refused(policy: Policy) -> None:
    async def body() -> Gathered:
        return await fan_out(THREE, "a", policy=policy)

    assert failure_of(body, *crew(1, 2, 3)).startswith("BadInput")


def test_work_without_a_member_is_refused() -> None:
    async def body() -> Gathered:
        return await fan_out(THREE, {"a": "a", "b": "b", "d": "c"})

    assert failure_of(body, *crew(1, 2, 3)) == (
        "BadInput: No member for ['c'], no work for ['d']. Name the members by their pieces of work."
    )


@given(st.sampled_from([ALL, BEST_EFFORT, AtLeast(1), AtLeast(3), AtLeast(2, stop=True)]), st.data())
def test_it_is_over_just_when_waiting_cannot_change_whether_the_policy_is_kept(
    policy: Policy, data: st.DataObject
) -> None:
    total = data.draw(st.integers(3, 6))
    results = data.draw(st.integers(0, total - 1))
    failures = data.draw(st.integers(0, total - 1 - results))
    left = total - results - failures
    ends = {kept((results + more, total - results - more), policy, total) for more in range(left + 1)}
    if over((results, failures), policy, total):
        assert len(ends) == 1
    elif ends == {False}:
        raise AssertionError("it waits for what cannot help")
