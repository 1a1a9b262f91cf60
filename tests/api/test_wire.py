"""What is no HTTP, or an endless head, is refused with a problem and a closed connection."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.world import serving, world
from watership.api.wire import HEAD_BYTES


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
