"""Peers of a router: a server that does what a test tells it, and a client that says what it got."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

WAIT_SECONDS = 10.0
"""Until something that must happen counts as not happening."""


@dataclass(slots=True)
class Asked:
    """A request as a backend saw it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    writer: asyncio.StreamWriter


Behaviour = Callable[[Asked], Awaitable[bool]]
"""Answers a request; whether the connection goes on."""


@dataclass(slots=True)
class Backend:
    """An instance of a build, called `name`. `asked` holds what it was asked, readiness apart."""

    name: str
    address: str = ""
    ready: bool = True
    behaviour: Behaviour | None = None
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    server: asyncio.Server | None = None

    async def listen(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self.server = await asyncio.start_server(self._serve, host, port, backlog=512)
        self.address = f"{host}:{self.server.sockets[0].getsockname()[1]}"
        self.gate.set()

    async def die(self) -> None:
        """End at once, with every connection."""
        self.gate.set()
        if self.server is not None:
            self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()
        async with asyncio.timeout(WAIT_SECONDS):
            while self.writers:
                await asyncio.sleep(0.001)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self.writers.add(writer)
        try:
            while True:
                asked = await read_request(reader, writer, number)
                if not await self._answer(asked):
                    return
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            self.writers.discard(writer)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _answer(self, asked: Asked) -> bool:
        if asked.target == "/readyz":
            return await say(asked, 200 if self.ready else 503, b"")
        self.asked.append(asked)
        if self.behaviour is not None:
            return await self.behaviour(asked)
        await self.gate.wait()
        return await say(asked, 200, self.name.encode())


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return Asked(method, target, headers, await read_body(reader, headers), connection, writer)


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body
    return await reader.readexactly(int(headers.get("content-length", "0")))


async def say(asked: Asked, status: int, body: bytes, extra: str = "") -> bool:
    """Answer with a status and a body; the connection goes on."""
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{extra}\r\n".encode()
    asked.writer.write(head + (b"" if asked.method == "HEAD" else body))
    await asked.writer.drain()
    return True


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A connection to a router, used again and again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, address: str) -> Client:
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def send(self, method: str, target: str, body: bytes | None = None, headers: str = "") -> None:
        length = f"content-length: {len(body)}\r\n" if body is not None else ""
        head = f"{method} {target} HTTP/1.1\r\nhost: test\r\n{length}{headers}\r\n"
        self.writer.write(head.encode() + (body or b""))

    async def head(self) -> Answer:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)
        }
        return Answer(int(lines[0].split(" ")[1]), headers, b"")

    async def receive(self, *, bodyless: bool = False) -> Answer:
        answer = await self.head()
        if not bodyless:
            answer.body = await read_body(self.reader, answer.headers)
        return answer

    async def ask(
        self, method: str = "GET", target: str = "/", body: bytes | None = None, headers: str = ""
    ) -> Answer:
        self.send(method, target, body, headers)
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.receive(bodyless=method == "HEAD")

    async def close(self) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    client = await Client.connect(address)
    try:
        yield client
    finally:
        await client.close()


async def ask(
    address: str, method: str = "GET", target: str = "/", body: bytes | None = None, headers: str = ""
) -> Answer:
    """One request on a connection of its own."""
    async with connected(address) as client:
        return await client.ask(method, target, body, headers)


@dataclass(slots=True)
class Load:
    """Clients that ask without a pause; what they were told, and how often they were told nothing."""

    address: str
    statuses: list[int] = field(default_factory=list)
    unanswered: int = 0
    ended: bool = False

    async def _one(self) -> None:
        while not self.ended:
            try:
                async with connected(self.address) as client:
                    while not self.ended:
                        # Half of them cannot be repeated by anybody.
                        method = "POST" if len(self.statuses) % 2 else "GET"
                        answer = await client.ask(method, "/", b"x" if method == "POST" else None)
                        self.statuses.append(answer.status)
                        if answer.headers.get("connection") == "close":
                            break
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self.unanswered += 1

    async def more(self, count: int) -> None:
        """Wait until `count` further requests were answered."""
        wanted = len(self.statuses) + count
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self.statuses) < wanted:
                await asyncio.sleep(0.005)

    @property
    def lost(self) -> int:
        return self.unanswered + sum(status != 200 for status in self.statuses)


@asynccontextmanager
async def loaded(address: str, clients: int = 8) -> AsyncIterator[Load]:
    load = Load(address)
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(load._one())
        try:
            yield load
        finally:
            load.ended = True


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition; a TimeoutError when it does not come about."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await condition():
            await asyncio.sleep(0.01)
