"""Calls between processes: results and errors arrive as what they were."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from watership.adapters.unixline.calls import Caller, CallServer
from watership.errors import BadInput, Conflict, Fenced, NotFound, Unavailable, WatershipError


class Double(msgspec.Struct, tag=True):
    number: int


class Fail(msgspec.Struct, tag=True):
    kind: str


ERRORS: dict[str, Exception] = {
    "fenced": Fenced("X", held=3, current=4),
    "conflict": Conflict("c", fix="f"),
    "bad": BadInput("b"),
    "missing": NotFound("n"),
    "away": Unavailable("u", retry_after=7.0),
    "disk": OSError("disk full"),
}


async def answer(call: Double | Fail) -> object:
    if isinstance(call, Double):
        return call.number * 2
    raise ERRORS[call.kind]


def server(path: Path) -> CallServer[Double | Fail]:
    return CallServer(path, Double | Fail, answer)


def caller(path: Path) -> Caller:
    return Caller(path, what="The other side", start="Start it.")


async def test_a_result_comes_back_as_its_type(tmp_path: Path) -> None:
    async with server(tmp_path / "s"):
        assert await caller(tmp_path / "s").call(Double(21), int) == 42


async def test_many_calls_at_once_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async with server(tmp_path / "s"):
        calls = (caller(tmp_path / "s").call(Double(n), int) for n in range(50))
        assert await asyncio.gather(*calls) == [n * 2 for n in range(50)]


async def test_errors_arrive_as_the_errors_they_were(tmp_path: Path) -> None:
    async with server(tmp_path / "s"):
        arrived: dict[str, WatershipError] = {}
        for kind in ERRORS:
            with pytest.raises(WatershipError) as raised:
                await caller(tmp_path / "s").call(Fail(kind), int)
            arrived[kind] = raised.value
    fenced, away = arrived["fenced"], arrived["away"]
    assert isinstance(fenced, Fenced)
    assert (fenced.held, fenced.current) == (3, 4)
    assert isinstance(away, Unavailable)
    assert away.retry_after == 7.0
    assert [type(arrived[kind]) for kind in ("conflict", "bad", "missing", "disk")] == [
        Conflict,
        BadInput,
        NotFound,
        Unavailable,
    ]
    assert arrived["conflict"].fix == "f"


async def test_nobody_there_is_unavailable_and_says_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Start it"):
        await caller(tmp_path / "s").call(Double(1), int)


async def test_a_call_that_is_not_known_is_refused(tmp_path: Path) -> None:
    class Strange(msgspec.Struct, tag=True):
        pass

    async with server(tmp_path / "s"):
        with pytest.raises(BadInput):
            await caller(tmp_path / "s").call(Strange(), int)


async def test_a_socket_that_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    first = server(tmp_path / "s")
    await first.__aenter__()
    async with server(tmp_path / "s"):
        await first.__aexit__(None, None, None)
        assert await caller(tmp_path / "s").call(Double(1), int) == 2


async def test_a_path_that_is_too_long_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="longer"):
        await server(tmp_path / ("x" * 120)).__aenter__()
