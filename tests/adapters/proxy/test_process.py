"""The proxy as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.contracts.http_peers import WAIT_SECONDS, Backend, ask, connected, until
from watership.adapters.helm.router import HelmRouter
from watership.errors import Unavailable
from watership.fleet.deployment import Slot

BLUE, GREEN = Slot.BLUE, Slot.GREEN


@asynccontextmanager
async def proxy(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A running proxy and the address that it listens on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "watership.adapters.proxy", "--listen", "127.0.0.1:0"),
        *("--control", str(folder / "c.sock"), "--state", str(folder / "state.json")),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode().strip()
        yield process, line.removeprefix("listening on ")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # The transport closes its pipe in a later turn of the loop.
        await asyncio.sleep(0)


@pytest.fixture
async def blue() -> AsyncIterator[Backend]:
    backend = Backend("blue")
    await backend.listen()
    yield backend
    await backend.die()


@pytest.fixture
async def green() -> AsyncIterator[Backend]:
    backend = Backend("green")
    await backend.listen()
    yield backend
    await backend.die()


async def test_a_proxy_that_was_killed_comes_back_as_it_was(
    tmp_path: Path, blue: Backend, green: Backend
) -> None:
    router = HelmRouter(tmp_path / "c.sock")
    async with proxy(tmp_path) as (process, _):
        await router.set_targets(BLUE, [blue.address], epoch=5)
        await router.set_targets(GREEN, [green.address], epoch=5)
        before = await router.set_weights({BLUE: 0, GREEN: 100}, epoch=6)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with proxy(tmp_path) as (_, address):
        after = await router.read()
        assert (after.weights, after.epoch, after.targets) == (before.weights, 6, before.targets)
        assert after.started_at != before.started_at
        assert (await ask(address)).body == b"green"


async def test_a_split_whose_time_ran_out_while_the_proxy_was_away_is_reverted(
    tmp_path: Path, blue: Backend, green: Backend
) -> None:
    router = HelmRouter(tmp_path / "c.sock")
    safe = {BLUE: 100, GREEN: 0}
    async with proxy(tmp_path) as (process, _):
        await router.set_targets(GREEN, [green.address], epoch=1)
        await router.set_weights({BLUE: 50, GREEN: 50}, epoch=1, hold_seconds=0.2, last_safe=safe)
        process.send_signal(signal.SIGKILL)
    await asyncio.sleep(0.25)
    async with proxy(tmp_path):
        state = await router.read()
        assert (state.weights, state.epoch) == (safe, 2)


async def test_it_finishes_what_it_began_when_it_is_told_to_end(tmp_path: Path, blue: Backend) -> None:
    router = HelmRouter(tmp_path / "c.sock")
    async with proxy(tmp_path) as (process, address), connected(address) as client:
        await router.set_targets(BLUE, [blue.address], epoch=1)
        blue.gate.clear()
        client.send("GET", "/")

        async def asked() -> bool:
            return bool(blue.asked)

        await until(asked)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.05)
        blue.gate.set()
        assert (await client.receive()).body == b"blue"
        async with asyncio.timeout(WAIT_SECONDS):
            assert await process.wait() == 0
    assert not (tmp_path / "c.sock").exists()


async def test_only_its_owner_may_open_the_control_socket(tmp_path: Path) -> None:
    async with proxy(tmp_path):
        assert stat.S_IMODE((tmp_path / "c.sock").stat().st_mode) == 0o600


async def test_without_a_proxy_the_router_is_unavailable_and_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"watership environment up"):
        await HelmRouter(tmp_path / "c.sock").read()
