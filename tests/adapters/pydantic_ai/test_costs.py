"""What model calls cost is reserved before them, counted by their usage, and never beyond a budget."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from tests.agents.stage import Stage, on_stage
from watership import Agent, App, gather, sleep, step, tool
from watership.adapters.pydantic_ai.costs import Tariff, tokens_at_most, unbilled
from watership.adapters.pydantic_ai.speaking import HalfAnAnswer
from watership.agents.budget import MONEY, TOKENS, TURNS, Budget
from watership.agents.price import Price
from watership.agents.throttle import Throttled
from watership.durable import RetryPolicy
from watership.durable.counters import OVER_CAP
from watership.durable.events import Failure, StepDone, StepStarted
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.durable.usage import usage
from watership.errors import BadInput
from watership.testing.scripted import scripted

PRICE = Price(input=1.0, output=10.0)
INPUT, OUTPUT = 12, 40
ANSWERED = INPUT * 1 + OUTPUT * 10
"""What one answer costs, in millionths of a dollar."""


class Provider:
    """A model whose every answer has the same usage; it counts what it was asked."""

    def __init__(self, failures: int = 0, error: Exception | None = None) -> None:
        self.asked = 0
        self._failures = failures
        self._error = error or ModelHTTPError(503, "counted", None)

    def model(self) -> FunctionModel:
        return FunctionModel(self._answer, model_name="counted")

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.asked += 1
        if self.asked <= self._failures:
            raise self._error
        return ModelResponse(
            parts=[TextPart("Yes.")], usage=RequestUsage(input_tokens=INPUT, output_tokens=OUTPUT)
        )


def app_of(provider: Provider, **facts: Any) -> tuple[App, Agent]:
    app = App("counting")
    usual: dict[str, Any] = {"price": PRICE, "output_tokens": OUTPUT, "retry": RetryPolicy(attempts=3)}
    facts = usual | facts
    return app, app.add(Agent("asker", model=provider, **facts))


async def counted(stage: Stage, run_id: str, unit: str = MONEY) -> tuple[int, int]:
    """Reserved and spent of a run's own budget."""
    (count,) = await stage.store.counts([f"run:{run_id}/asker/{unit}"])
    return count.reserved, count.spent


def test_a_call_reserves_its_most_and_counts_what_it_used() -> None:
    app, _ = app_of(Provider(), budget=Budget(usd=1))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("asker", "Well?")
        await stage.work(app.programs)
        opened, done, _ = await stage.events(run_id)
        assert isinstance(opened, StepStarted)
        assert isinstance(done, StepDone)
        assert opened.most[TURNS] == 1
        assert opened.most[MONEY] >= ANSWERED
        assert done.used == {TURNS: 1, TOKENS: INPUT + OUTPUT, MONEY: ANSWERED}
        assert await counted(stage, run_id) == (0, ANSWERED)

    on_stage(play)


def test_a_call_that_the_budget_may_not_cover_is_not_made() -> None:
    provider = Provider()
    app, _ = app_of(provider, budget=Budget(usd=0.0001))

    async def play(stage: Stage) -> None:
        failed = await stage.result(await told(stage, app))
        assert isinstance(failed, Failure)
        assert (failed.kind, failed.code) == ("OverCap", OVER_CAP)

    on_stage(play)
    assert provider.asked == 0


async def told(stage: Stage, app: App, program: str = "asker") -> RunId:
    """Start a run, and work until it has ended: between two attempts it waits."""
    run_id = await stage.start(program, None if program == "panel" else "Well?")
    while not (await stage.run(run_id)).ended:
        await stage.work(app.programs)
        await stage.clock.sleep(60)
    return run_id


def test_what_the_provider_refused_costs_a_turn_and_no_money() -> None:
    app, _ = app_of(Provider(failures=2), budget=Budget(usd=1, turns=10))

    async def play(stage: Stage) -> None:
        run_id = await told(stage, app)
        assert await counted(stage, run_id) == (0, ANSWERED)
        assert await counted(stage, run_id, TURNS) == (0, 3)

    on_stage(play)


def test_a_call_whose_answer_was_cut_off_counts_whole() -> None:
    app, _ = app_of(Provider(failures=1, error=ConnectionError("cut")), budget=Budget(usd=1))

    async def play(stage: Stage) -> None:
        run_id = await told(stage, app)
        opened = next(each for each in await stage.events(run_id) if isinstance(each, StepStarted))
        assert await counted(stage, run_id) == (0, opened.most[MONEY] + ANSWERED)
        assert usage(await stage.events(run_id)).used[MONEY] == opened.most[MONEY] + ANSWERED

    on_stage(play)


def test_an_agent_keeps_its_budget_inside_of_another_ones_run() -> None:
    provider = Provider()
    app, asker = app_of(provider, budget=Budget(turns=2))

    @app.agent
    async def panel() -> list[str]:
        return await gather(*(asker(f"{number}?") for number in range(3)))

    async def play(stage: Stage) -> None:
        failed = await stage.result(await told(stage, app, "panel"))
        assert failed.code == OVER_CAP

    on_stage(play)
    assert provider.asked == 2


