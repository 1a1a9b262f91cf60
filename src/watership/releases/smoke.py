"""A smoke test: what a build must answer, and to what, before anybody is sent to it."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec import Struct


class Request(Struct, frozen=True, kw_only=True):
    """One HTTP exchange of the smoke test. `includes` must be contained in the answer's JSON."""

    name: str
    method: str = "GET"
    path: str
    body: Any = None
    headers: dict[str, str] = {}
    status: int = 200
    includes: Any = None


class Message(Struct, frozen=True, kw_only=True):
    """One run of the smoke test, pinned to the deployment that is tested and followed to its end."""

    name: str
    program: str
    input: Any = None
    includes: Any = None
    seconds: float = 30.0


class Smoke(Struct, frozen=True, kw_only=True):
    """What a build must be able to do. An empty test proves nothing and is inconclusive."""

    requests: tuple[Request, ...] = ()
    messages: tuple[Message, ...] = ()
    headers: dict[str, str] = {}
    """Sent with every request (a token)."""


def smoke_sha256(smoke: Smoke) -> str:
    """The digest by which a plan names its smoke test."""
    return hashlib.sha256(msgspec.json.encode(smoke, order="sorted")).hexdigest()
