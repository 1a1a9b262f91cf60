"""WebSockets as a check sees them, by a real server of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from tests.adapters.listening import listening
from watership.adapters.http.sockets import MESSAGE_BYTES, WebSockets
from watership.errors import BadInput, Unavailable
from watership.testing.servers import free_port
from watership.testing.servers.authority import Authority


async def talk(connection: ServerConnection) -> None:
    match connection.request and connection.request.path:
        case "/echo":
            async for message in connection:
                await connection.send(b"raw")
                await connection.send(message)
        case "/long":
            await connection.send("x" * (MESSAGE_BYTES + 1))
        case "/close":
            return
    await connection.wait_closed()


def judge(connection: ServerConnection, request: Request) -> Response | None:
    if request.path == "/moved":
        response = connection.respond(HTTPStatus.FOUND, "")
        response.headers["Location"] = "/echo"
        return response
    if request.headers.get("Authorization") != "Bearer hush":
        return connection.respond(HTTPStatus.UNAUTHORIZED, "who are you?")
    return None


HEADERS = {"Authorization": "Bearer hush"}


@pytest.fixture
async def url() -> AsyncIterator[str]:
    server: Server
    async with serve(talk, "127.0.0.1", 0, process_request=judge) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def test_the_first_text_comes_back(url: str) -> None:
    answer = await WebSockets().open(f"{url}/echo", headers=HEADERS, send="hello")
    assert (answer.status, answer.first) == (101, "hello")


async def test_silence_and_a_good_bye_are_no_text(url: str) -> None:
    assert (await WebSockets().open(f"{url}/silent", headers=HEADERS, timeout=0.2)).first is None
    assert (await WebSockets().open(f"{url}/close", headers=HEADERS)).first is None


async def test_a_refusal_and_a_redirect_are_answers(url: str) -> None:
    assert (await WebSockets().open(f"{url}/echo")).status == 401
    assert (await WebSockets().open(f"{url}/moved", headers=HEADERS)).status == 302


async def test_a_secure_socket_is_one_that_is_trusted(tls_authority: Authority) -> None:
    async with serve(talk, "127.0.0.1", 0, process_request=judge, ssl=tls_authority.context()) as server:
        url = f"wss://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/echo"
        answer = await WebSockets(tls_authority.file).open(url, headers=HEADERS, send="hello")
        assert answer.first == "hello"
        with pytest.raises(Unavailable, match="certificate"):
            await WebSockets().open(url, headers=HEADERS)


async def test_a_message_without_end_is_no_answer(url: str) -> None:
    with pytest.raises(Unavailable, match="broke off"):
        await WebSockets().open(f"{url}/long", headers=HEADERS)


async def test_nobody_there_and_somebody_else_are_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not open") as caught:
        await WebSockets().open(f"ws://user:hush@127.0.0.1:{free_port()}/")
    assert "hush" not in str(caught.value)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silent) as address:
        with pytest.raises(Unavailable, match="within"):
            await WebSockets().open(f"ws://{address}/", timeout=0.2)
    with pytest.raises(BadInput):
        await WebSockets().open("http://host/")
