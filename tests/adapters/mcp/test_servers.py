"""MCP servers as tools: real ones, by stdio and by HTTP, that answer, change, hang and die."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import msgspec
import pytest

from tests.at_work import at_work
from watership import Agent, App, mcp_server
from watership.adapters.mcp.servers import STARTS, McpServers
from watership.adapters.pydantic_ai.engine import offline
from watership.agents.llm import use_engine
from watership.agents.mcp import McpServer, McpToolChanged, Offered, effect_of
from watership.durable import Effect, Uncertain
from watership.durable.clock import SystemClock
from watership.durable.codec import encode
from watership.durable.events import StepDone
from watership.durable.ids import EntryId, RunId
from watership.durable.replay import replay
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import Answer, ClaimedRun
from watership.errors import BadInput, Unavailable
from watership.testing.scripted import results, scripted
from watership.wiring.kernel import Kernel

WORKSHOP = Path(__file__).with_name("workshop.py")
RUN = RunId("painter")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{tmp_path}/runs.db")
    return tmp_path


def stdio(folder: Path, **facts: Any) -> McpServer:
    return mcp_server([sys.executable, str(WORKSHOP), str(folder)], name="shed", **facts)


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """Of a workshop that is reached by HTTP."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    process = Popen([sys.executable, str(WORKSHOP), str(folder), str(port)], stdout=DEVNULL, stderr=DEVNULL)
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
            break
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=["stdio", "http"])
def shed(request: pytest.FixtureRequest, folder: Path) -> Callable[..., McpServer]:
    """Declares the workshop, which is reached in one way or the other."""
    if request.param == "stdio":
        return lambda **facts: stdio(folder, **facts)
    url = request.getfixturevalue("address")
    return lambda **facts: mcp_server(url, name="shed", **facts)


def done(folder: Path) -> list[str]:
    book = folder / "done"
    return book.read_text().split() if book.exists() else []


def painter(server: McpServer, calls: Any, **facts: Any) -> App:
    """An agent that makes these calls, and says what came of them."""
    app = App("garden")
    app.add(
        Agent("painter", model=scripted([calls, lambda m: json.dumps(results(m))]), tools=[server], **facts)
    )
    return app


async def until(kernel: Kernel, *states: RunState) -> Run:
    async with asyncio.timeout(60):
        while (run := await kernel.store.get(RUN)) is None or run.state not in states:
            await asyncio.sleep(0.01)
        return run


async def told(app: App, meanwhile: Callable[[Kernel], Awaitable[object]] | None = None) -> Any:
    """What the agent was told that its calls gave, or why it failed."""
    async with at_work(app, {"painter": {"prompt": "Go."}}) as kernel:
        if meanwhile is not None:
            await meanwhile(kernel)
        run = await until(kernel, RunState.SUCCEEDED, RunState.FAILED)
    return run.failure or json.loads(msgspec.json.decode(run.result))


async def test_a_model_calls_the_tools_of_a_server(shed: Callable[..., McpServer], folder: Path) -> None:
    app = painter(
        shed(), [("shed_add", {"a": 2, "b": 3}), ("shed_paint", {"colour": "red"}), ("shed_refuse", {})]
    )
    added, painted, refused = await told(app)
    assert (added, painted) == ({"result": 5}, {"result": "red it is"})
    assert "the shed is locked" in refused["error"]
    assert done(folder) == ["red"]


async def test_a_server_that_dies_in_the_middle_of_a_call_leaves_it_in_doubt_and_unrepeated(
    shed: Callable[..., McpServer], folder: Path
) -> None:
    async def decide(kernel: Kernel) -> None:
        run = await until(kernel, RunState.IN_DOUBT)
        assert msgspec.json.decode(run.waits[0].about) == [{"colour": "red"}]
        word = Answer(
            entry_id=EntryId("word"),
            run_id=RUN,
            key=run.waits[0].key,
            decision="done",
            by="ada",
            value=encode("it is red, I looked", "a word"),
        )
        await kernel.committer.write(word)

    app = painter(shed(), [("shed_paint_and_die", {"colour": "red"})])
    assert await told(app, decide) == ["it is red, I looked"]
    assert done(folder) == ["red"]


async def test_a_server_that_died_is_started_again_for_the_next_call(folder: Path) -> None:
    server = stdio(folder)
    async with McpServers(SystemClock()) as servers:
        offered = {each.name: each for each in await servers.tools(server)}
        with pytest.raises(Uncertain):
            await servers.call(server, offered["paint_and_die"], {"colour": "red"}, "key")
        assert await servers.call(server, offered["add"], {"a": 1, "b": 1}, "key") == {"result": 2}
    assert len((folder / "started").read_text().split()) == 2


async def test_a_server_that_died_while_nobody_asked_it_puts_no_call_in_doubt(folder: Path) -> None:
    server = stdio(folder)
    async with McpServers(SystemClock()) as servers:
        offered = {each.name: each for each in await servers.tools(server)}
        process: Any = await servers.call(server, offered["process"], {}, "key")
        os.kill(process["result"], signal.SIGKILL)
        assert await servers.call(server, offered["paint"], {"colour": "red"}, "key") == {
            "result": "red it is"
        }
    assert done(folder) == ["red"]


async def test_a_call_that_takes_too_long_is_in_doubt(shed: Callable[..., McpServer], folder: Path) -> None:
    server = shed(seconds=0.5)
    async with McpServers(SystemClock()) as servers:
        offered = {each.name: each for each in await servers.tools(server)}
        with pytest.raises(Uncertain):
            await servers.call(server, offered["paint_slowly"], {"colour": "red"}, "key")
    assert done(folder) == ["red"]


