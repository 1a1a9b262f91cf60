"""A mail server greeted: a stand-in that speaks the real protocol."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.adapters.listening import listening
from watership.adapters.mail.posting import Posting
from watership.errors import BadInput, Unavailable
from watership.testing.servers import free_port
from watership.testing.servers.authority import Authority, Kind


class Postman:
    """Answers as a mail server does; `said` is what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.banner = "220 mail.example ready"
        self.tls: ssl.SSLContext | None = None
        self.safe = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{self.banner}\r\n".encode())
        while line := (await reader.readline()).decode().strip():
            self.said.append(line)
            for answer in self.answers(line):
                writer.write(f"{answer}\r\n".encode())
            if line.upper() == "STARTTLS" and self.tls:
                await writer.start_tls(self.tls)
                self.safe = True
            if line.upper() == "QUIT":
                return

    def answers(self, line: str) -> Sequence[str]:
        word, _, rest = line.partition(" ")
        match word.upper():
            case "EHLO":
                offer = [] if self.safe or not self.tls else ["250-STARTTLS"]
                return ["250-mail.example", "250-SIZE 1000", "250-AUTH PLAIN", *offer, "250 8BITMIME"]
            case "STARTTLS" if self.tls:
                return ["220 go on"]
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
    async with listening(postman.serve) as address:
        yield address


async def test_what_the_server_offers_comes_back_and_no_mail_is_sent(postman: Postman, address: str) -> None:
    assert await Posting().greet(f"smtp://{address}") == ["8BITMIME", "AUTH PLAIN", "SIZE 1000"]
    assert [line.split()[0].upper() for line in postman.said] == ["EHLO", "QUIT"]


async def test_it_logs_in_where_the_url_has_a_name(postman: Postman, address: str) -> None:
    assert await Posting().greet(f"smtp://us%2Fer:hush@{address}")
    with pytest.raises(Unavailable, match="refused user or password") as caught:
        await Posting().greet(f"smtp://us%2Fer:hash@{address}")
    assert "hash" not in str(caught.value)


async def test_it_goes_on_in_tls_where_the_url_says_so_and_with_none_it_does_not_trust(
    postman: Postman, address: str, tls_authority: Authority
) -> None:
    postman.tls = tls_authority.context()
    offered = await Posting(tls_authority.file).greet(f"smtp+starttls://us%2Fer:hush@{address}")
    assert "STARTTLS" in offered
    assert postman.safe
    kinds: list[tuple[Kind, Path | None]] = [("good", None), ("expired", tls_authority.file)]
    for kind, trusted in kinds:
        postman.tls, postman.safe = tls_authority.context(kind), False
        postman.said.clear()
        with pytest.raises(Unavailable, match="certificate"):
            await Posting(trusted).greet(f"smtp+starttls://us%2Fer:hush@{address}")
        assert not [line for line in postman.said if line.startswith("AUTH")]


async def test_smtps_begins_in_tls(postman: Postman, tls_authority: Authority) -> None:
    async with listening(postman.serve, tls=tls_authority.context()) as address:
        assert "SIZE 1000" in await Posting(tls_authority.file).greet(f"smtps://{address}")


async def test_a_server_without_tls_is_not_taken_for_one_with_it(address: str) -> None:
    with pytest.raises(Unavailable, match="STARTTLS"):
        await Posting().greet(f"smtp+starttls://{address}")


async def test_who_is_not_there_or_refuses_is_unavailable(postman: Postman, address: str) -> None:
    with pytest.raises(Unavailable, match="does not answer") as caught:
        await Posting().greet(f"smtp://user:hush@127.0.0.1:{free_port()}")
    assert "hush" not in str(caught.value)
    postman.banner = "554 not today"
    with pytest.raises(Unavailable, match="554 not today"):
        await Posting().greet(f"smtp://{address}")
    with pytest.raises(BadInput):
        await Posting().greet("http://host")
