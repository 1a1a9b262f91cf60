"""What a step's body is annotated to return decides how its result comes back; the body itself is not kept."""

from __future__ import annotations

import gc
import weakref
from functools import partial

import msgspec

from tests.durable.stage import pure, result
from watership.durable import step
from watership.durable.calls import result_type


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int


@pure
async def point(x: int, y: int) -> Point:
    return Point(x, y)


class Maker:
    @pure
    async def make(self, x: int) -> Point:
        return Point(x, x)


def test_a_result_comes_back_as_its_body_is_annotated() -> None:
    async def body() -> object:
        first, second = await step(point, 1, 2), await step(Maker().make, 3)
        named = await step(partial(point, 4), 5, name="partial")
        assert [type(each) for each in (first, second, named)] == [Point, Point, Point]
        plain: object = await step(point, 6, 7, into=dict)
        return [first.x, second.y, named.y, plain]

    assert result(body) == [1, 3, 5, {"x": 6, "y": 7}]


def test_a_body_made_for_one_run_is_not_kept_after_it() -> None:
    def closure() -> weakref.ref[object]:
        async def made() -> int:
            return 1

        assert result_type(made) is int and result_type(Maker().make) is Point
        return weakref.ref(made)

    kept = closure()
    gc.collect()
    assert kept() is None
