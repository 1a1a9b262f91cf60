"""A client asks once, and says what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from watership.demo.traffic.client import Client, NoAnswer


class Server:
    """Answers each request with the next of its answers; an empty one closes the connection instead."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head.splitlines()[0])
                answer = self.answers.pop(0)
                if not answer:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[tuple[Server, Client]]:
    server = Server(*answers)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    client = Client("127.0.0.1", server.port)
    try:
        yield server, client
    finally:
        client.close()
        listener.close()
        await asyncio.sleep(0.01)


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    head = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


async def test_an_answer_tells_its_status_and_who_gave_it() -> None:
    given = answer(b"{}", b"x-watership-deployment: d1", b"x-watership-slot: blue")
    async with serving(given) as (_, client):
        got = await client.request("GET", "/facts/1")

    assert (got.status, got.body, got.deployment, got.slot) == (200, b"{}", "d1", "blue")


async def test_the_connection_is_kept_between_requests() -> None:
    async with serving(answer(b"1"), answer(b"2")) as (server, client):
        first = await client.request("GET", "/1")
        second = await client.request("GET", "/2")

    assert (first.body, second.body, server.connections) == (b"1", b"2", 1)


async def test_a_connection_that_the_server_closes_after_its_answer_is_not_used_again() -> None:
    async with serving(answer(b"1", b"connection: close"), answer(b"2")) as (server, client):
        await client.request("GET", "/1")
        second = await client.request("GET", "/2")

    assert (second.body, server.connections) == (b"2", 2)


async def test_a_request_without_an_answer_is_not_sent_again() -> None:
    async with serving(b"", answer(b"2")) as (server, client):
        with pytest.raises(NoAnswer):
            await client.request("GET", "/1")

        assert server.requests == [b"GET /1 HTTP/1.1"]


async def test_an_error_is_an_answer() -> None:
    async with serving(answer(b"no", status=b"503 Service Unavailable")) as (_, client):
        got = await client.request("GET", "/1")

    assert got.status == 503


async def test_nobody_listening_is_no_answer() -> None:
    async with serving() as (server, _):
        port = server.port

    with pytest.raises(NoAnswer):
        await Client("127.0.0.1", port).request("GET", "/1")


async def test_an_answer_that_is_no_http_is_no_answer() -> None:
    async with serving(b"SSH-2.0 hello\r\n\r\n") as (_, client):
        with pytest.raises(NoAnswer):
            await client.request("GET", "/1")
