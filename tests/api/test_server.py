"""A real process on a real socket: ready when it says so, and gone in good order when it is told to go."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest

from tests.api.world import serving, soon, world
from watership.api.given import CustomRoute, Limits
from watership.api.server import READY, HttpServer
from watership.errors import BadInput, Unavailable

ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Served:
    process: asyncio.subprocess.Process
    http: httpx2.AsyncClient

    async def began(self) -> None:
        """Wait until the slow request is being served."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            assert await self.process.stdout.readline() == b"began\n"

    async def drains(self) -> None:
        """Wait until the log says that it drains."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            while b"http drains" not in await self.process.stderr.readline():
                pass

    async def ended(self) -> tuple[int, str, list[dict[str, object]]]:
        """Exit code, the rest of stdout, and the log."""
        async with asyncio.timeout(30):
            out, log = await self.process.communicate()
        assert self.process.returncode is not None
        lines = [json.loads(line) for line in log.decode().splitlines() if line.startswith("{")]
        return self.process.returncode, out.decode().strip(), lines


@asynccontextmanager
async def served(drain_seconds: float = 10) -> AsyncIterator[Served]:
    """The service in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.api.served",
        str(drain_seconds),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            yield Served(process, http)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_sigterm_closes_streams_finishes_requests_and_exits() -> None:
    async with served() as it:
        sent = await it.http.post("/api/v1/messages", json={"agent": "digger", "input": "dig"})
        text = ""

        async def follow() -> None:
            nonlocal text
            async with it.http.stream("GET", sent.json()["links"]["events"]) as answer:
                async for more in answer.aiter_text():
                    text += more

        stream = asyncio.create_task(follow())
        slow = asyncio.create_task(it.http.get("/slow", params={"seconds": "1"}))
        await soon(lambda: "retry:" in text)
        await it.began()
        it.process.send_signal(signal.SIGTERM)
        await stream
        assert "event: drain" in text
        answer = await slow
        assert (answer.status_code, answer.json()) == (200, "at last")
        code, out, log = await it.ended()
        assert (code, out) == (0, "cut 0")
        events = [line["event"] for line in log]
        assert events.count(READY) == 1
        assert events[-2:] == ["http drains", "http ended"]


async def test_a_request_that_outlasts_the_limit_is_cut_off_and_counted() -> None:
    async with served(drain_seconds=0.5) as it:
        slow = asyncio.create_task(it.http.get("/slow", params={"seconds": "30"}))
        await it.began()
        it.process.send_signal(signal.SIGTERM)
        answer = await slow
        assert (answer.status_code, answer.json()["code"]) == (503, "cut_off")
        code, out, _ = await it.ended()
        assert (code, out) == (0, "cut 1")


async def test_a_second_signal_ends_at_once() -> None:
    async with served(drain_seconds=300) as it:
        slow = asyncio.create_task(it.http.get("/slow", params={"seconds": "30"}))
        await it.began()
        it.process.send_signal(signal.SIGTERM)
        await it.drains()
        it.process.send_signal(signal.SIGINT)
        code, _, _ = await it.ended()
        assert code == 0
        assert (await slow).status_code == 503


async def test_it_is_ready_only_once_every_component_answered() -> None:
    async with world() as w:
        w.broken.add("rabbitmq")
        server = HttpServer(w.service, host="127.0.0.1", port=0)
        starting = asyncio.create_task(server.start())
        await soon(lambda: server.port != 0)
        async with httpx2.AsyncClient(base_url=server.url) as http:
            await soon(lambda: server._uvicorn.started)
            assert (await http.get("/startupz")).status_code == 503
            assert (await http.get("/health")).json()["rabbitmq"] == "failed: rabbitmq does not answer."
            assert w.notes.named(READY) == []
            w.broken.clear()
            await starting
            assert [facts["url"] for facts in w.notes.named(READY)] == [server.url]
            assert (await http.get("/readyz")).status_code == 200
        await server.drain(1)


async def test_a_component_that_never_answers_ends_the_start() -> None:
    async with world(limits=Limits(start_seconds=0)) as w:
        w.broken.add("redis")
        with pytest.raises(Unavailable, match="redis does not answer"):
            async with HttpServer(w.service, host="127.0.0.1", port=0):
                pass
        assert w.notes.named(READY) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - that this is refused is the point
async def test_a_service_without_tokens_is_not_served_to_the_world(host: str) -> None:
    async with world(open=True) as w:
        with pytest.raises(BadInput, match="WATERSHIP_SECRET"):
            async with HttpServer(w.service, host=host, port=0):
                pass


@pytest.mark.parametrize(("probes_only", "option"), [(False, "--port PORT"), (True, "--http HOST:PORT")])
async def test_a_port_that_is_taken_is_named_with_the_option_that_chooses_it(
    probes_only: bool, option: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with world() as w:
            service = replace(w.service, probes_only=probes_only)
            with pytest.raises(Unavailable, match=f"port {port} cannot be listened on") as told:
                async with HttpServer(service, host="127.0.0.1", port=port):
                    pass
            assert option in told.value.fix


async def test_an_address_that_is_none_is_named() -> None:
    async with world() as w:
        with pytest.raises(BadInput, match=r"no\.such\.host"):
            async with HttpServer(w.service, host="no.such.host.invalid", port=0):
                pass


async def _break(params: dict[str, str]) -> object:
    raise RuntimeError("broken")


async def _ok(params: dict[str, str]) -> object:
    return "ok"


async def _nothing(params: dict[str, str]) -> object:
    return 204, None


@pytest.mark.parametrize("path", ["/own", "/own/{number}"])
@pytest.mark.parametrize(("serve", "status"), [(_break, 500), (_ok, 200), (_nothing, 204)])
async def test_a_connection_outlives_an_error_and_an_answer_without_a_body(
    serve: Callable[[dict[str, str]], Awaitable[object]], status: int, path: str
) -> None:
    # On one connection, by hand: a client would open another one without a word.
    routes = [CustomRoute("GET", path, serve, role="")]
    async with world(routes=routes) as w, serving(w) as (server, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(3):
            writer.write(f"GET {path.format(number=7)} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            assert head.startswith(f"http/1.1 {status} ")
            assert "connection: close" not in head
            length = re.search(r"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
        writer.close()
        await writer.wait_closed()
