"""Shift after shift under load, and a runtime socket that fails, hangs, lies or does half of what it is told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from tests.adapters.haproxy.conftest import BLUE, GREEN, Stand
from tests.contracts.http_peers import loaded, until
from watership.adapters.haproxy.agent import HaproxyAgent
from watership.adapters.haproxy.runtime import ANSWER_BYTES
from watership.errors import Unavailable
from watership.releases.ports import SlotWeights

ALL_BLUE: SlotWeights = {BLUE: 100, GREEN: 0}
ALL_GREEN: SlotWeights = {BLUE: 0, GREEN: 100}


async def test_shift_after_shift_under_load_loses_no_request(stand: Stand, nightly: bool) -> None:
    shares = Random(20_261_129)
    async with stand.front():
        await stand.targeted()
        async with loaded(stand.program.listen) as load:
            for number in range(500 if nightly else 30):
                share = shares.choice((0, 1, 10, 50, 90, 99, 100))
                told = await stand.router.set_weights({BLUE: 100 - share, GREEN: share}, epoch=number + 2)
                assert told.weights == {BLUE: 100 - share, GREEN: share}
                await load.more(8)
        assert load.lost == 0
        assert len(load.statuses) > 8 * 30


class Faulty:
    """Stands before HAProxy's runtime socket. `fault` is what it does with orders: looks pass, unless it is `deaf`."""

    def __init__(self, real: Path) -> None:
        self.real = real
        self.fault = ""
        self.hears = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = (await reader.readline()).decode().strip()
            if self.fault == "deaf":
                await self.hears.wait()
                return
            if line.startswith("set "):
                match self.fault:
                    case "fails":
                        return
                    case "lies":
                        writer.write(b"\n")
                        return
                    case "halves":
                        orders = line.split(";")
                        line = ";".join(orders[: max(1, len(orders) // 2)])
            there, back = await asyncio.open_unix_connection(os.path.relpath(self.real), limit=ANSWER_BYTES)
            back.write(f"{line}\n".encode())
            while part := await there.read(65_536):
                writer.write(part)
            back.close()
        finally:
            writer.close()


@asynccontextmanager
async def behind(stand: Stand, folder: Path) -> AsyncIterator[tuple[HaproxyAgent, Faulty]]:
    """An agent that reaches its HAProxy by way of a faulty socket."""
    faulty = Faulty(stand.program.socket)
    async with stand.front(leave_running=True):
        await stand.targeted()
    path = folder / "faulty.sock"
    async with await asyncio.start_unix_server(faulty.serve, os.path.relpath(path)):
        agent = HaproxyAgent(
            stand.state,
            runtime=path,
            seating=stand.program.seating,
            log=stand.program.log,
            observer=stand.notes,
            control=stand.control,
        )
        async with agent:
            yield agent, faulty


@pytest.mark.parametrize("fault", ["fails", "lies"])
async def test_a_haproxy_that_does_not_obey_is_no_success_and_is_put_right_once_it_does(
    stand: Stand, tmp_path: Path, fault: str
) -> None:
    async with behind(stand, tmp_path) as (agent, faulty):
        await agent.set_weights(ALL_BLUE, epoch=2)
        faulty.fault = fault
        with pytest.raises(Unavailable, match="HAProxy"):
            await agent.set_weights(ALL_GREEN, epoch=3)
        assert await stand.weight("blue1")() == 256, "nothing has moved"
        await until(lambda: _noted(stand, "router does not obey"))
        faulty.fault = ""
        # What was asked for stands: the agent goes on by itself.
        await until(lambda: _is(stand.weight("green1"), 256))
        await until(lambda: _is(stand.weight("blue1"), 0))
        assert (await agent.read()).weights == ALL_GREEN


async def test_a_haproxy_that_hangs_is_asked_for_nothing(stand: Stand, tmp_path: Path) -> None:
    async with behind(stand, tmp_path) as (agent, faulty):
        await agent.set_weights(ALL_BLUE, epoch=2)
        faulty.fault = "deaf"
        with pytest.raises(Unavailable, match="no answer in time"):
            await agent.set_weights(ALL_GREEN, epoch=3)
        faulty.fault = ""
        faulty.hears.set()
        # Who is healthy was not known, so that nothing was decided: the weights are those of before.
        assert (await agent.read()).weights == ALL_BLUE
        assert await stand.weight("green1")() == 0


async def test_a_haproxy_that_does_half_of_it_is_told_the_rest_and_loses_nothing(
    stand: Stand, tmp_path: Path
) -> None:
    async with behind(stand, tmp_path) as (agent, faulty):
        faulty.fault = "halves"
        async with loaded(stand.program.listen) as load:
            for number, weights in enumerate((ALL_GREEN, ALL_BLUE, ALL_GREEN, ALL_BLUE)):
                assert (await agent.set_weights(weights, epoch=number + 2)).weights == weights
                await load.more(20)
        assert load.lost == 0


async def test_the_switch_reverts_a_split_that_nobody_confirms_whatever_haproxy_did_meanwhile(
    stand: Stand, tmp_path: Path
) -> None:
    async with behind(stand, tmp_path) as (agent, faulty):
        await agent.set_weights(ALL_BLUE, epoch=2)
        await agent.set_weights({BLUE: 50, GREEN: 50}, epoch=3, hold_seconds=0.5, last_safe=ALL_BLUE)
        faulty.fault = "fails"
        await asyncio.sleep(0.6)
        faulty.fault = ""
        await until(lambda: _is(stand.weight("green1"), 0))
        assert (await agent.read()).epoch == 4


async def _noted(stand: Stand, event: str) -> bool:
    return event in stand.notes.events


async def _is(shown: Callable[[], Awaitable[int]], wanted: int) -> bool:
    return await shown() == wanted