async def test_a_server_that_never_works_is_begun_a_bounded_number_of_times(folder: Path) -> None:
    script = f"open({str(folder / 'began')!r}, 'a').write('x')"
    server = mcp_server([sys.executable, "-c", script], name="shed")
    async with McpServers(SystemClock()) as servers:
        for _ in range(STARTS):
            with pytest.raises(Unavailable):
                await servers.tools(server)
    assert (folder / "began").read_text() == "x" * STARTS


async def test_a_server_is_told_what_is_declared_and_no_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a secret")
    monkeypatch.setenv("WATERSHIP_SECRET", "another secret")
    server = stdio(folder, environment={"SHED_COLOUR": "green"})
    async with McpServers(SystemClock()) as servers:
        offered = {each.name: each for each in await servers.tools(server)}
        seen: Any = await servers.call(server, offered["told"], {}, "key")
    assert seen["SHED_COLOUR"] == "green"
    assert "secret" not in str(seen)


async def test_a_server_ends_with_the_worker_that_started_it(folder: Path) -> None:
    ((answer),) = await told(painter(stdio(folder), [("shed_process", {})]))
    with pytest.raises(ProcessLookupError):
        os.kill(answer["result"], 0)


async def test_a_tool_that_changed_since_a_run_looked_is_not_called(folder: Path) -> None:
    server = stdio(folder)
    async with McpServers(SystemClock()) as servers:
        before = {each.name: each for each in await servers.tools(server)}
    (folder / "changed").touch()
    async with McpServers(SystemClock()) as servers:
        with pytest.raises(McpToolChanged, match="takes other arguments"):
            await servers.call(server, before["paint"], {"colour": "red"}, "key")
        assert await servers.call(server, before["add"], {"a": 1, "b": 1}, "key") == {"result": 2}
    assert done(folder) == []


async def test_what_a_server_offers_is_looked_at_once_in_a_run_and_journaled(folder: Path) -> None:
    app = painter(stdio(folder, only=["add"]), [("shed_add", {"a": 1, "b": 1})])
    async with at_work(app, {"painter": {"prompt": "Go."}}) as kernel:
        await until(kernel, RunState.SUCCEEDED)
        events = [entry.event for entry in await kernel.store.journal(RUN)]
        run = await kernel.store.get(RUN)
        assert run is not None
        # A replay needs no server, and shows the model what the run saw, whatever is offered by now.
        before = use_engine(lambda: offline)
        try:
            told = await replay(
                ClaimedRun(run=run, events=tuple(events), inbox=()),
                painter(mcp_server("no-such-command", name="shed"), []).programs["painter"],
                kernel.store,
                kernel.clock,
            )
        finally:
            use_engine(before)
    assert (told.verdict, told.drifted) == ("fits", ())
    looked = [event for event in events if isinstance(event, StepDone) and event.name == "tools_of_shed"]
    assert [[each["name"] for each in msgspec.json.decode(event.value)] for event in looked] == [["add"]]


async def test_a_tool_that_is_not_let_in_cannot_be_called(folder: Path) -> None:
    server = stdio(folder, only=["add"])
    assert await told(painter(server, [("shed_paint", {"colour": "red"})])) == []
    assert done(folder) == []


async def test_a_declaration_that_names_a_tool_that_there_is_not_fails_the_run(folder: Path) -> None:
    failure = await told(painter(stdio(folder, effects={"pain": "pure"}), []))
    assert "has no tool 'pain'" in failure.message


async def test_a_call_of_a_servers_tool_waits_for_the_approval_that_the_agent_asks_for(folder: Path) -> None:
    async def look(kernel: Kernel) -> None:
        run = await until(kernel, RunState.WAITING)
        assert run.waits[0].name == "approval"
        assert done(folder) == []

    app = painter(stdio(folder), [("shed_paint", {"colour": "red"})], approvals={"shed_paint": True})
    async with at_work(app, {"painter": {"prompt": "Go."}}) as kernel:
        await look(kernel)


async def test_a_result_that_is_too_large_is_told_of_and_not_passed_on(folder: Path) -> None:
    server = stdio(folder, result_bytes=1_000)
    async with McpServers(SystemClock()) as servers:
        offered = {each.name: each for each in await servers.tools(server)}
        much: Any = await servers.call(server, offered["much"], {}, "key")
    assert "1,000 are the limit" in much["error"]


def test_a_servers_word_on_its_tools_counts_only_where_it_is_trusted() -> None:
    reads = Offered(name="reads", description="", schema={}, read_only=True)
    again = Offered(name="again", description="", schema={}, idempotent=True)
    wary = mcp_server("serve", name="shed", effects={"reads": "idempotent"})
    assert [effect_of(wary, each) for each in (reads, again)] == [Effect.IDEMPOTENT, Effect.UNSAFE]
    trusting = mcp_server("serve", name="shed", trust_hints=True)
    assert [effect_of(trusting, each) for each in (reads, again)] == [Effect.PURE, Effect.IDEMPOTENT]


@pytest.mark.parametrize(
    "facts",
    [{"target": ""}, {"target": "serve", "name": "a b"}, {"target": "serve", "headers": {"a": "b"}}],
)
def test_a_server_that_cannot_be_is_refused(facts: Any) -> None:
    with pytest.raises(BadInput):
        mcp_server(**({"name": "shed"} | facts))
