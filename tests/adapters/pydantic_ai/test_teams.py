"""Models vote: by name as runs of their own, or inside of the leader's run; nothing is asked twice, and losers stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import BaseModel

from tests.agents.stage import Stage, on_stage
from watership import MAJORITY, Agent, App, RankedChoice, Tally, WeightedVoting, vote
from watership.agents.teams.ballot import Confidence
from watership.agents.teams.tally import Decided
from watership.durable.ports import RunFilter
from watership.durable.states import RunState
from watership.testing import run_in_virtual_time
from watership.testing.faults import Nemesis
from watership.testing.scripted import Answer, Script, prompt, scripted
from watership.testing.simulation import World


class Opinion(BaseModel):
    choice: str
    confidence: float


def tally_in(app: App) -> Tally:
    """The result of the agent `lead`, whose worker dies in the middle."""
    found: list[Tally] = []

    async def play(stage: Stage) -> None:
        run_id = await stage.start("lead")
        await stage.work_for(2.5, app.programs)
        await stage.work(app.programs)
        found.append(msgspec.convert(await stage.result(run_id), Tally))

    on_stage(play)
    return found[0]


def test_a_model_that_answers_in_text_votes_in_the_form_that_it_was_told() -> None:
    def ranks(messages: Any) -> str:
        assert "the best one first" in prompt(messages)
        return '["tech", "billing"]'

    app = App("a")
    app.add(Agent("ann", model=scripted([ranks])))

    @app.agent
    async def lead() -> Tally:
        return await vote("Who?", ["billing", "tech"], {"one": "ann", "two": "ann"}, method=RankedChoice())

    assert tally_in(app).outcome == Decided("tech")


def test_models_with_a_typed_output_vote_inside_the_leaders_run_and_are_asked_once() -> None:
    asked: list[str] = []

    def opinion(name: str, value: Mapping[str, Any], seconds: float) -> Agent:
        def answer(_: object) -> Answer:
            asked.append(name)
            return Answer(value)

        return Agent(name, model=Script([answer], seconds=seconds), output=Opinion)

    voters = {
        "ann": opinion("ann", {"choice": "tech", "confidence": 0.75}, 1.0),
        "bob": opinion("bob", {"choice": "billing", "confidence": 0.5}, 2.0),
        "cy": opinion("cy", {"choice": "both", "confidence": 1.0}, 2.0),
    }
    app = App("a")

    @app.agent
    async def lead() -> Tally:
        return await vote("Who?", ["billing", "tech"], voters, method=WeightedVoting())

    counted = tally_in(app)
    assert counted.outcome == Decided("tech") and counted.scores == {"billing": 500_000, "tech": 750_000}
    assert counted.counted[0].mark == Confidence("tech", 0.75)
    assert [(each.voter, each.reason) for each in counted.refused] == [
        ("cy", "There is no candidate 'both'.")
    ]
    assert sorted(asked) == ["ann", "bob", "cy"]


def test_a_model_that_is_not_needed_any_more_takes_no_further_turn() -> None:
    asked: list[str] = []

    async def look() -> str:
        """Look around."""
        return "nothing"

    def turn(name: str, said: Any) -> Any:
        def answer(_: object) -> Any:
            asked.append(name)
            return said

        return answer

    app = App("a")
    for name in ("ann", "bob", "cy"):
        app.add(Agent(name, model=Script([turn(name, "tech")], seconds=1.0)))
    slow = [turn("dee", [("look", {})]), turn("dee", "billing")]
    app.add(Agent("dee", model=Script(slow, seconds=20.0), tools=[look]))

    @app.agent
    async def lead() -> Tally:
        return await vote("Who?", ["billing", "tech"], ["ann", "bob", "cy", "dee"], bar=MAJORITY)

    async def main() -> None:
        async with World(app.programs, workers=3, nemesis=Nemesis(0, most=0)) as world:
            run = await world.end_of(await world.submit("lead"))
            counted = msgspec.json.decode(run.result, type=Tally)
            assert (counted.outcome, counted.unheard) == (Decided("tech"), ("dee",))
            await world.clock.sleep(60)
            page = await world.memory.list(RunFilter(parent=run.id))
            assert {each.program: each.state for each in page.runs}["dee"] is RunState.CANCELLED

    run_in_virtual_time(main)
    assert asked.count("dee") == 1
