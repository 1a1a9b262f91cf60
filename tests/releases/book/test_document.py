"""A document is read without guessing, and refused with the line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from watership.releases.book.document import MAX_DEPTH, DocumentError, parse
from watership.releases.book.quantity import (
    Duration,
    Offset,
    Parameter,
    Share,
    duration,
    offset,
    parameter,
    share,
    spoken,
)


class Values(Struct):
    parameters: dict[str, Parameter]


class Cat(Struct, tag_field="kind", tag="cat"):
    lives: Annotated[int, Meta(ge=0, le=9)] = 9


class Dog(Struct, tag_field="kind", tag="dog"):
    tricks: tuple[str, ...]


class House(Struct, frozen=True):
    name: str
    soak: Duration = 0.0
    at: Offset = 0.0
    weight: Share = 0.0
    open: bool = False
    floor: float = 0.0
    door: Literal["red", "blue"] = "red"
    pets: tuple[Cat | Dog, ...] = ()
    note: str | None = None


def refusal(text: str) -> str:
    with pytest.raises(DocumentError) as refused:
        parse(text, House, source="house.yaml")
    return str(refused.value)


def test_nothing_is_guessed() -> None:
    text = (
        "parameters:\n  a: NO\n  b: 2.10\n  c: 12:30\n  d: true\n  e: 10\n  f: '10'\n  g: on\n  h: 010\n  i: ~\n"
        "  j: 5m\n  k: '5m'\n  l: 0.1%\n  m: -3\n  n: 1_000\n  o: 0x1f\n  p: 2026-11-23\n  q: True\n"
    )
    assert parse(text, Values).parameters == {
        "a": "NO", "b": "2.10", "c": "12:30", "d": True, "e": 10, "f": "10", "g": "on", "h": "010", "i": "~",
        "j": 300.0, "k": "5m", "l": 0.001, "m": -3, "n": "1_000", "o": "0x1f", "p": "2026-11-23", "q": "True",
    }  # fmt: skip


def test_text_stays_text_where_text_is_meant() -> None:
    assert parse("name: 210\nnote: true", House) == House(name="210", note="true")


def test_quantities_are_read_as_people_write_them() -> None:
    house = parse("name: a\nsoak: 60s\nat: T-24h\nweight: 50%\nfloor: 2.5", House)
    assert (house.soak, house.at, house.weight, house.floor) == (60.0, -86400.0, 0.5, 2.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nsok: 60s", "house.yaml:2: unknown key 'sok' — did you mean 'soak'?"),
        ("name: a\nxyzzy: 1", "house.yaml:2: unknown key 'xyzzy'"),
        ("name: a\nsoak: 1s\nname: b", "house.yaml:3: the key 'name' stands here twice (first on line 1)"),
        ("soak: 1s", "house.yaml:1: the document lacks the key 'name'"),
        ("name: a\nsoak: 60", "house.yaml:2: 'soak': '60' is not a duration such as 60s, 5m or 24h"),
        ("name: a\nweight: 0.5", "house.yaml:2: 'weight': '0.5' is not a percentage such as 0.1% or 50%"),
        ("name: a\nweight: 101%", "house.yaml:2: 'weight' is out of bounds: Expected `float` <= 1.0"),
        ("name: a\nat: 24h", "house.yaml:2: 'at': '24h' is not an offset such as T-24h or T+45m"),
        ("name: a\nopen: yes", "house.yaml:2: 'open' is 'yes', but must be true or false"),
        ("name: a\nopen: 'true'", "house.yaml:2: 'open' is 'true', but must be true or false"),
        ("name: a\ndoor: bleu", "'door' is 'bleu', but must be one of: blue, red — did you mean 'blue'?"),
        ("name: a\npets:\n- kind: cta", "house.yaml:3: unknown kind 'cta' — did you mean 'cat'?"),
        (
            "name: a\npets:\n- {lives: 3}",
            "house.yaml:3: an entry of 'pets' lacks the key 'kind' (one of: cat, dog)",
        ),
        ("name: a\npets:\n- kind: cat\n  lives: 10", "house.yaml:4: 'lives' is out of bounds"),
        ("name: a\npets:\n- kind: cat\n  tricks: [sit]", "house.yaml:4: unknown key 'tricks'"),
        ("name: a\npets: cat", "house.yaml:2: 'pets' must be a list"),
        ("name: [a]", "house.yaml:1: 'name' must be a single value"),
        ("name:\nsoak: 1s", "house.yaml:1: the key 'name' has no value"),
        ("name: &a b\nnote: *a", "house.yaml:1: anchors and aliases are not allowed"),
        ("name: !!python/name:os.system x", "house.yaml:1: the tag"),
        ("name: a\n<<: {soak: 1s}", "house.yaml:2: unknown key '<<'"),
        ("name: a\n---\nname: b", "house.yaml:2: a second document begins"),
        ("name: a\n? [b]\n: c", "house.yaml:2: a key must be text"),
        ("- a", "house.yaml:1: the document must be a mapping"),
        ("name: {a", "house.yaml:1: not YAML"),
        ("", "house.yaml:1: empty"),
        ("name: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, "house.yaml:1: nested deeper than 32 levels"),
        ("name: a\nnote: \x07", "house.yaml:1: not YAML"),
    ],
)
def test_a_mistake_is_refused_with_its_line(text: str, said: str) -> None:
    assert said in refusal(text)


def test_text_that_is_not_utf8_is_refused_with_its_line() -> None:
    with pytest.raises(DocumentError, match=":2: not UTF-8"):
        parse(b"name: a\nnote: \xff", House)


def test_a_document_that_is_too_long_is_refused() -> None:
    with pytest.raises(DocumentError, match="longer than"):
        parse(b"#" * (1 << 20) + b"\nname: a", House)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        parse(text, House)
    except DocumentError as refused:
        assert refused.line >= 1


@pytest.mark.parametrize("text", ["60s", "5m", "24h", "1.5h", "250ms", "2d", "0s"])
def test_a_duration_is_spoken_back(text: str) -> None:
    assert duration(spoken(duration(text)).replace(" 30m", "").replace("1h", "1.5h")) == duration(text)


def test_percentages_are_exact_decimals() -> None:
    assert [share(text) for text in ("0.1%", "0.3%", "50 %", "100%", "7%")] == [0.001, 0.003, 0.5, 1.0, 0.07]


def test_the_start_is_zero_whichever_sign_it_has() -> None:
    assert str(offset("T-0m")) == str(offset("T+0m")) == "0.0"


def test_a_parameter_is_a_quantity_or_itself() -> None:
    assert [parameter(text) for text in ("4h", "90%", "2.1.0", "5 m")] == [14400.0, 0.9, "2.1.0", "5 m"]


class Free(Struct):
    given: Any


def test_a_field_of_any_shape_takes_what_stands_there() -> None:
    text = b"given: { word: rollback, lines: [1, 2], on: true, half: 0.5 }"

    assert parse(text, Free).given == {"word": "rollback", "lines": [1, 2], "on": True, "half": "0.5"}
