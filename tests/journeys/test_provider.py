"""LLM agents over a provider's real wire: what it has on record is held against the journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.at_work import at_work
from watership import Agent, App, Done, Uncertain, tool
from watership.agents.budget import MONEY, TOKENS, TURNS, Budget
from watership.agents.price import Price
from watership.durable import Check, RetryPolicy
from watership.durable.codec import encode
from watership.durable.events import AnyEvent, StepDone
from watership.durable.ids import EntryId, RunId
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.usage import usage
from watership.durable.writes import Answer as DoubtAnswer
from watership.testing.provider import Cut, Fault, Provider, Refuse, Turn
from watership.testing.scripted import Answer
from watership.wiring.kernel import Kernel

MODEL = "openai-chat:scripted"
PRICE = Price(input=1.0, output=10.0)
QUICKLY = RetryPolicy(attempts=3, first=0.01)


class Finding(msgspec.Struct):
    """What was found."""

    word: str
    lines: int


@tool(effect="idempotent", reads=())
async def search(word: str) -> int:
    """How many lines have a word."""
    return len(word)


TURNS_OF_SEARCH: Sequence[Turn] = [
    [("search", {"word": "owl"})],
    [("search", {"word": "heron"}), ("search", {"word": "tit"})],
    Answer({"word": "owl", "lines": 3}),
]


Asked = tuple[Any, list[AnyEvent]]
Ask = Callable[..., Awaitable[Asked]]
Meanwhile = Callable[[Kernel], Awaitable[None]]


async def nothing(_: Kernel) -> None:
    """What happens to a run that is left alone."""


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    """Runs an agent over a provider with a script: its result, or why it failed, and its journal."""
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{tmp_path}/runs.db")

    async def asked(provider: Provider, meanwhile: Meanwhile = nothing, **facts: Any) -> Asked:
        with provider:
            for name, value in provider.environment().items():
                monkeypatch.setenv(name, value)
            app = App("birds")
            usual: dict[str, Any] = {"price": PRICE, "output_tokens": 500, "retry": QUICKLY}
            app.add(Agent("asker", model=MODEL, **(usual | facts)))
            run, events = await lived(app, meanwhile)
            return msgspec.json.decode(run.result) if run.failure is None else run.failure, events

    return asked


async def lived(app: App, meanwhile: Meanwhile = nothing) -> tuple[Run, list[AnyEvent]]:
    """A run of the agent, to its end, in a worker of its own; and its journal."""
    run_id = RunId("asker")
    async with at_work(app, {"asker": {"prompt": "Well?"}}) as kernel:
        async with asyncio.timeout(60):
            await meanwhile(kernel)
            while not (run := await kernel.store.get(run_id)).ended:  # type: ignore[union-attr]
                await asyncio.sleep(0.01)
        assert run is not None
        return run, [entry.event for entry in await kernel.store.journal(run_id)]


async def test_an_agent_calls_tools_and_fills_in_its_output_over_the_wire(ask: Ask) -> None:
    provider = Provider(TURNS_OF_SEARCH)
    result, events = await ask(provider, tools=[search], output=Finding)
    assert result == {"word": "owl", "lines": 3}
    assert [line.turn for line in provider.lines("asked")] == [0, 1, 2]
    assert sum(isinstance(event, StepDone) and event.name == "search" for event in events) == 3


async def test_what_was_counted_is_what_the_provider_bills(ask: Ask) -> None:
    provider = Provider(TURNS_OF_SEARCH)
    _, events = await ask(provider, tools=[search], output=Finding, budget=Budget(usd=1))
    told = usage(events).used
    lines = provider.lines("answered")
    assert told[MONEY] == provider.billed(input=1.0, output=10.0) > 0
    assert told[TOKENS] == sum(line.input_tokens + line.output_tokens for line in lines)
    assert told[TURNS] == 3


def failing(*faults: Fault) -> Any:
    def fault(number: int, request: Mapping[str, Any]) -> Fault:
        return faults[number - 1] if number <= len(faults) else None

    return fault


@pytest.mark.parametrize("fault", [Refuse(503), Refuse(429), Cut()])
async def test_what_passes_is_asked_again_by_the_kernel_and_by_nobody_else(ask: Ask, fault: Fault) -> None:
    provider = Provider(["Yes."], fault=failing(fault))
    result, _ = await ask(provider)
    assert result == "Yes."
    assert [line.what for line in provider.lines()] == [
        "asked",
        "cut" if fault == Cut() else "refused",
        "asked",
        "answered",
    ]


async def test_a_provider_that_stays_away_is_asked_as_often_as_the_agent_says(ask: Ask) -> None:
    provider = Provider(["Yes."], fault=lambda number, request: Refuse(500))
    result, _ = await ask(provider)
    assert result.kind == "ModelServerError"
    assert len(provider.lines("asked")) == 3


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_request_that_is_wrong_is_not_made_again(ask: Ask, status: int) -> None:
    provider = Provider(["Yes."], fault=lambda number, request: Refuse(status))
    result, _ = await ask(provider)
    assert result.kind == "ModelRefused"
    assert len(provider.lines("asked")) == 1


async def test_a_loop_ends_after_the_turns_that_it_may_take(ask: Ask) -> None:
    provider = Provider([[("search", {"word": "owl"})]])
    result, _ = await ask(provider, tools=[search], turns=4)
    assert result.kind == "UsageLimitExceeded"
    assert len(provider.lines("asked")) == 4


async def test_an_answer_that_does_not_fit_the_output_is_mended_by_the_model(ask: Ask) -> None:
    provider = Provider([Answer({"word": "owl"}), Answer({"word": "owl", "lines": 3})])
    result, _ = await ask(provider, output=Finding)
    assert result == {"word": "owl", "lines": 3}


async def paid_after_all() -> Done:
    return Done({"receipt": "r-17"})


def shown(request: Mapping[str, Any]) -> str:
    """What the provider was told that the tool returned."""
    (said,) = [message["content"] for message in request["messages"] if message["role"] == "tool"]
    return str(said)


def unheard(check: Check | None = None) -> Any:
    @tool(check=check)
    async def pay(cents: int) -> str:
        """Pay so much."""
        raise Uncertain("The line was cut.")

    return pay


async def test_a_model_is_told_what_a_check_found_out_of_its_call(ask: Ask) -> None:
    provider = Provider([[("pay", {"cents": 5})], shown])
    result, _ = await ask(provider, tools=[unheard(paid_after_all)])
    assert json.loads(result) == {"receipt": "r-17"}


@pytest.mark.parametrize("value", ["r-17", {"receipt": "r-17"}, {"kind": "tool-return", "return_value": 1}])
async def test_a_model_is_told_what_a_person_says_that_its_call_in_doubt_gave(ask: Ask, value: Any) -> None:
    async def answer(kernel: Kernel) -> None:
        while (run := await kernel.store.get(RunId("asker"))) is None or run.state is not RunState.IN_DOUBT:
            await asyncio.sleep(0.01)
        word = DoubtAnswer(
            entry_id=EntryId("word"),
            run_id=run.id,
            key=run.waits[0].key,
            decision="done",
            by="ada",
            value=encode(value, "a person's value"),
        )
        await kernel.committer.write(word)

    provider = Provider([[("pay", {"cents": 5})], shown])
    result, _ = await ask(provider, answer, tools=[unheard()])
    assert (json.loads(result) if isinstance(value, dict) else result) == value


class Streamed:
    """A provider's fault that spoils nothing, and keeps which requests asked for a stream."""

    def __init__(self, *faults: Fault) -> None:
        self.asked: list[bool] = []
        self._faults = faults

    def __call__(self, number: int, request: Mapping[str, Any]) -> Fault:
        self.asked.append(bool(request.get("stream")))
        return self._faults[number - 1] if number <= len(self._faults) else None


@pytest.mark.parametrize(("stream", "asked"), [("watched", False), ("always", True), ("never", False)])
async def test_a_run_that_nobody_watches_streams_only_where_its_agent_says_so(
    ask: Ask, stream: str, asked: bool
) -> None:
    streamed = Streamed()
    provider = Provider(TURNS_OF_SEARCH, fault=streamed)
    result, events = await ask(provider, tools=[search], output=Finding, stream=stream, budget=Budget(usd=1))
    assert result == {"word": "owl", "lines": 3}
    assert streamed.asked == [asked] * 3
    assert usage(events).used[MONEY] == provider.billed(input=1.0, output=10.0) > 0


async def test_a_stream_that_breaks_off_is_asked_again_and_counts_at_its_most(ask: Ask) -> None:
    provider = Provider(["Owls are birds."], fault=Streamed(Cut(pieces=2)))
    result, events = await ask(provider, stream="always", budget=Budget(usd=1))
    assert result == "Owls are birds."
    assert [line.what for line in provider.lines() if line.what != "asked"] == ["cut", "answered"]
    assert usage(events).used[MONEY] > provider.billed(input=1.0, output=10.0)
