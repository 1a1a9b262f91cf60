"""An endpoint is a row of a table: its path, who may call it, what it takes and gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from starlette.types import ASGIApp

from watership.api.given import Service
from watership.errors import BadInput
from watership.fleet.identity import Identity

T = TypeVar("T")

KEY_CHARACTERS: Final = 255
"""Of an idempotency key; longer ones are data."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was let in. `identity` is None only at public endpoints."""

    service: Service
    caller: Identity | None
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    key: str | None
    resume: str | None

    @property
    def identity(self) -> Identity:
        assert self.caller is not None, "a public endpoint knows nobody"
        return self.caller

    def read(self, into: type[T]) -> T:
        """The body as `into`, whatever content type it claims. Raises BadInput, saying where it does not fit."""
        try:
            value: T = _decoder(into).decode(self.body)  # type: ignore[arg-type]  # types can be hashed
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
            raise BadInput(f"The body is not what this endpoint takes: {reason}.") from None
        return value

    def number(self, name: str, default: int, *, most: int) -> int:
        """A whole number of the query, from 0 to `most`."""
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit()) or len(text) > 15 or int(text) > most:
            raise BadInput(f"{name} must be a whole number from 0 to {most:,}; got {text[:40]!r}.")
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`scope` is the role that is needed, or PUBLIC. `query` are the only parameters that are taken (None: any).
    `socket`: it is served over WebSocket, whose messages are what it `gives`."""

    method: str
    path: str
    scope: str
    serve: Callable[[Call], Awaitable[ASGIApp]]
    about: str
    takes: type | None = None
    gives: type | None = None
    status: int = 200
    query: frozenset[str] | None = frozenset()
    also: tuple[str, ...] = ()
    socket: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """The path and its aliases: /api/… is /api/v1/…."""
        aliases = (
            path.replace("/api/v1/", "/api/", 1) for path in (self.path, *self.also) if "/api/v1/" in path
        )
        return (self.path, *self.also, *aliases)


@cache
def _decoder(into: type) -> msgspec.json.Decoder[Any]:
    """Made once for each shape that an endpoint takes."""
    return msgspec.json.Decoder(into)
