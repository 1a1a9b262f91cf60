"""LLM agents over the journal: nothing asked twice, nothing lost, and changes seen for what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel

from tests.agents.stage import Stage, drifts, on_stage, stage
from watership import (
    Agent,
    App,
    Effect,
    approval_tool,
    approve,
    gather,
    idempotency_key,
    sleep,
    step,
    timeout,
    tool,
)
from watership.adapters.pydantic_ai.engine import build
from watership.agents.llm import MODEL_RETRY
from watership.durable import RetryPolicy
from watership.durable.codec import fingerprint
from watership.durable.events import Finished, StepDone, StepFailed, StepStarted, dump
from watership.durable.execution import Ending, Execution
from watership.durable.ids import RunId
from watership.durable.replay import ended_alike, replay
from watership.durable.run import answer_signal
from watership.durable.states import RunState
from watership.durable.writes import ClaimedRun
from watership.errors import BadInput
from watership.testing.scripted import Answer, Script, echo, prompt, results, scripted

FACTS = [("find", {"n": 1}), ("find", {"n": 2})]
READER = "@reader:0/"


class Counting:
    """A script that counts how often a model was really asked, and a tool that counts its entries."""

    def __init__(self, turns: Sequence[Any], *, effect: Effect = Effect.PURE, seconds: float = 1.0) -> None:
        self.asked = 0
        self.found: list[tuple[int, str]] = []
        self.model = Script([self._counted(turn) for turn in turns], seconds=seconds)

        @tool(effect=effect)
        async def find(n: int) -> str:
            """Find fact number n."""
            self.found.append((n, idempotency_key()))
            return f"fact {n}"

        self.find = find

    def _counted(self, turn: Any) -> Any:
        def count(messages: Any) -> Any:
            self.asked += 1
            return turn(messages) if callable(turn) else turn

        return count

    def app(self, **facts: Any) -> App:
        app = App("library")
        facts = {"instructions": "Read.", "tools": [self.find]} | facts
        app.add(Agent("reader", model=self.model, **facts))
        return app


def read_both(messages: Any) -> str:
    return " and ".join(results(messages, "find"))


def test_an_agent_calls_tools_in_parallel_and_answers_by_their_results() -> None:
    reader = Counting([FACTS, read_both])

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        assert await stage.work(reader.app().programs) == [Ending.ENDED]
        assert await stage.result(run_id) == "fact 1 and fact 2"
        assert sorted(await stage.keys(run_id)) == [
            READER + "@1:call-1-1:0",
            READER + "@1:call-1-2:0",
            READER + "@1:model:0",
            READER + "@2:model:0",
        ]

    on_stage(play)


def test_every_tool_call_has_an_idempotency_key_of_its_own() -> None:
    reader = Counting([FACTS, read_both], effect=Effect.IDEMPOTENT)

    async def play(stage: Stage) -> None:
        await stage.start("reader", "What?")
        await stage.work(reader.app().programs)
        assert sorted(reader.found) == [
            (1, f"run:{READER}@1:call-1-1:0"),
            (2, f"run:{READER}@1:call-1-2:0"),
        ]

    on_stage(play)


def test_a_finished_journal_is_played_again_without_one_model_call() -> None:
    reader, later = Counting([FACTS, read_both]), Counting([FACTS, read_both])

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        await stage.work(reader.app().programs)
        run, events = await stage.run(run_id), await stage.events(run_id)

        async def again(stage: Stage) -> None:
            await stage.recall(run, [event for event in events if not isinstance(event, Finished)])
            await stage.work(later.app().programs)
            assert await stage.result(run_id) == "fact 1 and fact 2"
            assert drifts(await stage.events(run_id)) == []

        await on_another_stage(again)

    on_stage(play)
    assert (reader.asked, later.asked, later.found) == (2, 0, [])


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5])
def test_a_worker_that_dies_at_any_moment_loses_only_the_call_in_flight(seconds: float) -> None:
    reader = Counting([[("find", {"n": 1})], [("find", {"n": 2})], read_both])

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        await stage.work_for(seconds, reader.app().programs)
        await stage.work(reader.app().programs)
        assert await stage.result(run_id) == "fact 1 and fact 2"

    on_stage(play)
    assert reader.asked == 3  # the one in flight had not answered
    assert [n for n, _ in reader.found] == [1, 2]


async def other(n: int) -> str:
    """Find something else."""
    return f"something else than {n}"


@pytest.mark.parametrize("changed", [{"instructions": "Read slowly."}, {"tools": [other]}])
def test_changed_words_and_tools_drift_and_do_not_diverge(changed: Mapping[str, Any]) -> None:
    reader = Counting([FACTS, read_both])
    facts = {"tools": [reader.find, other]} if "tools" in changed else changed

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        await stage.work_for(1.5, reader.app().programs)
        await stage.work(reader.app(**facts).programs)
        assert await stage.result(run_id) == "fact 1 and fact 2"
        assert drifts(await stage.events(run_id)) == [READER + "@1:model:0"]

    on_stage(play)


async def on_another_stage(play: Any) -> None:
    async with stage() as another:
        await play(another)


def test_changed_arguments_of_a_tool_stop_the_run_and_name_the_key() -> None:
    reader = Counting([[("find", {"n": 1})], read_both])

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        await stage.work(reader.app().programs)
        run, events = await stage.run(run_id), await stage.events(run_id)
        forged = [
            msgspec.structs.replace(event, value=msgspec.Raw(bytes(event.value).replace(b'"n":1', b'"n":7')))
            if isinstance(event, StepDone)
            else event
            for event in events
            if not isinstance(event, Finished)
        ]

        async def again(stage: Stage) -> None:
            await stage.recall(run, forged)
            assert await stage.work(reader.app().programs) == [Ending.STOPPED]
            stopped = await stage.run(run_id)
            assert stopped.state is RunState.STOPPED
            assert stopped.failure is not None
            assert stopped.failure.kind == "Diverged"
            assert READER + "@1:call-1-1:0" in stopped.failure.message

        await on_another_stage(again)

    on_stage(play)


def approver(asked: list[str]) -> App:
    app = App("library")

    def decide(messages: Any) -> str:
        asked.append("decide")
        (answer,) = results(messages, "ask_approval")
        return f"published, {answer['by']} said so" if answer["granted"] else "kept"

    def ask(messages: Any) -> Any:
        asked.append("ask")
        return [("ask_approval", {"question": "Publish?", "details": prompt(messages)})]

    app.add(Agent("publisher", model=scripted([ask, decide]), tools=[approval_tool()]))
    return app


def test_an_approval_inside_an_agent_parks_the_run_and_resumes_it() -> None:
    asked: list[str] = []

    async def play(stage: Stage) -> None:
        run_id = await stage.start("publisher", "the news")
        assert await stage.work(approver(asked).programs) == [Ending.PARKED]
        (waiting,) = (await stage.run(run_id)).waits
        assert (waiting.kind, waiting.name) == ("signal", "approval")
        assert msgspec.json.decode(waiting.about) == {"question": "Publish?", "details": "the news"}
        await stage.send(run_id, "approval", {"granted": True, "by": "ada"})
        assert await stage.work(approver(asked).programs) == [Ending.ENDED]
        assert await stage.result(run_id) == "published, ada said so"

    on_stage(play)
    assert asked == ["ask", "decide"]


def test_an_answer_reaches_its_own_question_among_several() -> None:
    def ask(_: Any) -> Any:
        return [("ask_approval", {"question": name}) for name in ("mail", "delete")]

    def decide(messages: Any) -> str:
        return " ".join(f"{each['granted']} by {each['by']}" for each in results(messages))

    app = App("library")
    app.add(Agent("clerk", model=scripted([ask, decide]), tools=[approval_tool()]))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("clerk", "go")
        await stage.work(app.programs)
        waits = (await stage.run(run_id)).waits
        assert [msgspec.json.decode(wait.about)["question"] for wait in waits] == ["mail", "delete"]
        await stage.send(run_id, answer_signal(waits[1].key), {"granted": False, "by": "ada"})
        assert await stage.work(app.programs) == [Ending.PARKED]
        assert [wait.key for wait in (await stage.run(run_id)).waits] == [waits[0].key]
        await stage.send(run_id, answer_signal(waits[0].key), {"granted": True, "by": "bob"})
        await stage.work(app.programs)
        assert await stage.result(run_id) == "True by bob False by ada"

    on_stage(play)


def test_a_sub_agent_runs_inside_the_call_of_the_model_that_asks_it() -> None:
    app = App("library")
    reader = app.add(Agent("reader", model=echo))

    @app.agent
    async def counter(text: str) -> int:
        """Count the letters."""
        await sleep(60)
        return await step(count, text)

    def report(messages: Any) -> str:
        return f"{results(messages, 'reader')} {results(messages, 'counter')}"

    both = [("reader", {"prompt": "hello"}), ("counter", {"text": "hello"})]
    app.add(Agent("chief", model=scripted([both, report]), tools=[reader, counter]))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("chief", "go")
        endings = await stage.work(app.programs)
        while not (await stage.run(run_id)).ended:
            assert endings == [Ending.PARKED]
            await stage.clock.sleep(60)
            endings = await stage.work(app.programs)
        assert await stage.result(run_id) == "['hello'] [5]"
        assert "@chief:0/@1:call-1-1:0/@reader:0/@1:model:0" in await stage.keys(run_id)
        assert "@chief:0/@1:call-1-2:0/count/0" in await stage.keys(run_id)

    on_stage(play)


async def count(text: str) -> int:
    return len(text)


def test_a_function_agent_may_ask_an_llm_agent_many_times() -> None:
    app = App("library")
    reader = app.add(Agent("reader", model="echo"))

    @app.agent
    async def panel(question: str) -> list[str]:
        first = [await reader(question), await reader(question)]
        return first + await gather(*(reader(f"{question} {n}") for n in range(3)))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("panel", "why")
        await stage.work(app.programs)
        assert await stage.result(run_id) == ["why", "why", "why 0", "why 1", "why 2"]

    for seed in range(5):
        on_stage(play, seed)


def test_an_unsafe_tool_in_doubt_waits_for_a_person_who_sees_its_arguments() -> None:
    reader = Counting([[("find", {"n": 1})], read_both], effect=Effect.UNSAFE)

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        await stage.work(reader.app().programs)
        run, events = await stage.run(run_id), await stage.events(run_id)
        begun = next(
            index
            for index, event in enumerate(events)
            if isinstance(event, StepStarted) and event.name == "find"
        )

        async def again(stage: Stage) -> None:
            await stage.recall(run, events[: begun + 1])
            assert await stage.work(reader.app().programs) == [Ending.PARKED]
            doubted = await stage.run(run_id)
            assert doubted.state is RunState.IN_DOUBT
            assert msgspec.json.decode(doubted.waits[0].about) == [{"n": 1}]
            await stage.answer(run_id, doubted.waits[0].key, "retry")
            await stage.work(reader.app().programs)
            assert await stage.result(run_id) == "fact 1"

        await on_another_stage(again)

    on_stage(play)
    assert len(reader.found) == 2


def test_arguments_that_do_not_fit_go_back_to_the_model() -> None:
    reader = Counting([[("find", {"n": "one"})], [("find", {"n": 1})], read_both])

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        await stage.work(reader.app().programs)
        assert await stage.result(run_id) == "fact 1"

    on_stage(play)


def test_the_tokens_used_stand_in_the_journal() -> None:
    reader = Counting([FACTS, read_both])

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        await stage.work(reader.app().programs)
        used = [
            msgspec.json.decode(event.value)["usage"]["output_tokens"]
            for event in await stage.events(run_id)
            if isinstance(event, StepDone) and event.name == "model"
        ]
        assert len(used) == 2
        assert all(tokens > 0 for tokens in used)

    on_stage(play)


def test_a_model_that_fails_is_asked_again_later_and_the_run_parks_meanwhile() -> None:
    asked: list[int] = []

    def flaky(_: Any) -> str:
        asked.append(1)
        if len(asked) < 3:
            raise ConnectionError("no route")
        return "at last"

    app = App("library")
    retry = RetryPolicy(attempts=3, first=60.0)
    app.add(Agent("reader", model=scripted([flaky]), retry=retry))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        assert await stage.work(app.programs) == [Ending.PARKED]
        while not (await stage.run(run_id)).ended:
            await stage.clock.sleep(120)
            await stage.work(app.programs)
        assert await stage.result(run_id) == "at last"

    on_stage(play)
    assert len(asked) == 3


@pytest.mark.parametrize(("status", "times"), [(400, 1), (401, 1), (429, 3), (503, 3)])
def test_a_provider_is_asked_again_only_where_that_may_help(status: int, times: int) -> None:
    asked: list[int] = []

    def refuse(_: Any) -> str:
        asked.append(status)
        raise ModelHTTPError(status, "scripted", {"why": "because"})

    app = App("library")
    retry = RetryPolicy(attempts=3, first=0.0, never=MODEL_RETRY.never)
    app.add(Agent("reader", model=scripted([refuse]), retry=retry))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        await stage.work(app.programs)
        assert str(status) in (await stage.result(run_id)).message

    on_stage(play)
    assert len(asked) == times


def test_a_model_may_be_named_by_module_and_attribute_or_given_as_an_object() -> None:
    app = App("library")
    app.add(Agent("named", model="scripted:watership.testing.scripted:echo"))
    app.add(Agent("given", model=TestModel(custom_output_text="given")))
    app.add(Agent("unknown", model="scripted:watership.testing.scripted:nothing"))

    async def play(stage: Stage) -> None:
        for name in ("named", "given", "unknown"):
            await stage.start(name, "hi", name)
        await stage.work(app.programs)
        assert await stage.result(RunId("named")) == "hi"
        assert await stage.result(RunId("given")) == "given"
        assert (await stage.result(RunId("unknown"))).kind == "BadInput"

    on_stage(play)


@pytest.mark.parametrize("model", ["test", "echo", TestModel(), scripted(["hi"])])
def test_a_model_requests_identity_is_journaled_data_and_does_not_name_the_model(model: object) -> None:
    app = App("library")
    app.add(Agent("reader", model=model))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "hi")
        await stage.work(app.programs)
        (asked,) = [event for event in await stage.events(run_id) if isinstance(event, StepDone)]
        # Runs in flight were journaled under this name: whoever changes it stops them.
        assert asked.identity == fingerprint(["model", "reader__model.request"], "a test")

    on_stage(play)


def test_what_is_wrong_with_a_model_is_told_before_a_worker_claims_runs() -> None:
    app = App("library")
    app.add(Agent("reader", model="echo"))
    app.prepare()
    app.add(Agent("unknown", model="scripted:watership.testing.scripted:nothing"))
    with pytest.raises(BadInput, match="nothing"):
        app.prepare()


@pytest.mark.parametrize(
    ("model", "mend"),
    [
        ("openai:gpt-5-mini", "Set the environment variable OPENAI_API_KEY."),
        ("groq:some-model", "pip install 'pydantic-ai-slim[groq]'"),
        ("nobodys:model", "provider:model"),
        ("scripted:no.such.module:turns", "module:attribute"),
    ],
)
def test_a_model_whose_package_or_key_is_missing_is_refused_with_the_mend(
    model: str, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    app = App("library")
    app.add(Agent("reader", model=model))
    with pytest.raises(BadInput) as refused:
        app.prepare()
    assert model.removeprefix("scripted:") in refused.value.message
    assert mend in refused.value.fix


def test_instructions_may_be_a_function_and_what_it_says_may_change() -> None:
    said: list[str] = []

    def today() -> str:
        said.append("x")
        return f"Today is day {len(said)}."

    reader = Counting([[("find", {"n": 1})], read_both])

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        await stage.work_for(1.5, reader.app(instructions=today).programs)
        await stage.work(reader.app(instructions=today).programs)
        assert await stage.result(run_id) == "fact 1"
        assert drifts(await stage.events(run_id)) == [READER + "@1:model:0"]

    on_stage(play)


def test_a_script_that_ended_fails_the_run_at_once() -> None:
    reader = Counting([FACTS])

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        assert await stage.work(reader.app().programs) == [Ending.ENDED]
        failure = await stage.result(run_id)
        assert (failure.kind, "turn 2" in failure.message) == ("ModelRefused", True)
        assert sum(isinstance(event, StepFailed) for event in await stage.events(run_id)) == 1

    on_stage(play)


def test_an_agent_that_goes_in_circles_ends_at_its_bound() -> None:
    circling = scripted([[("find", {"n": 1})]], repeat_last=True)
    reader = Counting([])
    app = App("library")
    app.add(Agent("reader", model=circling, tools=[reader.find], turns=4))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        await stage.work(app.programs)
        assert (await stage.result(run_id)).kind == "UsageLimitExceeded"

    on_stage(play)
    assert len(reader.found) == 4


def test_a_drain_waits_for_the_model_call_in_flight_and_hands_the_run_over() -> None:
    reader = Counting([FACTS, read_both])

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", "What?")
        assert await stage.interrupt(0.5, reader.app().programs, Execution.drain) == [Ending.YIELDED]
        assert await stage.keys(run_id) == [READER + "@1:model:0"]
        await stage.work(reader.app().programs)
        assert await stage.result(run_id) == "fact 1 and fact 2"

    on_stage(play)
    assert reader.asked == 2


def test_a_cancelled_agent_ends_after_the_call_in_flight_and_undoes_what_its_program_did() -> None:
    reader, undone = Counting([FACTS, read_both]), []
    app = reader.app()
    ask: Any = Agent("reader", model=reader.model, tools=[reader.find])

    async def book(seat: int) -> int:
        return seat

    async def unbook(seat: int) -> None:
        undone.append(seat)

    @app.agent
    async def traveller(question: str) -> str:
        await step(book, 7, on_cancel=unbook)
        return str(await ask(question))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("traveller", "Where?")
        assert await stage.interrupt(0.5, app.programs, Execution.cancel) == [Ending.ENDED]
        assert (await stage.run(run_id)).state is RunState.CANCELLED

    on_stage(play)
    assert undone == [7]
    assert (reader.asked, reader.found) == (1, [])


def test_a_cancelled_agent_that_is_parked_in_an_approval_ends() -> None:
    asked: list[str] = []

    async def play(stage: Stage) -> None:
        run_id = await stage.start("publisher", "the news")
        await stage.work(approver(asked).programs)
        await stage.cancel(run_id)
        await stage.work(approver(asked).programs)
        assert (await stage.run(run_id)).state is RunState.CANCELLED

    on_stage(play)
    assert asked == ["ask"]


def test_an_agent_that_loses_a_race_against_time_is_dropped_and_the_run_goes_on() -> None:
    app = App("library")
    slow = app.add(Agent("slow", model=scripted(["late"], seconds=100.0)))

    @app.agent
    async def hurried(question: str) -> str:
        try:
            return str(await timeout(10, slow(question)))
        except TimeoutError:
            return f"no answer to {question}, {await slow('again')}"

    async def play(stage: Stage) -> None:
        run_id = await stage.start("hurried", "why")
        await stage.work(app.programs)
        assert await stage.result(run_id) == "no answer to why, late"

    on_stage(play)


def test_a_tool_that_catches_everything_does_not_catch_the_end_of_its_execution() -> None:
    caught: list[str] = []

    async def stubborn(question: str) -> str:
        """Ask, whatever happens."""
        try:
            return str((await approve(question)).granted)
        except Exception as error:  # noqa: BLE001 - that is the tool's fault
            caught.append(repr(error))
            return str((await approve("Again?")).granted)

    app = App("library")
    sub = app.agent(stubborn)
    script = scripted([[("stubborn", {"question": "May I?"})], lambda messages: results(messages)[0]])
    app.add(Agent("asker", model=script, tools=[sub]))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("asker", "go")
        assert await stage.work(app.programs) == [Ending.PARKED]
        assert len((await stage.run(run_id)).waits) == 1
        await stage.send(run_id, "approval", {"granted": True, "by": "ada"})
        await stage.work(app.programs)
        assert await stage.result(run_id) == "True"

    on_stage(play)
    assert caught == []


def test_runs_with_tools_that_wait_and_tools_that_work_end_alike_under_every_schedule() -> None:
    def both(_: Any) -> Any:
        return [("find", {"n": 1}), ("ask_approval", {"question": "?"}), ("find", {"n": 2})]

    def report(messages: Any) -> str:
        return f"{results(messages, 'find')} {results(messages, 'ask_approval')[0]['granted']}"

    for seed in range(20):
        reader = Counting([both, report])
        app = reader.app(tools=[reader.find, approval_tool()])

        async def play(stage: Stage, app: App = app) -> None:
            run_id = await stage.start("reader", "What?")
            assert await stage.work(app.programs) == [Ending.PARKED]
            await stage.send(run_id, "approval", {"granted": True, "by": "ada"})
            await stage.work(app.programs)
            assert await stage.result(run_id) == "['fact 1', 'fact 2'] True"

        on_stage(play, seed)
        assert (reader.asked, sorted(n for n, _ in reader.found)) == (2, [1, 2])


class Verdict(msgspec.Struct):
    good: bool
    why: str


def test_a_struct_as_output_is_what_the_model_must_fill_in() -> None:
    turns = [Answer({"good": "perhaps"}), Answer({"good": True, "why": "short"})]
    app = App("library")
    judge = app.add(Agent("judge", model=scripted(turns), output=Verdict))

    @app.agent
    async def court(case: str) -> str:
        verdict: Verdict = await judge(case)
        return verdict.why if verdict.good else ""

    async def play(stage: Stage) -> None:
        alone, inline = await stage.start("judge", "this", "a"), await stage.start("court", "this", "b")
        await stage.work(app.programs)
        assert await stage.result(alone) == {"good": True, "why": "short"}
        assert await stage.result(inline) == "short"

    on_stage(play)


def test_a_model_of_no_known_kind_is_refused() -> None:
    from watership.adapters.pydantic_ai.engine import model_of

    with pytest.raises(BadInput):
        model_of(7)


def test_a_replay_needs_no_provider() -> None:
    named = Agent("asker", model="openai:gpt-5-mini", tools=[])
    built = build(named, offline=True)
    assert isinstance(built.model, FunctionModel)
    assert built.model.model_name == "gpt-5-mini"


CALLS = 100
PROMPT = "An owl sat in the old oak. " * 15_000  # 405 kB


def test_a_hundred_calls_with_a_large_prompt_keep_a_small_journal() -> None:
    reader = Counting([[("find", {"n": number})] for number in range(CALLS - 1)] + ["Found."], seconds=0)
    programs = reader.app(turns=CALLS).programs

    async def play(stage: Stage) -> None:
        run_id = await stage.start("reader", PROMPT)
        await stage.work(programs)
        events = await stage.events(run_id)
        assert reader.asked == CALLS
        assert sum(isinstance(event, StepDone) and event.name == "model" for event in events) == CALLS
        size = sum(len(dump(event)[1]) for event in events)
        assert size < 1_000_000, f"{size:,} bytes"
        # Resumed from its end: nothing is asked again, and the result is there.
        claimed = ClaimedRun(run=await stage.run(run_id), events=tuple(events), inbox=())
        told = await replay(claimed, programs["reader"], stage.store, stage.clock)
        assert told.verdict == "fits"
        assert ended_alike(told, events)
        assert reader.asked == CALLS

    on_stage(play)
