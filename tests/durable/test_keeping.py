"""A background loop outlives its errors, and ends when it is told to."""

from __future__ import annotations

import asyncio

import pytest

from tests.notes import Notes
from watership.durable.keeping import keep


async def test_an_error_is_noted_and_after_a_pause_the_next_turn_comes() -> None:
    notes, happened = Notes(), list[object]()

    async def turn() -> None:
        happened.append("turn")
        if happened.count("turn") == 1:
            raise KeyError("odd")
        if happened.count("turn") == 3:
            raise asyncio.CancelledError

    async def sleep(seconds: float) -> None:
        happened.append(seconds)

    with pytest.raises(asyncio.CancelledError):
        await keep("test", turn, notes, pause=2.0, sleep=sleep)
    assert happened == ["turn", 2.0, "turn", "turn"]
    assert notes.all == [("turn failed", {"loop": "test", "reason": "KeyError('odd')"})]
