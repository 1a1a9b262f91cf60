"""Apps: agents, tools, approvals and routes as a team declares them, and as a worker finds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import watership
from tests.agents.stage import Stage, on_stage, raw
from watership import Agent, App, Budget, Effect, RetryPolicy, SchemaRange, approve, gather, sleep, step, tool
from watership.agents.tool import STEP, tool_of
from watership.durable import OutsideRun, StepOptions
from watership.durable.events import StepStarted
from watership.durable.execution import Ending
from watership.durable.states import RunState
from watership.errors import BadInput, NotFound, ProgramError
from watership.testing.scripted import scripted

ROOT = Path(__file__).resolve().parents[2]


def run_python(code: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def greeter() -> App:
    app = App("greeters", version="2.1.0", schema=SchemaRange(1, 2))

    @app.agent
    async def hello(name: str) -> str:
        """Greet a person.

        Warmly.
        """
        return f"Hello, {name}!"

    @app.agent("crowd", conversation="reject", pool="big", priority=2)
    async def greet_all(names: list[str]) -> list[str]:
        return await gather(*(hello(name) for name in names))

    return app


def test_an_agent_says_how_long_its_runs_may_take_and_the_seconds_of_its_budget_are_the_same() -> None:
    app = greeter()

    @app.agent(within_seconds=60, budget=Budget(seconds=30))
    async def quick() -> None: ...

    app.add(Agent("model", model="echo", within_seconds=90))
    assert {card.name: card.within_seconds for card in app.cards()} == {
        "crowd": None,
        "hello": None,
        "model": 90,
        "quick": 30,
    }
    assert app.programs["quick"].within_seconds == 30
    with pytest.raises(BadInput, match="within 0 s"):
        app.agent("never", within_seconds=0)(quick)


def test_a_card_says_what_the_function_says() -> None:
    crowd, hello = greeter().cards()
    assert (hello.name, hello.description, hello.kind) == ("hello", "Greet a person.\n\nWarmly.", "function")
    assert hello.input_schema["required"] == ["name"]
    assert (hello.conversation, hello.pool, hello.priority) == ("queue", "default", 1)
    assert (crowd.name, crowd.conversation, crowd.pool, crowd.priority) == ("crowd", "reject", "big", 2)
    assert msgspec.json.decode(msgspec.json.encode(hello))["name"] == "hello"


def test_an_app_says_what_build_it_is() -> None:
    assert greeter().facts() == {
        "name": "greeters",
        "version": "2.1.0",
        "schema": {"lowest": 1, "highest": 2},
        "agents": ["crowd", "hello"],
    }


def test_an_agent_runs_as_a_program_and_calls_another_inline() -> None:
    async def play(stage: Stage) -> None:
        one, all_ = (
            await stage.start("hello", "Ada", "one"),
            await stage.start("crowd", {"names": ["A", "B"]}, "all"),
        )
        await stage.work(greeter().programs)
        assert await stage.result(one) == "Hello, Ada!"
        assert await stage.result(all_) == ["Hello, A!", "Hello, B!"]

    on_stage(play)


async def test_calling_an_agent_outside_a_run_is_refused_and_says_what_to_do() -> None:
    app = App("a")

    @app.agent
    async def hello(name: str) -> str:
        raise AssertionError("it ran without a journal")

    reader = app.add(Agent("reader", model="echo"))
    for call in (hello, reader):
        with pytest.raises(OutsideRun, match="Send a message"):
            await call("Ada")


def test_an_input_is_checked_before_a_run_is_accepted() -> None:
    app = greeter()
    assert bytes(app.validate("hello", raw("Ada"))) == b'{"name":"Ada"}'
    with pytest.raises(BadInput, match="`name`"):
        app.validate("hello", raw({"name": 3}))
    with pytest.raises(NotFound, match="crowd, hello"):
        app.validate("helo", raw("Ada"))


def test_a_run_with_a_wrong_input_fails_and_says_why() -> None:
    async def play(stage: Stage) -> None:
        run_id = await stage.start("hello", {"name": 3})
        await stage.work(greeter().programs)
        failure = await stage.result(run_id)
        assert (failure.kind, "`name`" in failure.message) == ("WrongInput", True)

    on_stage(play)


@pytest.mark.parametrize(
    "facts",
    [{"conversation": "later"}, {"priority": 3}, {"name": "a b"}, {"name": "x" * 64}, {"name": "1/2"}],
)
def test_a_card_that_means_nothing_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        App("a").add(Agent(**{"name": "reader", "model": "echo"} | facts))


def test_two_agents_of_one_name_are_refused() -> None:
    app = greeter()
    with pytest.raises(BadInput, match="hello"):
        app.add(Agent("hello", model="echo"))


def test_a_plain_function_is_no_agent_and_no_tool() -> None:
    def plain(name: str) -> str:
        return name

    with pytest.raises(ProgramError, match="async def"):
        App("a").agent(plain)  # type: ignore[arg-type]
    with pytest.raises(ProgramError, match="async def"):
        tool(plain)  # type: ignore[type-var]


def test_two_tools_of_one_name_are_refused() -> None:
    async def find(n: int) -> int:
        return n

    with pytest.raises(BadInput, match="find"):
        Agent("reader", model="echo", tools=[find, find])


def test_routes_are_kept_as_data() -> None:
    app = App("a")

    async def fact(given: dict[str, str]) -> object:
        return given["n"]

    assert app.get("/facts/{n}")(fact) is fact
    app.post("/facts")(fact)
    assert [(each.method, each.path, each.function) for each in app.routes] == [
        ("GET", "/facts/{n}", fact),
        ("POST", "/facts", fact),
    ]
    with pytest.raises(BadInput):
        app.get("facts")


def test_a_tool_is_unsafe_unless_it_declares_otherwise() -> None:
    retry = RetryPolicy(attempts=2)

    @tool
    async def pay(amount: int) -> int:
        return amount

    @App("a").tool(effect="idempotent", retry=retry)
    async def post(text: str) -> str:
        return text

    async def undeclared(n: int) -> int:
        return n

    assert getattr(pay, STEP) == StepOptions(effect=Effect.UNSAFE)
    assert getattr(post, STEP) == StepOptions(effect=Effect.IDEMPOTENT, retry=retry)
    assert tool_of(undeclared).options == StepOptions(effect=Effect.UNSAFE)
    with pytest.raises(BadInput, match="pure, idempotent, unsafe"):
        tool(effect="harmless")  # type: ignore[call-overload]
    with pytest.raises(ProgramError):
        tool_of(7)


def test_a_step_keeps_to_what_its_tool_declares() -> None:
    app = App("a")

    @app.tool
    async def pay(amount: int) -> int:
        return amount

    @app.agent
    async def shop(amount: int) -> int:
        return await step(pay, amount)

    async def play(stage: Stage) -> None:
        run_id = await stage.start("shop", {"amount": 3})
        await stage.work(app.programs)
        assert await stage.result(run_id) == 3
        assert any(isinstance(event, StepStarted) for event in await stage.events(run_id))

    on_stage(play)


def test_a_policy_for_doubts_is_one_that_there_is_and_reaches_the_program() -> None:
    app = App("a")

    @app.agent(in_doubt="fail")
    async def shop(amount: int) -> int:
        return amount

    app.add(Agent("seller", model=scripted(["hi"]), in_doubt="retry"))
    assert [app.programs[name].in_doubt for name in ("shop", "seller")] == ["fail", "retry"]
    with pytest.raises(BadInput, match="Policies: ask, fail, retry"):
        app.add(Agent("other", model=scripted(["hi"]), in_doubt="hope"))  # type: ignore[arg-type]


def test_an_approval_in_a_function_waits_parked_and_tells_who_decided() -> None:
    app = App("a")

    @app.agent
    async def publish(text: str) -> str:
        answer = await approve("Publish?", {"text": text})
        return f"{answer.by}: {answer.note}" if answer.granted else "kept"

    async def play(stage: Stage) -> None:
        run_id = await stage.start("publish", "news")
        assert await stage.work(app.programs) == [Ending.PARKED]
        run = await stage.run(run_id)
        assert run.state is RunState.WAITING
        assert msgspec.json.decode(run.waits[0].about) == {
            "question": "Publish?",
            "details": {"text": "news"},
        }
        await stage.send(run_id, "approval", {"granted": True, "by": "ada", "note": "go on"})
        await stage.work(app.programs)
        assert await stage.result(run_id) == "ada: go on"

    on_stage(play)


def test_importing_watership_imports_nothing_else() -> None:
    code = (
        "import sys, watership\nprint(sorted(name for name in sys.modules if name.startswith('watership')),"
        " 'msgspec' in sys.modules)"
    )
    assert run_python(code) == "['watership'] False"


def test_agents_without_a_model_never_import_the_models_library() -> None:
    code = (
        "import sys\nimport watership.agents.app\nfrom watership import *\n"
        "from watership.testing.scripted import scripted\n"
        "app = App('a')\napp.add(Agent('reader', model=scripted(['hi']), tools=[approval_tool()]))\napp.programs\n"
        "print([name for name in sys.modules if name.startswith('pydantic')])"
    )
    assert run_python(code) == "[]"


def test_every_public_name_is_there_and_listed() -> None:
    for name in watership.__all__:
        assert getattr(watership, name) is not None
        assert name in dir(watership)
    with pytest.raises(AttributeError, match="bright_eyes"):
        watership.bright_eyes  # noqa: B018


def test_the_hello_example_is_ten_lines_and_greets() -> None:
    source = (ROOT / "examples" / "hello.py").read_text()
    code = [line for line in source.splitlines() if line.strip() and not line.startswith('"""')]
    assert len(code) <= 10
    space: dict[str, Any] = {"__name__": "hello"}
    exec(compile(source, "hello.py", "exec"), space)  # noqa: S102 - our own example

    async def play(stage: Stage) -> None:
        run_id = await stage.start("hello", "Ada")
        await stage.work(space["app"].programs)
        assert await stage.result(run_id) == "Hello, Ada!"

    on_stage(play)


def test_a_sleeping_agent_holds_nothing() -> None:
    app = App("a")

    @app.agent
    async def nap(seconds: float) -> str:
        await sleep(seconds)
        return "rested"

    async def play(stage: Stage) -> None:
        run_id = await stage.start("nap", {"seconds": 3600})
        assert await stage.work(app.programs) == [Ending.PARKED]
        await stage.clock.sleep(3600)
        assert await stage.work(app.programs) == [Ending.ENDED]
        assert await stage.result(run_id) == "rested"

    on_stage(play)
