"""A mail server greeted: a stand-in that speaks the real protocol."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence

import pytest

from watership.adapters.mail.greeting import Greeting
from watership.errors import BadInput, Unavailable
from watership.testing.servers import free_port


class Postman:
    """Answers as a mail server does; `said` is what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.banner = "220 mail.example ready"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{self.banner}\r\n".encode())
        while line := (await reader.readline()).decode().strip():
            self.said.append(line)
            for answer in self.answers(line):
                writer.write(f"{answer}\r\n".encode())
            if line.upper() == "QUIT":
                break
        writer.close()

    def answers(self, line: str) -> Sequence[str]:
        word, _, rest = line.partition(" ")
        match word.upper():
            case "EHLO":
                return ["250-mail.example", "250-SIZE 1000", "250-AUTH PLAIN", "250 8BITMIME"]
            case "AUTH":
                good = b64decode(rest.split()[-1]) == b"\0us/er\0hush"
                return ["235 come in"] if good else ["535 wrong"]
            case "QUIT":
                return ["221 bye"]
        return ["502 what?"]


@pytest.fixture
async def postman() -> Postman:
    return Postman()


@pytest.fixture
async def address(postman: Postman) -> AsyncIterator[str]:
    async with await asyncio.start_server(postman.serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_what_the_server_offers_comes_back_and_no_mail_is_sent(postman: Postman, address: str) -> None:
    assert await Greeting().greet(f"smtp://{address}") == ["8BITMIME", "AUTH PLAIN", "SIZE 1000"]
    assert [line.split()[0].upper() for line in postman.said] == ["EHLO", "QUIT"]


async def test_it_logs_in_where_the_url_has_a_name(postman: Postman, address: str) -> None:
    assert await Greeting().greet(f"smtp://us%2Fer:hush@{address}")
    with pytest.raises(Unavailable, match="refused user or password") as caught:
        await Greeting().greet(f"smtp://us%2Fer:hash@{address}")
    assert "hash" not in str(caught.value)


async def test_a_server_without_tls_is_not_taken_for_one_with_it(address: str) -> None:
    with pytest.raises(Unavailable, match="STARTTLS"):
        await Greeting().greet(f"smtp+starttls://{address}")


async def test_who_is_not_there_or_refuses_is_unavailable(postman: Postman, address: str) -> None:
    with pytest.raises(Unavailable, match="does not answer") as caught:
        await Greeting().greet(f"smtp://user:hush@127.0.0.1:{free_port()}")
    assert "hush" not in str(caught.value)
    postman.banner = "554 not today"
    with pytest.raises(Unavailable, match="554 not today"):
        await Greeting().greet(f"smtp://{address}")
    with pytest.raises(BadInput):
        await Greeting().greet("http://host")
