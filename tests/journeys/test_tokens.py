"""What a model says is told while it says it: over the death of its worker, by SSE and WebSocket, to who comes late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from websockets.asyncio.client import connect

from tests.journeys.processes import Process
from tests.journeys.test_stream import until
from watership.adapters.postgres import PostgresSchema, PostgresStore
from watership.adapters.sqlite import SQLiteStore
from watership.agents.budget import MONEY
from watership.durable.events import Entry, Restarted, StepDone, StepRetried, kind_of
from watership.durable.ids import RunId
from watership.durable.usage import usage
from watership.testing.provider import Cut, Fault, Provider, Request
from watership.testing.servers import free_port

pytestmark = pytest.mark.usefixtures("long")

TELLER = Path(__file__).with_name("agents") / "teller.py"
STORY = " ".join(f"Once upon a time number {number} — söß 🐇." for number in range(8))
PAUSE = 0.03
"""Seconds between two words."""


class Follower:
    """A client that reads frames by the documented rule: what tokens said, by the step's key."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.texts: dict[str, str] = {}
        self.whole: dict[str, str] = {}
        """What had been told of an answer when the journal ended it."""

    def take(self, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        data = frame["data"]
        match frame["event"]:
            case "token":
                text = self.texts.get(data["key"], "")
                assert data["offset"] == len(text), (
                    "what is told goes on where it stopped, unless a gap is told"
                )
                self.texts[data["key"]] = text + data["text"]
            case "gap":
                self.texts[data["key"]] = self.texts.get(data["key"], "") + "?" * data["missed"]
            case "discard":
                self.texts.pop(data["key"], None)
            case "step_done":
                self.whole[data["event"]["key"]] = self.texts.pop(data["event"]["key"], "")

    def said(self) -> str:
        """All that is told of answers at present."""
        return "".join(self.texts.values())

    def events(self) -> list[str]:
        return [frame["event"] for frame in self.frames]

    def journal(self) -> list[tuple[int, str]]:
        return [(frame["id"], frame["event"]) for frame in self.frames if frame.get("id") is not None]


async def by_sse(url: str, run_id: RunId) -> AsyncIterator[dict[str, Any]]:
    async with (
        httpx2.AsyncClient(timeout=30) as client,
        client.stream("GET", f"{url}/api/v1/runs/{run_id}/events") as answer,
    ):
        frame: dict[str, Any] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                frame["id"] = int(value)
            elif name == "event":
                frame["event"] = value
            elif name == "data":
                yield frame | {"data": msgspec.json.decode(value)}
            elif not line:
                frame = {}


async def by_socket(url: str, run_id: RunId) -> AsyncIterator[dict[str, Any]]:
    async with connect(f"{url.replace('http', 'ws', 1)}/api/v1/runs/{run_id}/ws") as socket:
        async for message in socket:
            yield msgspec.json.decode(message)


def following(told: AsyncIterator[dict[str, Any]]) -> tuple[Follower, asyncio.Task[None]]:
    follower = Follower()

    async def read() -> None:
        async for frame in told:
            follower.take(frame)

    return follower, asyncio.create_task(read())


class Life:
    """A provider, a service and a worker, each a process of its own but the first."""

    def __init__(self, folder: Path, provider: Provider, environment: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        facts = provider.environment() | environment
        app = ("--app", str(TELLER))
        self.worker = Process(folder, "worker", *app, environment=facts)
        self.service = Process(folder, "serve", "--port", str(port), *app, environment=facts)

    async def started(self) -> RunId:
        """A run, as soon as the service answers."""
        async with httpx2.AsyncClient(timeout=10) as client, asyncio.timeout(30):
            while True:
                try:
                    body = {"agent": "teller", "input": {"prompt": "A story!"}}
                    answer = await client.post(f"{self.url}/api/v1/messages", json=body)
                    return RunId(answer.json()["run_id"])
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)


@contextmanager
def living(folder: Path, provider: Provider, environment: dict[str, str]) -> Iterator[Life]:
    with provider:
        life = Life(folder, provider, environment)
        try:
            yield life
        finally:
            life.worker.kill()
            life.service.kill()


def is_whole(follower: Follower, entries: list[Entry]) -> bool:
    """Whether the journal was told without gap or repeat."""
    return follower.journal() == [(entry.seq, kind_of(entry.event)) for entry in entries]


def answer_of(entries: list[Entry]) -> tuple[str, str]:
    """The key and the text of the answer that the journal has."""
    (done,) = [entry.event for entry in entries if isinstance(entry.event, StepDone)]
    parts = msgspec.json.decode(done.value)["parts"]
    return done.key, "".join(part["content"] for part in parts if part["part_kind"] == "text")


Store = SQLiteStore | PostgresStore


async def hold(
    folder: Path, opening: AbstractAsyncContextManager[Store], environment: dict[str, str]
) -> None:
    """The worker dies in the middle of the story. Two follow from the beginning, one comes when it is told again."""
    provider = Provider([STORY], pause=PAUSE)
    async with opening as store:
        with living(folder, provider, environment) as life:
            run_id = await life.started()
            sse, reading = following(by_sse(life.url, run_id))
            socket, listening = following(by_socket(life.url, run_id))
            await until(lambda: len(sse.said()) > 40 and len(socket.said()) > 40)
            before = sse.said()
            await asyncio.to_thread(life.worker.replace)
            await until(lambda: "restarted" in sse.events() and len(sse.said()) > 20)
            late, coming_late = following(by_sse(life.url, run_id))
            async with asyncio.timeout(60):
                await asyncio.gather(reading, listening, coming_late)
        entries = list(await store.journal(run_id))
    key, answer = answer_of(entries)
    assert answer == STORY
    assert STORY.startswith(before)
    for follower in (sse, socket, late):
        assert follower.whole == {key: STORY}
        assert is_whole(follower, entries)
        assert follower.events()[-1] == "end"
        assert "gap" not in follower.events()
    assert sum(isinstance(entry.event, Restarted) for entry in entries) == 1
    for follower in (sse, socket):
        told = [name for name in follower.events() if name in {"restarted", "discard", "token"}]
        assert told.count("discard") == 1
        assert told.index("discard") == told.index("restarted") + 1 < len(told) - 1
    assert "discard" not in late.events()
    assert [line.what for line in provider.lines() if line.what != "asked"] == ["cut", "answered"]
    assert counted(entries) >= provider.billed(input=1.0, output=10.0), "a dead worker's call counts whole"


def counted(entries: list[Entry]) -> int:
    """Millionths of a dollar that the run used up, or may have."""
    told = usage([entry.event for entry in entries])
    return told.used[MONEY] + told.unsettled.get(MONEY, 0)


async def test_a_death_in_mid_answer_is_told_and_the_answer_again_from_its_beginning(tmp_path: Path) -> None:
    store = await SQLiteStore.open(tmp_path / "runs.db")
    await hold(tmp_path, store, {"WATERSHIP_STORE_URL": f"sqlite:///{tmp_path}/runs.db"})


async def test_on_postgresql_and_redis_a_death_in_mid_answer_is_told(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    await PostgresSchema(postgres_url).upgrade()
    environment = {"WATERSHIP_STORE_URL": postgres_url, "WATERSHIP_CACHE_URL": redis_url}
    await hold(tmp_path, await PostgresStore.open(postgres_url), environment)


async def test_an_answer_that_its_provider_breaks_off_is_void_and_told_again(tmp_path: Path) -> None:
    def fault(number: int, request: Request) -> Fault:
        return Cut(pieces=20) if number == 1 else None

    environment = {"WATERSHIP_STORE_URL": f"sqlite:///{tmp_path}/runs.db"}
    provider = Provider([STORY], pause=PAUSE, fault=fault)
    async with await SQLiteStore.open(tmp_path / "runs.db") as store:
        with living(tmp_path, provider, environment) as life:
            run_id = await life.started()
            follower, reading = following(by_socket(life.url, run_id))
            async with asyncio.timeout(60):
                await reading
        entries = list(await store.journal(run_id))
    key, answer = answer_of(entries)
    assert follower.whole == {key: STORY} == {key: answer}
    assert is_whole(follower, entries)
    assert sum(isinstance(entry.event, StepRetried) for entry in entries) == 1
    assert follower.events().index("discard") == follower.events().index("step_retried") + 1
    assert counted(entries) >= provider.billed(input=1.0, output=10.0), "what broke off was billed"
