"""Signatures: what an agent takes is told by its function, and an input that does not fit says where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest

from watership.agents.signature import Signature, WrongInput
from watership.errors import ProgramError


@dataclass
class Place:
    street: str
    number: int = 1


async def greet(name: str) -> str: ...  # type: ignore[empty-body]


async def send(to: Place, times: Annotated[int, msgspec.Meta(ge=1)] = 1, tags: list[str] = []) -> None:  # noqa: B006
    tags.append("seen")


async def tick() -> None: ...


def read(function: Callable[..., object], text: str) -> dict[str, object]:
    return Signature(function, "agent 'a'").read(msgspec.Raw(text.encode()))


@pytest.mark.parametrize("text", ['"Ada"', '{"name": "Ada"}', ' "Ada" '])
def test_one_text_is_given_bare_or_by_name(text: str) -> None:
    assert read(greet, text) == {"name": "Ada"}


def test_the_normal_form_is_an_object_whatever_was_given() -> None:
    checked = Signature(greet, "agent 'a'").check(msgspec.Raw(b'"Ada"'))
    assert bytes(checked) == b'{"name":"Ada"}'


@pytest.mark.parametrize("text", ["null", "{}"])
def test_an_agent_that_takes_nothing_is_given_nothing(text: str) -> None:
    assert read(tick, text) == {}


@pytest.mark.parametrize(
    ("function", "text", "where"),
    [
        (greet, '{"name": 3}', "name"),
        (greet, "{}", "name"),
        (greet, '{"name": "Ada", "nam": 1}', "nam"),
        (greet, "7", ""),
        (greet, "[", ""),
        (greet, "nonsense", ""),
        (greet, '{"name": "\\ud800"', ""),
        (send, '{"to": {"street": 1}}', "to.street"),
        (send, '{"to": {"street": "a"}, "times": 0}', "times"),
        (send, '{"to": {"street": "a"}, "tags": ["x", 2]}', "tags[1]"),
        (tick, '{"x": 1}', "x"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_field_named(
    function: Callable[..., object], text: str, where: str
) -> None:
    with pytest.raises(WrongInput) as refusal:
        read(function, text)
    assert refusal.value.where == where
    assert "agent 'a'" in str(refusal.value)


def test_defaults_are_fresh_for_each_input() -> None:
    first = read(send, '{"to": {"street": "a"}}')
    assert first == {"to": Place("a"), "times": 1, "tags": []}
    assert isinstance(first["tags"], list)
    first["tags"].append("x")
    assert read(send, '{"to": {"street": "a"}}')["tags"] == []


def test_the_schema_says_what_is_needed_and_allows_nothing_else() -> None:
    schema = Signature(send, "agent 'a'").schema
    assert schema["required"] == ["to"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["times"] == {"type": "integer", "minimum": 1, "default": 1}
    assert schema["properties"]["to"] == {"$ref": "#/$defs/Place"}
    assert schema["$defs"]["Place"]["required"] == ["street"]


async def spread(*names: str) -> None: ...
async def keywords(**names: str) -> None: ...
async def placed(name: str, /) -> None: ...
async def unknown(name: Elsewhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
async def untellable(name: Callable[[], Any]) -> None: ...


@pytest.mark.parametrize("function", [spread, keywords, placed, unknown, untellable])
def test_parameters_that_json_cannot_give_are_refused_when_declared(function: Callable[..., object]) -> None:
    with pytest.raises(ProgramError):
        Signature(function, "agent 'a'")
