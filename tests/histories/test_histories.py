"""Journals of past versions are folded by today's code, event kind by event kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from watership.durable import events as kinds
from watership.durable.events import KINDS, UPCASTERS, Event, Upcaster, dump, kind_of, load
from watership.durable.ids import Key
from watership.durable.journal import Journal

FOLDER = Path(__file__).parent / "v1"
FILES = sorted(FOLDER.glob("*.json"))


class Stored(msgspec.Struct, frozen=True):
    """A history as it lies here: the version of each entry and its bytes, as the database held them."""

    version: int
    events: list[msgspec.Raw]


def history(path: Path) -> tuple[list[kinds.AnyEvent], Stored]:
    stored = msgspec.json.decode(path.read_bytes(), type=Stored)
    return [load(stored.version, bytes(event)) for event in stored.events], stored


def test_every_kind_of_event_has_a_history() -> None:
    assert [path.stem for path in FILES] == sorted(KINDS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_old_history_is_folded(path: Path) -> None:
    loaded, _ = history(path)
    journal = Journal(loaded)
    assert kind_of(loaded[-1]) == path.stem and journal.length == len(loaded)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_version_1_wrote_is_what_version_1_writes(path: Path) -> None:
    loaded, stored = history(path)
    for event, raw in zip(loaded, stored.events, strict=True):
        version, body = dump(event)
        if version == stored.version:
            assert msgspec.json.decode(body) == msgspec.json.decode(raw)


class Greeted(Event, frozen=True, kw_only=True, tag="greeted"):
    """A made-up kind, at its third version."""

    VERSION: ClassVar[int] = 3
    names: list[str]
    warmly: bool


def from_one_name(shape: dict[str, Any]) -> dict[str, Any]:
    return {**shape, "names": [shape["name"]]}


def with_warmth(shape: dict[str, Any]) -> dict[str, Any]:
    return {**shape, "warmly": False}


@contextmanager
def upcasting(upcasters: Mapping[tuple[str, int], Upcaster]) -> Iterator[None]:
    """The registry is a table that releases add to; this adds to it for a moment."""
    UPCASTERS.update(upcasters)
    try:
        yield
    finally:
        for key in upcasters:
            del UPCASTERS[key]


def test_an_old_shape_is_lifted_through_every_version_since() -> None:
    lifts = {("greeted", 1): from_one_name, ("greeted", 2): with_warmth}
    registry = {"greeted": Greeted}
    first = b'{"type":"greeted","key":"a/0","name":"Ada"}'
    second = b'{"type":"greeted","key":"a/0","names":["Ada","Bob"]}'
    third = b'{"type":"greeted","key":"a/0","names":["Ada"],"warmly":true}'
    lifted = [
        kinds.lift(version, msgspec.json.decode(body), registry, lifts)
        for version, body in ((1, first), (2, second), (3, third))
    ]
    assert [msgspec.convert(shape, Greeted) for shape in lifted] == [
        Greeted(key=Key("a/0"), names=["Ada"], warmly=False),
        Greeted(key=Key("a/0"), names=["Ada", "Bob"], warmly=False),
        Greeted(key=Key("a/0"), names=["Ada"], warmly=True),
    ]


def test_other_kinds_are_read_as_before_while_an_upcaster_is_registered() -> None:
    with upcasting({("greeted", 1): from_one_name}):
        for path in FILES:
            test_an_old_history_is_folded(path)
