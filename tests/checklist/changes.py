"""What a fault is made of: something is otherwise for a while, and then again as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from tests.checklist.world import Fault, World

K = TypeVar("K")
V = TypeVar("V")


@contextmanager
def swapped(mapping: MutableMapping[K, V], key: K, value: V) -> Iterator[None]:
    """Another value in a mapping."""
    before = mapping[key]
    mapping[key] = value
    try:
        yield
    finally:
        mapping[key] = before


def otherwise(mapping: MutableMapping[K, V], key: K, value: V) -> Fault:
    return lambda: swapped(mapping, key, value)


def rewritten(world: World, path: str, change: Callable[[str], str]) -> Fault:
    """A file with another text. A change that changes nothing would be no fault."""

    @contextmanager
    def fault() -> Iterator[None]:
        before = (world.root / path).read_bytes()
        after = change(before.decode()).encode()
        assert after != before, f"{path} is as it was"
        world.write(path, after)
        try:
            yield
        finally:
            world.write(path, before)

    return fault


def replaced(world: World, path: str, old: str, new: str) -> Fault:
    """A file in which `old` is `new`."""
    return rewritten(world, path, lambda text: text.replace(old, new))


def edited(world: World, path: str, change: Callable[[Any], object]) -> Fault:
    """A JSON file that `change` was let loose on."""

    def text(before: str) -> str:
        value = msgspec.json.decode(before)
        change(value)
        return msgspec.json.encode(value).decode()

    return rewritten(world, path, text)