def test_a_runs_budget_holds_for_the_agents_that_it_asks() -> None:
    provider = Provider()
    app, asker = app_of(provider)

    @app.agent(budget=Budget(turns=2))
    async def panel() -> list[str]:
        return [await asker(f"{number}?") for number in range(3)]

    async def play(stage: Stage) -> None:
        assert (await stage.result(await told(stage, app, "panel"))).code == OVER_CAP

    on_stage(play)
    assert provider.asked == 2


def test_tool_calls_are_counted_where_somebody_limits_them() -> None:
    entered = []

    @tool(effect="pure")
    async def look(n: int) -> int:
        """Look."""
        entered.append(n)
        return n

    turns: list[Any] = [[("look", {"n": 1})], [("look", {"n": 2})], [("look", {"n": 3})], "Seen."]
    app = App("looking")
    app.add(Agent("looker", model=scripted(turns), tools=[look], budget=Budget(tool_calls=2)))

    async def play(stage: Stage) -> None:
        failed = await stage.result(await told(stage, app, "looker"))
        assert failed.code == OVER_CAP

    on_stage(play)
    assert entered == [1, 2]


def test_a_run_ends_when_its_seconds_are_over() -> None:
    app = App("slow")

    @tool(effect="pure")
    async def nothing() -> None: ...

    @app.agent(budget=Budget(seconds=30))
    async def slow() -> None:
        await step(nothing)
        await sleep(3600)

    async def play(stage: Stage) -> None:
        run_id = await stage.start("slow", within=app.cards()[0].within_seconds)
        await stage.work(app.programs)
        await stage.clock.sleep(31)
        await stage.expire()
        await stage.work(app.programs)
        assert (await stage.result(run_id)).kind == "DeadlineExceeded"

    on_stage(play)


def test_a_budget_in_dollars_needs_a_price() -> None:
    app = App("unknown")
    app.add(Agent("asker", model=Unlisted(), budget=Budget(usd=1)))
    with pytest.raises(BadInput, match="price of model counted is not known"):
        app.prepare()


class Unlisted(Provider):
    """Of a provider whose prices nobody told."""

    def model(self) -> FunctionModel:
        made = super().model()
        made.__class__ = type("Elsewhere", (FunctionModel,), {"system": property(lambda _: "elsewhere")})
        return made


def test_a_runs_budget_in_dollars_refuses_a_model_without_a_price() -> None:
    provider = Unlisted()
    app, asker = app_of(provider, price=None)

    @app.agent(budget=Budget(usd=1))
    async def panel() -> str:
        answer: str = await asker("Well?")
        return answer

    async def play(stage: Stage) -> None:
        assert (await stage.result(await told(stage, app, "panel"))).kind == "BadInput"

    on_stage(play)
    assert provider.asked == 0


def test_listed_models_have_the_price_of_the_table() -> None:
    listed = Tariff("gpt-5-mini", "openai", 100)
    assert listed.used({"usage": {"input_tokens": 1_000, "output_tokens": 100}})[MONEY] == 450


def test_a_bound_on_tokens_is_above_what_tokenizers_make() -> None:
    words = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich 🦊"
    bound = tokens_at_most([ModelRequest(parts=[UserPromptPart(words)])], ModelRequestParameters())
    assert bound >= len(words.encode())


def test_what_the_house_allows_holds_for_every_agent() -> None:
    provider = Provider()
    app, _ = app_of(provider)
    app.directory.house = lambda run: Budget(turns=1).caps(f"tenant:{run.tenant}")

    async def play(stage: Stage) -> None:
        states = []
        for name in ("first", "second"):
            run_id = await stage.start("asker", "Well?", name)
            await stage.work(app.programs)
            states.append((await stage.run(run_id)).state)
        assert states == [RunState.SUCCEEDED, RunState.FAILED]

    on_stage(play)
    assert provider.asked == 1


def test_a_call_that_never_got_its_turn_costs_nothing_not_even_a_turn() -> None:
    assert unbilled(Throttled("No room.")) == {}


def test_an_answer_without_usage_counts_as_the_most_that_it_could_cost() -> None:
    cost = Tariff("gpt-5-mini", "openai", 100).cost([], ModelRequestParameters(), ())
    assert cost.used({"usage": {"input_tokens": 0, "output_tokens": 0}}) == cost.most


def test_an_answer_that_broke_off_inside_of_its_stream_is_not_free() -> None:
    refused = ModelHTTPError(500, "m", None)
    broken = HalfAnAnswer("m", "It broke off.")
    broken.__cause__ = refused
    assert unbilled(refused) == {TURNS: 1}
    assert unbilled(broken) is None
