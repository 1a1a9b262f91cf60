"""Models and people: what a model asks them, and which of its calls they are asked about."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.agents.office import Office, about, in_office
from watership import Agent, App, ApprovalRule, Budget, Done, approval_tool, question_tool, tool
from watership.agents.budget import NOTHING_SAID
from watership.agents.people.approval import Needs
from watership.durable.counters import OVER_CAP
from watership.durable.events import StepStarted
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.errors import BadInput
from watership.testing.scripted import results, scripted


def test_a_model_asks_people_and_mends_a_question_that_is_none() -> None:
    app = App("clerks")

    def end(messages: Any) -> Any:
        return f"{results(messages, 'ask_question')} {results(messages, 'ask_boss')[-1]['granted']}"

    turns: list[Any] = [
        [("ask_question", {"question": "Which colour?"})],
        [("ask_boss", {"question": ""})],
        [("ask_boss", {"question": "May I paint?"})],
        end,
    ]
    tools = [question_tool(by="painter", within=60), approval_tool("ask_boss", by="@boss")]
    app.add(Agent("clerk", model=scripted(turns), tools=tools))

    async def play(office: Office) -> None:
        run_id = await office.start("clerk", "paint")
        await office.answer(run_id, office.person("pia", "painter"), "blue")
        await office.work()
        await office.answer(run_id, office.person("boss"), False)
        assert await office.result(run_id) == "['blue'] False"

    in_office(app, play)


def test_a_model_is_told_when_nobody_answers() -> None:
    app = App("clerks")

    def end(messages: Any) -> Any:
        return str(results(messages)[0])

    turns: list[Any] = [[("ask_question", {"question": "Which colour?"})], end]
    app.add(Agent("clerk", model=scripted(turns), tools=[question_tool(within=60)]))

    async def play(office: Office) -> None:
        run_id = await office.start("clerk", "paint")
        await asyncio.sleep(61)
        assert await office.result(run_id) == "Nobody answered in time."

    in_office(app, play)


class Shop:
    """Refunds, if it may."""

    def __init__(
        self,
        *,
        declared: Needs = False,
        agents: Needs | None = None,
        budget: Budget = NOTHING_SAID,
        calls: int = 1,
    ) -> None:
        self.refunded: list[int] = []
        self.app = App("shop")

        @tool(approval=declared)
        async def refund(order: str, cents: int) -> dict[str, int]:
            """Give money back."""
            self.refunded.append(cents)
            return {"refunded": cents}

        def end(messages: Any) -> Any:
            return str(results(messages, "refund")[0])

        approvals: dict[str, Needs] = {} if agents is None else {"refund": agents}
        turns: list[Any] = [[("refund", {"order": "o-1", "cents": 500})]] * calls
        clerk = Agent(
            "clerk", model=scripted([*turns, end]), tools=[refund], approvals=approvals, budget=budget
        )
        self.app.add(clerk)


@pytest.mark.parametrize(
    "shop",
    [
        Shop(declared="finance"),
        Shop(agents=ApprovalRule(by="finance")),
        Shop(declared="nobody", agents=["finance"]),
    ],
)
def test_a_call_that_needs_an_approval_shows_its_arguments_and_is_entered_only_when_it_is_granted(
    shop: Shop,
) -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("clerk", "refund them")
        waiting = await office.asked(run_id)
        assert about(waiting) == {
            "question": "May refund be called?",
            "details": {"tool": "refund", "arguments": {"order": "o-1", "cents": 500}},
            "may": {"by": ["finance"], "requester": False},
        }
        assert shop.refunded == [] and "refund" not in await started(office, run_id)
        await office.answer(run_id, office.person("fred", "finance"))
        assert await office.result(run_id) == "{'refunded': 500}"
        assert shop.refunded == [500]
        assert await started(office, run_id) == ["model", "refund", "model"]

    in_office(shop.app, play)


async def started(office: Office, run_id: RunId) -> list[str]:
    return [event.name for event in await office.stage.events(run_id) if isinstance(event, StepStarted)]


def test_an_approved_call_counts_as_one_and_none_is_made_beyond_what_is_allowed() -> None:
    shop = Shop(agents="finance", budget=Budget(tool_calls=1), calls=2)

    async def play(office: Office) -> None:
        run_id = await office.start("clerk", "refund them")
        fred = office.person("fred", "finance")
        await office.answer(run_id, fred)
        await office.work()
        await office.answer(run_id, fred)
        await office.work()
        run = await office.stage.run(run_id)
        assert run.failure is not None and run.failure.code == OVER_CAP
        assert shop.refunded == [500]

    in_office(shop.app, play)


def test_a_refusal_and_its_note_are_told_to_the_model_and_nothing_is_called() -> None:
    shop = Shop(declared=True)

    async def play(office: Office) -> None:
        run_id = await office.start("clerk", "refund them")
        await office.answer(run_id, office.person("wilma", "writer"), {"granted": False, "note": "too much"})
        told = "The call of refund was not approved by wilma: too much. It was not made."
        assert await office.result(run_id) == told
        assert shop.refunded == []

    in_office(shop.app, play)


def test_nobodys_approval_is_a_refusal() -> None:
    shop = Shop(agents=ApprovalRule(by="finance", within=60, escalate=["lead"]))

    async def play(office: Office) -> None:
        run_id = await office.start("clerk", "refund them")
        for _ in range(2):
            await asyncio.sleep(61)
            await office.work()
        assert "was not approved: Nobody answered in time" in str(await office.result(run_id))
        assert shop.refunded == []

    in_office(shop.app, play)


def test_a_call_without_a_rule_waits_for_nobody() -> None:
    shop = Shop(declared="finance", agents=False)

    async def play(office: Office) -> None:
        run_id = await office.start("clerk", "refund them")
        assert (await office.stage.run(run_id)).state is RunState.SUCCEEDED
        assert shop.refunded == [500]

    in_office(shop.app, play)


def test_an_approved_call_in_doubt_is_asked_about_as_the_step_that_it_is() -> None:
    app, entered = App("shop"), []

    async def was_made() -> Done:
        return Done("it was refunded")

    @tool(approval=True, check=was_made)
    async def refund(cents: int) -> str:
        entered.append(cents)
        await asyncio.sleep(1_000)
        return "refunded"

    def end(messages: Any) -> Any:
        return str(results(messages)[0])

    app.add(Agent("clerk", model=scripted([[("refund", {"cents": 5})], end]), tools=[refund]))

    async def play(office: Office) -> None:
        run_id = await office.start("clerk", "refund them")
        await office.answer(run_id, office.person("wilma", "writer"))
        await office.stage.work_for(10, app.programs)
        assert await office.result(run_id) == "it was refunded"
        assert entered == [5]

    in_office(app, play)


def test_a_sub_agent_may_need_an_approval_too() -> None:
    app = App("shop")

    @app.agent
    async def courier(parcel: str) -> str:
        """Deliver a parcel."""
        return f"{parcel} delivered"

    def end(messages: Any) -> Any:
        return str(results(messages)[0])

    turns: list[Any] = [[("courier", {"parcel": "p-1"})], end]
    app.add(Agent("clerk", model=scripted(turns), tools=[courier], approvals={"courier": "@boss"}))

    async def play(office: Office) -> None:
        run_id = await office.start("clerk", "send it")
        await office.answer(run_id, office.person("boss"))
        assert await office.result(run_id) == "p-1 delivered"

    in_office(app, play)


def test_a_rule_for_a_tool_that_there_is_not_or_that_nobody_could_follow_is_refused_at_once() -> None:
    with pytest.raises(BadInput, match="no tool of that name"):
        Agent("clerk", model="echo", approvals={"refund": True})
    with pytest.raises(BadInput, match="never escalated"):
        tool(approval=ApprovalRule(escalate=["lead"]))
