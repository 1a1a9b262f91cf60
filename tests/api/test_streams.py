"""The events of a run can be followed, resumed, and are closed before the service ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import msgspec
import pytest

from tests.api.world import World, client, events, serving, soon, world
from watership.api.given import Limits
from watership.api.lifecycle import STREAMS
from watership.durable.events import StepDone
from watership.durable.ids import Key, RunId
from watership.durable.run import Waiting
from watership.durable.states import RunState
from watership.durable.writes import Finish, Park


def done(number: int) -> StepDone:
    return StepDone(key=Key(f"dig/{number}"), name="dig", identity="i", value=msgspec.Raw(b"%d" % number))


FINISH = Finish(state=RunState.SUCCEEDED, result=msgspec.Raw(b'"a burrow"'))


class Stream:
    """What has come of a stream so far."""

    def __init__(self) -> None:
        self.text = ""
        self.closed = False

    def whole(self) -> list[tuple[str, str, Any]]:
        """The events that came completely."""
        return events(self.text[: self.text.rfind("\n\n") + 2])

    def names(self) -> list[str]:
        """What came, apart from the states that the run passed through."""
        return [name for name, _, _ in self.whole() if name != "state"]

    def states(self) -> list[str]:
        return [data["state"] for name, _, data in self.whole() if name == "state"]


@asynccontextmanager
async def following(
    w: World, http: httpx2.AsyncClient, run_id: RunId, headers: dict[str, str] | None = None
) -> AsyncIterator[Stream]:
    """A client that reads along until the stream ends."""
    stream = Stream()

    async def read() -> None:
        url = f"/api/v1/runs/{run_id}/events"
        async with http.stream("GET", url, headers={**w.bearer("reader"), **(headers or {})}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for text in answer.aiter_text():
                stream.text += text
        stream.closed = True

    task = asyncio.create_task(read())
    try:
        yield stream
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def finished(w: World, steps: int) -> RunId:
    run_id = await w.send()
    await w.claim()
    for number in range(steps):
        await w.append(run_id, done(number))
    await w.append(run_id, then=FINISH)
    return run_id


async def test_the_stream_of_a_run_that_ended_is_its_journal_and_an_end() -> None:
    async with world() as w:
        run_id = await finished(w, 3)
        answer = await w.http.get(f"/api/v1/runs/{run_id}/events", headers=w.bearer("reader"))
        assert answer.text.startswith("retry: 1000\n\n")
        found = events(answer.text)
        assert [name for name, _, _ in found] == ["step_done"] * 3 + ["finished", "end"]
        assert [number for _, number, _ in found] == ["1", "2", "3", "4", ""]
        assert found[0][2]["event"]["value"] == 0
        assert (found[-1][2]["state"], found[-1][2]["result"]) == ("succeeded", "a burrow")


@pytest.mark.parametrize(
    ("query", "last", "expected"),
    [
        ("", "2", ["3", "4"]),
        ("?after=3", None, ["4"]),
        ("?after=1", "3", ["4"]),
        ("?after=4", None, []),
        ("?after=99", None, []),
    ],
)
async def test_a_stream_resumes_where_it_stopped(query: str, last: str | None, expected: list[str]) -> None:
    async with world() as w:
        run_id = await finished(w, 3)
        headers = w.bearer("reader") if last is None else {**w.bearer("reader"), "Last-Event-ID": last}
        answer = await w.http.get(f"/api/v1/runs/{run_id}/events{query}", headers=headers)
        found = events(answer.text)
        assert [number for name, number, _ in found if name != "end"] == expected
        assert found[-1][0] == "end"


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "²"])
async def test_a_place_that_is_no_number_is_refused(last: str) -> None:
    async with world() as w:
        run_id = await finished(w, 1)
        answer = await w.http.get(
            f"/api/v1/runs/{run_id}/events",
            headers={
                b"Authorization": w.bearer("reader")["Authorization"].encode(),
                b"Last-Event-ID": last.encode(),
            },
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")


async def test_a_run_that_was_cancelled_before_its_first_step_ends_its_stream() -> None:
    async with world() as w:
        run_id = await w.send()
        await w.http.post(f"/api/v1/runs/{run_id}:cancel", headers=w.bearer("writer"))
        answer = await w.http.get(f"/api/v1/runs/{run_id}/events", headers=w.bearer("reader"))
        assert events(answer.text)[-1][2]["state"] == "cancelled"


async def test_two_watchers_see_a_run_as_it_goes() -> None:
    async with world() as w, serving(w) as (_, http):
        run_id = await w.send()
        await w.claim()
        async with following(w, http, run_id) as one, following(w, http, run_id) as two:
            await soon(lambda: w.service.lifecycle.streams == 2)
            for number in range(5):
                await w.append(run_id, done(number))
                await soon(lambda: len(one.names()) == len(two.names()) == number + 1)  # noqa: B023
            await w.append(run_id, then=FINISH)
            await soon(lambda: one.closed and two.closed)
            assert one.names() == two.names() == ["step_done"] * 5 + ["finished", "end"]
        assert w.service.lifecycle.streams == 0


async def test_a_watcher_sees_that_a_run_waits_for_a_person() -> None:
    async with world() as w, serving(w) as (_, http):
        run_id = await w.send()
        async with following(w, http, run_id) as stream:
            await soon(lambda: stream.states() == ["ready"])
            await w.claim()
            await soon(lambda: stream.states() == ["ready", "running"])
            waits = (Waiting(kind="signal", key=Key("approval/0"), name="approval"),)
            await w.append(run_id, then=Park(wake_at=None, seen=0, waits=waits))
            await soon(lambda: stream.states() == ["ready", "running", "waiting"])
            assert stream.whole()[-1][2]["waits"][0]["name"] == "approval"
            assert [number for _, number, _ in stream.whole()] == ["", "", ""], "states are not resumed at"


async def test_a_silent_stream_shows_that_it_lives() -> None:
    async with world(limits=Limits(heartbeat_seconds=0.01)) as w, serving(w) as (_, http):
        run_id = await w.send()
        async with following(w, http, run_id) as stream:
            await soon(lambda: stream.text.count(": still here\n\n") >= 2)
            assert stream.names() == []


async def test_a_watcher_that_goes_away_leaves_nothing_behind() -> None:
    async with world() as w, serving(w) as (_, http):
        run_id = await w.send()
        async with following(w, http, run_id):
            await soon(lambda: w.service.lifecycle.streams == 1)
        await soon(lambda: w.service.lifecycle.streams == w.service.lifecycle.requests == 0)


async def test_a_stream_ends_with_the_token_that_opened_it() -> None:
    async with world() as w, serving(w) as (_, http):
        run_id = await w.send()
        async with following(w, http, run_id, headers=w.bearer("reader", seconds=1)) as stream:
            await soon(lambda: stream.closed)
            assert stream.names() == ["expired"]


async def test_draining_closes_streams_first_and_then_the_door() -> None:
    async with world() as w, serving(w) as (server, http):
        run_id = await w.send()
        async with following(w, http, run_id) as one, following(w, http, run_id) as two:
            await soon(lambda: w.service.lifecycle.streams == 2)
            assert await server.drain(10) == 0
            await soon(lambda: one.closed and two.closed)
            assert one.names() == two.names() == ["drain"]
        with pytest.raises(httpx2.ConnectError):
            await http.get("/livez")


async def test_a_service_that_drains_or_is_full_opens_no_further_stream() -> None:
    async with world() as w:
        run_id = await w.send()
        url = f"/api/v1/runs/{run_id}/events"
        w.service.lifecycle.streams = w.service.lifecycle.requests = STREAMS
        full = await w.http.get(url, headers=w.bearer("reader"))
        assert (full.status_code, full.json()["code"]) == (503, "overloaded")
        w.service.lifecycle.streams = w.service.lifecycle.requests = 0
        w.service.lifecycle.draining.set()
        async with client(w.service) as http:
            drains = await http.get(url, headers=w.bearer("reader"))
        assert (drains.status_code, drains.json()["code"]) == (503, "overloaded")
        assert timedelta(seconds=int(drains.headers["retry-after"])) >= timedelta(seconds=1)
