"""Snapshots keep what is too large or too frequent for the journal: a gate's state, the last safe weights."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

from watership.errors import Unavailable

T = TypeVar("T")

LAST_SAFE = "last-safe"
QUARANTINE = "quarantine"
STANDING = "standing"
BACKUP = "backup"
CONTRACTED = "contracted"


class Contraction(msgspec.Struct, frozen=True, kw_only=True):
    """The schema that the last contract leads to, kept from before its first script: nothing leads back past it."""

    release: str
    version: int
    names: tuple[str, ...]
    who: str
    at: datetime


class Snapshots(Protocol):
    """Named documents, each replaced as a whole. What was put is on disk before `put` returns."""

    async def get(self, name: str) -> bytes | None: ...

    async def put(self, name: str, content: bytes) -> None: ...


async def load(snapshots: Snapshots, name: str, shape: type[T]) -> T | None:
    """What was saved under `name`. Raises Unavailable when it cannot be read: it is then not known."""
    content = await snapshots.get(name)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=shape)
    except msgspec.DecodeError as error:
        raise Unavailable(f"The snapshot {name!r} cannot be read: {error}.") from error


async def save(snapshots: Snapshots, name: str, value: object) -> None:
    """Replace what is saved under `name`."""
    await snapshots.put(name, msgspec.json.encode(value))


async def quarantined(snapshots: Snapshots) -> frozenset[str]:
    """The digests that were rolled back automatically, and are not let in again by themselves."""
    return frozenset(await load(snapshots, QUARANTINE, list[str]) or ())


async def quarantine(snapshots: Snapshots, digest: str) -> None:
    """Let `digest` in no more, unless somebody waives it."""
    await save(snapshots, QUARANTINE, sorted(await quarantined(snapshots) | {digest}))
