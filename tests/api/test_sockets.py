"""A run is followed over WebSocket by whom HTTP lets in, and closed for the same reasons."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx2
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.api.test_streams import finished
from tests.api.world import World, serving, soon, world
from watership.adapters.memory.fanout import MemoryFanout
from watership.agents.speech import Speaker
from watership.api.server import HttpServer
from watership.durable.ids import Key, RunId
from watership.fleet.audience import Audience


def opening(server: HttpServer, run_id: RunId, query: str = "", **more: Any) -> connect:
    return connect(f"{server.url.replace('http', 'ws', 1)}/api/v1/runs/{run_id}/ws{query}", **more)


async def read(socket: ClientConnection) -> list[dict[str, Any]]:
    """Everything, until it is closed."""
    return [msgspec.json.decode(message) async for message in socket]


async def closed(socket: ClientConnection) -> tuple[list[str], int | None]:
    """What came, and the code that it was closed with."""
    names: list[str] = []
    try:
        while True:
            names.append(msgspec.json.decode(await socket.recv())["event"])
    except ConnectionClosed as end:
        return names, end.rcvd.code if end.rcvd else None


async def refusal(server: HttpServer, run_id: RunId, **more: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        async with opening(server, run_id, **more):
            pass
    answer = refused.value.response
    return answer.status_code, msgspec.json.decode(answer.body or b"{}")["code"]


async def test_a_socket_tells_the_journal_behind_a_place_and_closes_at_the_runs_end() -> None:
    async with world() as w, serving(w) as (server, _):
        run_id = await finished(w, 3)
        async with opening(server, run_id, "?after=2", additional_headers=w.bearer("reader")) as socket:
            frames = await read(socket)
            assert [(each.get("id"), each["event"]) for each in frames] == [
                (3, "step_done"),
                (4, "finished"),
                (None, "end"),
            ]
            assert socket.close_code == 1000
        await soon(lambda: w.service.lifecycle.streams == w.service.lifecycle.requests == 0)


async def test_a_page_brings_its_token_among_the_subprotocols() -> None:
    async with world() as w, serving(w) as (server, _):
        run_id = await finished(w, 1)
        token = w.bearer("reader")["Authorization"].removeprefix("Bearer ")
        offered = [Subprotocol("watership"), Subprotocol(f"watership.token.{token}")]
        async with opening(server, run_id, subprotocols=offered, origin=server.url) as socket:
            assert socket.subprotocol == "watership"
            assert (await read(socket))[-1]["event"] == "end"


async def test_who_is_refused_gets_a_problem_before_the_handshake() -> None:
    async with world() as w, serving(w) as (server, http):
        run_id = await finished(w, 1)
        bearer = w.bearer("reader")
        assert await refusal(server, run_id) == (401, "unauthenticated")
        assert await refusal(server, RunId("none"), additional_headers=bearer) == (404, "not_found")
        foreign = await refusal(server, run_id, additional_headers=bearer, origin="http://elsewhere.example")
        assert foreign == (403, "not_allowed")
        plain = await http.get(f"/api/v1/runs/{run_id}/ws", headers=bearer)
        assert (plain.status_code, plain.json()["code"], plain.headers["upgrade"]) == (
            426,
            "upgrade_required",
            "websocket",
        )
        w.service.lifecycle.draining.set()
        assert await refusal(server, run_id, additional_headers=bearer) == (503, "overloaded")


async def test_a_socket_closes_with_its_token_and_when_somebody_talks_back() -> None:
    async with world() as w, serving(w) as (server, _):
        run_id = await w.send()
        brief = w.bearer("reader", seconds=1)
        async with opening(server, run_id, additional_headers=brief) as socket:
            assert await closed(socket) == (["state", "expired"], 1008)
        async with opening(server, run_id, additional_headers=w.bearer("reader")) as socket:
            await socket.send("hello?")
            assert (await closed(socket))[1] == 1008


async def test_a_service_that_drains_closes_its_sockets_first() -> None:
    async with world() as w, serving(w) as (server, _):
        run_id = await w.send()
        async with opening(server, run_id, additional_headers=w.bearer("reader")) as socket:
            await soon(lambda: w.service.lifecycle.streams == 1)
            hearing = asyncio.create_task(closed(socket))
            assert await server.drain(10) == 0
            assert await hearing == (["state", "drain"], 1012)


def speaking(w: World) -> World:
    fanout = MemoryFanout()
    audience = Audience(fanout, w.service.clock)
    return replace(w, service=replace(w.service, fanout=fanout, audience=audience))


async def test_who_comes_late_is_told_the_answer_from_its_beginning_and_nobody_pays_for_who_is_not_there() -> (
    None
):
    async with world() as base:
        w = speaking(base)
        fanout, audience = w.service.fanout, w.service.audience
        assert fanout is not None
        assert audience is not None
        async with audience, serving(w) as (server, _):
            run_id = await w.send()
            await w.claim()
            speaker = Speaker(fanout, audience)
            assert not speaker.watched(run_id)
            with speaker.speaking(run_id, Key("model/0"), epoch=1, attempt=1) as speech:
                speech.say("Owls ")
                async with opening(server, run_id, additional_headers=w.bearer("reader")) as socket:
                    told = await token(socket)
                    assert (told["offset"], told["text"]) == (0, "Owls ")
                    speech.say("are birds")
                    told = await token(socket)
                    assert (told["offset"], told["text"]) == (5, "are birds")
                    assert speaker.watched(run_id)
                    async with opening(server, run_id, additional_headers=w.bearer("reader")) as later:
                        told = await token(later)
                        assert (told["offset"], told["text"]) == (0, "Owls are birds")


async def token(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (frame := msgspec.json.decode(await socket.recv()))["event"] != "token":
            pass
    data: dict[str, Any] = frame["data"]
    return data


async def test_sse_tells_tokens_without_an_id() -> None:
    async with world() as base:
        w = speaking(base)
        fanout, audience = w.service.fanout, w.service.audience
        assert fanout is not None
        assert audience is not None
        async with audience, serving(w) as (_, http):
            run_id = await w.send()
            await w.claim()
            with Speaker(fanout, audience).speaking(run_id, Key("model/0"), epoch=1, attempt=1) as speech:
                speech.say("Owls")
                assert await block(http, run_id, w) == ["event: token", "data: "]


async def block(http: httpx2.AsyncClient, run_id: RunId, w: World) -> list[str]:
    """The first event about a token, line by line; of its data only that there are some."""
    lines: list[str] = []
    async with http.stream("GET", f"/api/v1/runs/{run_id}/events", headers=w.bearer("reader")) as answer:
        async for line in answer.aiter_lines():
            lines = [] if not line else [*lines, line]
            if lines[:1] == ["event: token"] and len(lines) == 2:
                return [lines[0], lines[1][:6]]
    return lines
