"""What is no HTTP, or an endless head, is refused with a problem and a closed connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from tests.api.world import serving, world
from watership.api.wire import HEAD_BYTES, WireProtocol


async def talk(port: int, *pieces: bytes) -> tuple[bytes, bytes]:
    """Head and body of what a connection answers to `pieces` until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            return head, body
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("words", [b"SING to me\r\n\r\n", b"\x16\x03\x01\x02", b"GET / HTTP/9.9\r\n\r\n"])
async def test_what_is_no_http_is_a_problem(words: bytes) -> None:
    async with world() as w, serving(w) as (server, _):
        head, body = await talk(server.port, words)
        assert b"400" in head.split(b"\r\n")[0]
        assert b"application/problem+json" in head
        assert b'"code":"bad_request"' in body


@pytest.mark.parametrize(
    "start",
    [b"GET /livez HTTP/1.1\r\nX-Long: ", b"GET /livez?", b"GET /livez HTTP/1.1\r\n" + b"A: b\r\n" * 40],
)
async def test_a_head_without_end_is_refused(start: bytes) -> None:
    async with world() as w, serving(w) as (server, http):
        head, _ = await talk(server.port, start, *[b"x" * 4096] * (HEAD_BYTES // 4096 + 1))
        assert b"400" in head.split(b"\r\n")[0]
        assert (await http.get("/livez")).status_code == 200


async def test_several_requests_go_over_one_connection() -> None:
    async with world() as w, serving(w) as (server, _):
        ask = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n%b\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(20):
            # Two at once, in one packet; then more than a head's worth of requests one after the other.
            writer.write(ask % b"" + ask % b"")
            for _ in range(2):
                await reader.readuntil(b'{"status":"ok","components":{}}')
            padding = b"X-Pad: " + b"p" * 8000 + b"\r\n"
            for _ in range(20):
                writer.write(ask % padding)
                await reader.readuntil(b'{"status":"ok","components":{}}')
        writer.close()
        await writer.wait_closed()


class Hasty(WireProtocol):
    head_seconds = 0.05


@asynccontextmanager
async def hasty(idle_seconds: float) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection whose other side waits for hardly anything."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.15)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    config, state = uvicorn.Config(app, log_config=None, lifespan="off"), ServerState()
    config.load()
    config.timeout_keep_alive = idle_seconds  # type: ignore[assignment]  # it takes fractions
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Hasty(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        server.close()


ASK = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def test_an_answer_may_take_longer_than_a_connection_may_idle_and_an_idle_one_is_closed() -> None:
    async with hasty(idle_seconds=0.05) as (reader, writer):
        for _ in range(2):
            writer.write(ASK)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.write(b"\r\n")  # begins no request: it is as idle as before
        assert await reader.read() == b""


@pytest.mark.parametrize("before", [b"", ASK])
async def test_a_head_that_trickles_is_not_waited_for(before: bytes) -> None:
    async with hasty(idle_seconds=20) as (reader, writer):
        writer.write(before)
        if before:
            await reader.readuntil(b"ok")
        for letter in b"GE":
            writer.write(bytes([letter]))
            await asyncio.sleep(0.005)
        assert await reader.read() == b""


async def test_who_says_nothing_is_not_waited_for() -> None:
    async with hasty(idle_seconds=20) as (reader, _):
        assert await reader.read() == b""
