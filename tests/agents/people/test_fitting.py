"""Fitting: what a schema lets pass is what its type takes, and what it does not has a place and a reason."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pytest

from watership.agents.people.fitting import misfit


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Item(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=2, pattern="^[a-z]+$")]
    count: Annotated[int, msgspec.Meta(ge=1, lt=10)] = 1


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: list[str]


@dataclass
class Order:
    items: Annotated[list[Item], msgspec.Meta(min_length=1, max_length=3)]
    colour: Colour | None = None
    labels: dict[str, int] = None  # type: ignore[assignment]


TYPES: list[Any] = [
    str,
    int,
    float,
    bool,
    None,
    Literal["a", 1],
    Colour,
    Item,
    Order,
    Cat | Dog,
    list[int],
    tuple[int, str],
    dict[str, bool],
    int | str | None,
    Annotated[float, msgspec.Meta(gt=0, le=1, multiple_of=0.5)],
    Any,
]

VALUES: list[object] = [
    None,
    True,
    0,
    1,
    9,
    10,
    0.5,
    1.5,
    -1,
    "a",
    "red",
    "",
    [],
    [1, 2],
    [1, "x"],
    [1, "x", 2],
    ["x"],
    {},
    {"a": True},
    {"a": 1},
    {"name": "ab"},
    {"name": "a"},
    {"name": "AB"},
    {"name": "ab", "count": 0},
    {"name": "ab", "count": 10},
    {"name": "ab", "more": 1},
    {"items": []},
    {"items": [{"name": "ab"}] * 3, "colour": "blue", "labels": {"x": 1}},
    {"items": [{"name": "ab"}] * 4},
    {"items": [{"name": "ab"}], "colour": "green"},
    {"items": [{"name": "ab"}], "labels": {"x": "y"}},
    {"type": "Cat", "lives": 9},
    {"type": "Dog", "lives": 9},
    {"type": "Dog", "tricks": ["sit"]},
    {"type": "Cow"},
]


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_what_fits_the_schema_is_what_the_type_takes(kind: Any) -> None:
    schema = msgspec.json.schema(kind)
    for value in VALUES:
        try:
            msgspec.json.decode(msgspec.json.encode(value), type=kind)
        except msgspec.ValidationError:
            taken = False
        else:
            taken = True
        assert (misfit(schema, value) is None) == taken, value


@pytest.mark.parametrize(
    ("kind", "value", "where", "reason"),
    [
        (
            Order,
            {"items": [{"name": "ab"}, {"name": "a"}]},
            "items[1].name",
            "it has fewer than 2 characters",
        ),
        (Order, {"items": [{}]}, "items[0].name", "it is missing"),
        (Item, {"name": "ab", "more": 1}, "more", "there is no such field"),
        (Item, {"name": "ab", "count": "3"}, "count", "it is no integer"),
        (Colour, "green", "", "it is none of 'blue', 'red'"),
        (Item | None, {"name": "a"}, "name", "it has fewer than 2 characters"),
        (list[list[int]], [[1], [2, "x"]], "[1][1]", "it is no integer"),
    ],
    ids=str,
)
def test_a_misfit_says_where_and_why(kind: Any, value: object, where: str, reason: str) -> None:
    assert misfit(msgspec.json.schema(kind), value) == (where, reason)


def test_what_is_nested_without_end_is_not_followed() -> None:
    class Tree(msgspec.Struct):
        inside: list[Tree]

    globals()["Tree"] = Tree
    value: dict[str, Any] = {"inside": []}
    for _ in range(200):
        value = {"inside": [value]}
    wrong = misfit(msgspec.json.schema(Tree), value)
    assert wrong is not None and "levels" in wrong.reason
