"""Hand-offs by models: who has the conversation gives the answer, and who gave it away is asked nothing more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agents.stage import Stage, on_stage
from watership import Agent, App, approval_tool, handoff_tool, sleep, tool
from watership.durable.events import ChildStarted
from watership.durable.execution import Ending
from watership.errors import BadInput
from watership.testing.scripted import prompt, scripted

ASKED: list[str] = []


@pytest.fixture(autouse=True)
def nobody_asked() -> None:
    ASKED.clear()


def heard(name: str, turn: Any) -> Any:
    def say(messages: Any) -> Any:
        ASKED.append(name)
        return turn(messages) if callable(turn) else turn

    return say


@tool(effect="pure")
async def look_up(order: str) -> str:
    """Look an order up."""
    ASKED.append("look_up")
    return f"order {order}"


def desk(calls: Any, *, tools: Any = (), **facts: Any) -> App:
    """A front desk that hands over to billing."""
    app = App("desk")
    billing = app.add(
        Agent("billing", model=scripted([heard("billing", lambda m: f"paid back, as {prompt(m)}")]))
    )
    front = scripted([heard("front", calls), heard("front again", "done by myself")])
    app.add(Agent("front", model=front, tools=[handoff_tool(billing), *tools], **facts))
    return app


async def answer_of(stage: Stage, app: App) -> Any:
    run_id = await stage.start("front", "money back")
    assert (await stage.work(app.programs))[-1] is Ending.ENDED
    return await stage.result(run_id)


def test_the_answer_of_the_one_who_was_handed_the_conversation_is_the_runs() -> None:
    async def play(stage: Stage) -> None:
        app = desk([("hand_over_to_billing", {"prompt": "refund 7"})])
        assert await answer_of(stage, app) == "paid back, as refund 7"

    on_stage(play)
    assert ASKED == ["front", "billing"]


def test_the_other_calls_of_the_turn_are_made_before_the_conversation_goes() -> None:
    async def play(stage: Stage) -> None:
        app = desk(
            [("hand_over_to_billing", {"prompt": "refund 7"}), ("look_up", {"order": "7"})], tools=[look_up]
        )
        assert await answer_of(stage, app) == "paid back, as refund 7"

    on_stage(play)
    assert ASKED == ["front", "look_up", "billing"]


def test_of_two_hand_offs_in_one_turn_the_first_counts() -> None:
    async def play(stage: Stage) -> None:
        app = desk([("hand_over_to_billing", {"prompt": name}) for name in ("first", "second")])
        assert await answer_of(stage, app) == "paid back, as first"

    on_stage(play)


def test_a_hand_off_is_the_same_after_a_crash_and_nobody_is_asked_twice() -> None:
    async def play(stage: Stage) -> None:
        app = App("desk")

        @app.agent
        async def clerk(prompt: str) -> str:
            """A clerk who takes his time."""
            await sleep(600)
            return f"done: {prompt}"

        front = scripted([heard("front", [("hand_over_to_clerk", {"prompt": "refund 7"})])])
        app.add(Agent("front", model=front, tools=[handoff_tool(clerk)]))
        run_id = await stage.start("front", "money back")
        assert await stage.work(app.programs) == [Ending.PARKED]
        await stage.clock.sleep(601)
        await stage.work(app.programs)
        assert await stage.result(run_id) == "done: refund 7"

    on_stage(play)
    assert ASKED == ["front"]


def test_a_conversation_may_be_handed_to_an_agent_by_its_name_which_is_a_run_of_its_own() -> None:
    async def play(stage: Stage) -> None:
        app = App("desk")
        app.add(Agent("billing", model=scripted([lambda m: f"paid back, as {prompt(m)}"])))
        front = scripted([[("hand_over_to_billing", {"prompt": "refund 7"})]])
        app.add(Agent("front", model=front, tools=[handoff_tool("billing")]))
        run_id = await stage.start("front", "money back")
        await stage.work(app.programs)
        assert await stage.result(run_id) == "paid back, as refund 7"
        (started,) = [each for each in await stage.events(run_id) if isinstance(each, ChildStarted)]
        assert started.program == "billing"

    on_stage(play)


def test_a_hand_off_that_needs_an_approval_and_is_refused_leaves_the_conversation_where_it_is() -> None:
    async def play(stage: Stage) -> None:
        app = desk(
            [("hand_over_to_billing", {"prompt": "refund 7"})], approvals={"hand_over_to_billing": True}
        )
        run_id = await stage.start("front", "money back")
        assert await stage.work(app.programs) == [Ending.PARKED]
        await stage.send(run_id, "approval", {"granted": False, "by": "ada"})
        await stage.work(app.programs)
        assert await stage.result(run_id) == "done by myself"

    on_stage(play)


def test_a_plain_tool_cannot_be_handed_a_conversation() -> None:
    with pytest.raises(BadInput, match="'look_up' is no agent"):
        handoff_tool(look_up)
    assert handoff_tool(approval_tool(), name="to_a_person").name == "to_a_person"
