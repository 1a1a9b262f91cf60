"""A brainstorm goes on while another round is worth its price, and takes nothing unjudged for an idea."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.teams.crew import echoes, failure_of, lead, leader, play, says, world_of
from watership.agents.teams.answer import Unreadable
from watership.agents.teams.brainstorm import Brainstorm, Thought, brainstorm, novel, scores_in
from watership.agents.teams.worth import Worth, expected, gains_of, short_list, worth_another
from watership.durable import Program
from watership.durable.events import StepDone
from watership.errors import BadInput

scores = st.integers(0, 100).map(lambda percent: percent / 100)
histories = st.lists(st.lists(scores, max_size=6), max_size=6)

# --- the rule -----------------------------------------------------------------------------------------------


def test_the_first_round_is_held_at_any_price() -> None:
    assert worth_another([], Worth(price=1e9, point=0.0))


def test_a_round_gains_what_it_adds_to_the_short_list() -> None:
    rounds = [[0.5, 0.4, 0.1], [0.9, 0.2], [0.1]]
    assert gains_of(rounds, keep=2) == pytest.approx([0.9, 0.5, 0.0])


def test_the_next_round_is_expected_to_gain_as_much_less_again() -> None:
    assert expected([0.8]) == pytest.approx(0.8)
    assert expected([0.8, 0.4]) == pytest.approx(0.2)
    assert expected([0.4, 0.8]) == pytest.approx(0.8)  # ideas never come faster
    assert expected([0.4, 0.0]) == 0.0


def test_it_stops_when_the_expected_gain_is_not_above_its_price() -> None:
    rounds = [[0.8], [0.8, 0.8]]  # gains 0.8, then with one more on the list
    assert worth_another(rounds, Worth(price=0.7, point=1.0, keep=2))
    assert not worth_another(rounds, Worth(price=0.8, point=1.0, keep=2))


@given(histories, st.floats(0, 10), st.floats(0, 10), st.floats(0, 10))
def test_what_is_worth_its_price_is_worth_a_lower_one(
    rounds: list[list[float]], price: float, less: float, point: float
) -> None:
    if worth_another(rounds, Worth(price=price, point=point)):
        assert worth_another(rounds, Worth(price=min(price, less), point=point))


@given(histories.filter(len), st.floats(0.001, 10))
def test_a_round_that_gained_nothing_is_the_last(rounds: list[list[float]], price: float) -> None:
    assert not worth_another([*rounds, []], Worth(price=price, point=1e6))


@given(histories, st.integers(1, 6))
def test_the_gains_add_up_to_the_short_list(rounds: list[list[float]], keep: int) -> None:
    every = [each for scores in rounds for each in scores]
    assert sum(gains_of(rounds, keep)) == pytest.approx(short_list(every, keep))
    assert all(gain >= -1e-9 for gain in gains_of(rounds, keep))


@pytest.mark.parametrize("wrong", [{"price": -1.0}, {"point": -1.0}, {"keep": 0}])
def test_a_worth_that_means_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        Worth(**{"price": 1.0, "point": 1.0, **wrong})  # type: ignore[arg-type]


def test_the_same_words_are_no_new_idea() -> None:
    found = [Thought("Hop  faster!", "b"), Thought("hop, slower", "b"), Thought("…", "b")]
    assert [each.text for each in novel(found, ["hop faster"])] == ["hop, slower"]


@pytest.mark.parametrize("answer", [[0.5], [0.5, 1.2], "0.5, 0.5", None, [0.5, "high"]])
def test_scores_that_do_not_fit_the_ideas_are_not_taken(answer: object) -> None:
    with pytest.raises(Unreadable):
        scores_in(answer, 2)


# --- the program --------------------------------------------------------------------------------------------


def thinks(name: str, *by_round: list[str]) -> Program:
    """A thinker with so many ideas, told by how many it already knows of its own."""

    def answer(asked: str) -> list[str]:
        mine = sum(text in asked for texts in by_round for text in texts[:1])
        return by_round[min(mine, len(by_round) - 1)]

    return echoes(name, answer)


def judges(name: str, **given: float) -> Program:
    """A critic that gives each idea what it is told to."""

    def answer(asked: str) -> list[float]:
        lines = [line.split(". ", 1)[1] for line in asked.splitlines() if line[:1].isdigit()]
        return [given[line] for line in lines]

    return echoes(name, answer)


def held(*crew: Program, price: float = 0.1, rounds: int = 5) -> Brainstorm:
    async def body() -> Brainstorm:
        worth = Worth(price=price, point=1.0, keep=2)
        return await brainstorm("Name?", ["ann", "bob"], ["cy"], "dee", worth=worth, rounds=rounds)

    dee = echoes("dee", lambda asked: [line for line in asked.splitlines() if line.startswith("- ")])
    return msgspec.convert(lead(body, *crew, dee), Brainstorm)


CY = judges("cy", hop=0.5, run=0.7, dig=0.9, nap=0.1)


def test_ideas_are_judged_and_the_short_list_becomes_a_proposal() -> None:
    found = held(thinks("ann", ["hop", "run"]), thinks("bob", ["Hop!", "nap"]), CY, rounds=1)
    assert [(each.text, each.by, each.score) for each in found.ideas] == [
        ("run", "ann", 0.7),
        ("hop", "ann", 0.5),
        ("nap", "bob", 0.1),
    ]
    assert found.synthesis == ["- run (0.70)", "- hop (0.50)"] and found.stopped == "rounds"


def test_each_round_and_the_end_are_announced() -> None:
    async def body() -> object:
        return await brainstorm("Name?", ["ann"], ["cy"], "dee", worth=Worth(price=0.1, point=1.0), rounds=1)

    async def main() -> list[tuple[str, object]]:
        crew = thinks("ann", ["hop"]), CY, says("dee", "Hop")
        async with world_of(leader(body), *crew) as world:
            run_id = await world.submit("leader")
            await world.end_of(run_id)
            journal = await world.memory.journal(run_id, limit=1_000)
            done = [entry.event for entry in journal if isinstance(entry.event, StepDone)]
            return [(each.topic, msgspec.json.decode(each.value)) for each in done if each.topic]

    idea = {"text": "hop", "by": "ann", "round": 1, "score": 0.5}
    (first, judged), (last, held) = play(main)
    assert (first, judged) == ("brainstorm.round", {"round": 1, "ideas": [idea]})
    assert last == "brainstorm.ended" and isinstance(held, dict) and held["synthesis"] == "Hop"


def test_it_goes_on_while_a_round_is_worth_its_price() -> None:
    found = held(thinks("ann", ["hop"], ["dig"], ["nap"]), thinks("bob", ["run"]), CY)
    # Gains: 1.2, then 0.4 by dig for hop, then 0.4 · (0.4 / 1.2) = 0.13 expected, then 0 by nap: none expected.
    assert (found.rounds, found.stopped) == (3, "not_worth_it")
    dearer = held(thinks("ann", ["hop"], ["dig"], ["nap"]), thinks("bob", ["run"]), CY, price=0.2)
    assert (dearer.rounds, dearer.stopped) == (2, "not_worth_it")


def test_it_stops_when_nothing_new_comes() -> None:
    found = held(thinks("ann", ["hop"]), thinks("bob", ["run"]), CY)
    assert (found.rounds, found.stopped, len(found.ideas)) == (2, "nothing_new", 2)


def test_without_an_idea_nobody_is_asked_for_a_proposal() -> None:
    found = held(thinks("ann", []), thinks("bob", []), CY)
    assert (found.ideas, found.synthesis, found.stopped) == ((), None, "nothing_new")


def test_a_thinker_that_cannot_be_used_is_refused_beside_the_others() -> None:
    found = held(thinks("ann", ["hop"]), says("bob", OSError("no line")), CY, rounds=1)
    assert [each.voter for each in found.refused] == ["bob"] and len(found.ideas) == 1


def test_more_ideas_than_critics_can_read_are_refused() -> None:
    many = [f"idea {number}" for number in range(23)]
    critic = echoes("cy", lambda asked: [0.5] * asked.count(". idea"))
    found = held(thinks("ann", many), thinks("bob", []), critic, rounds=1)
    assert len(found.ideas) == 20 and len(found.refused) == 3


@pytest.mark.parametrize(
    ("ann", "bob", "cy"), [("Hop!", "Run!", CY), (["hop"], ["run"], says("cy", [0.5, 7.0]))]
)
def test_a_round_of_which_nothing_can_be_used_is_no_sign_that_ideas_ran_out(
    ann: object, bob: object, cy: Program
) -> None:
    async def body() -> Brainstorm:
        worth = Worth(price=0.1, point=1.0)
        return await brainstorm("Name?", ["ann", "bob"], ["cy"], "dee", worth=worth)

    assert failure_of(body, says("ann", ann), says("bob", bob), cy).startswith(
        "nothing_usable: No answer of the"
    )
