"""A probe reports what came back, and never makes an answer of silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.http_peers import Asked, Backend, say
from watership.adapters.http.probe import BODY_BYTES, HttpProbe
from watership.adapters.http.readiness import Readiness, readiness
from watership.errors import BadInput, Unavailable
from watership.testing.servers.tls import HSTS, TlsServers


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend("app")
    await backend.listen()
    yield backend
    backend.gate.set()
    await backend.die()


async def test_status_headers_and_body_come_back_whatever_the_status(backend: Backend) -> None:
    backend.behaviour = lambda asked: say(asked, 418, asked.body, "X-App: yes\r\n")
    answer = await HttpProbe().request(
        "POST", f"http://{backend.address}/x", body=b"hi", headers={"x-a": "1"}
    )
    assert (answer.status, answer.body, answer.headers["x-app"]) == (418, b"hi", "yes")
    assert answer.seconds > 0
    assert backend.asked[0].headers["x-a"] == "1"


async def test_a_redirect_is_an_answer_of_its_own(backend: Backend) -> None:
    backend.behaviour = lambda asked: say(asked, 302, b"", "location: /elsewhere\r\n")
    assert (await HttpProbe().request("GET", f"http://{backend.address}/")).status == 302


async def test_silence_is_unavailable(backend: Backend) -> None:
    backend.gate.clear()
    with pytest.raises(Unavailable):
        await HttpProbe().request("GET", f"http://{backend.address}/", timeout=0.05)


async def test_an_answer_that_breaks_off_is_unavailable(backend: Backend) -> None:
    async def half(asked: Asked) -> bool:
        asked.writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nhalf")
        await asked.writer.drain()
        return False

    backend.behaviour = half
    with pytest.raises(Unavailable):
        await HttpProbe().request("GET", f"http://{backend.address}/")


async def test_nobody_listening_and_nonsense_are_unavailable(backend: Backend) -> None:
    await backend.die()
    for url in (f"http://{backend.address}/", "http://[nonsense/", "gopher://x/"):
        with pytest.raises(Unavailable):
            await HttpProbe().request("GET", url)


async def test_an_endless_answer_is_cut(backend: Backend) -> None:
    backend.behaviour = lambda asked: say(asked, 200, b"x" * (BODY_BYTES + 1))
    with pytest.raises(Unavailable, match="more than"):
        await HttpProbe().request("GET", f"http://{backend.address}/")


async def test_authorities_of_a_file_are_trusted_in_place_of_the_systems(tls_servers: TlsServers) -> None:
    good, file = tls_servers["good"], tls_servers.authority.file
    answer = await HttpProbe(file).request("GET", good.url)
    assert (answer.status, answer.headers["strict-transport-security"]) == (200, HSTS)
    for probe, server in (HttpProbe(), good), (HttpProbe(file), tls_servers["expired"]):
        with pytest.raises(Unavailable, match="certificate"):
            await probe.request("GET", server.url)
    with pytest.raises(BadInput, match="holds no authorities"):
        await HttpProbe(Path(__file__)).request("GET", good.url)


async def test_a_password_in_a_url_is_not_shown() -> None:
    for url in ("http://user:hush@127.0.0.1:1/?token=hush", "http://user:hu/sh@[nonsense/"):
        with pytest.raises(Unavailable) as caught:
            await HttpProbe().request("GET", url)
        assert "hu" not in str(caught.value)


async def test_readiness_tells_refusal_from_silence(backend: Backend) -> None:
    assert await readiness(backend.address) is Readiness.READY
    backend.ready = False
    assert await readiness(backend.address) is Readiness.REFUSED
    assert await readiness(backend.address, path="/slow") is Readiness.READY
    backend.gate.clear()
    assert await readiness(backend.address, path="/slow", seconds=0.05) is Readiness.SILENT
    backend.gate.set()
    await backend.die()
    await asyncio.sleep(0)
    assert await readiness(backend.address) is Readiness.REFUSED
    assert await readiness("no address") is Readiness.REFUSED
