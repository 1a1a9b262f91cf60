"""An endpoint is a row of a table: its path, who may call it, what it takes and gives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from watership.api.given import PUBLIC, Limits, Service
from watership.api.problems import BodyTooSlow, PayloadTooLarge, TooSlow
from watership.api.rates import within_rate
from watership.errors import BadInput, NotAllowed
from watership.fleet.identity import Identity, Unauthenticated, everybody, is_loopback

T = TypeVar("T")

KEY_CHARACTERS: Final = 255
"""Of an idempotency key; longer ones are data."""

HOSTS_KEPT: Final = 256
"""Addresses whose judgement is remembered; there are a handful, and whoever sends more pays for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
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
            return msgspec.json.decode(self.body, type=into)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
            raise BadInput(f"The body is not what this endpoint takes: {reason}.") from None

    def number(self, name: str, default: int, *, most: int) -> int:
        """A whole number of the query, from 0 to `most`."""
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit()) or len(text) > 15 or int(text) > most:
            raise BadInput(f"{name} must be a whole number from 0 to {most:,}; got {text[:40]!r}.")
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`scope` is the role that is needed, or PUBLIC. `query` are the only parameters that are taken (None: any)."""

    method: str
    path: str
    scope: str
    serve: Callable[[Call], Awaitable[Response]]
    about: str
    takes: type | None = None
    gives: type | None = None
    status: int = 200
    query: frozenset[str] | None = frozenset()
    also: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The path and its aliases: /api/… is /api/v1/…."""
        aliases = (
            path.replace("/api/v1/", "/api/", 1) for path in (self.path, *self.also) if "/api/v1/" in path
        )
        return (self.path, *self.also, *aliases)


def reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as JSON."""
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(msgspec.json.encode(value), status, headers=kept, media_type="application/json")


async def admit(service: Service, endpoint: Endpoint, request: Request) -> Response:
    """Serve `request` at `endpoint`: identity and its rate first, then the role, then the body, then the work."""
    caller = None if endpoint.scope == PUBLIC else identify(service, request)
    if caller is not None:
        await within_rate(service, caller)
        caller.require(endpoint.scope)
    call = Call(
        service=service,
        caller=caller,
        path=request.path_params,
        query=_query(request, endpoint),
        body=await _body(request, service.limits) if endpoint.method != "GET" else b"",
        key=_key(request) if endpoint.method == "POST" else None,
        resume=request.headers.get("last-event-id"),
    )
    try:
        async with asyncio.timeout(service.limits.answer_seconds):
            return await endpoint.serve(call)
    except TimeoutError:
        raise TooSlow(f"The answer took longer than {service.limits.answer_seconds:g} seconds.") from None


def identify(service: Service, request: Request) -> Identity:
    """Who asks. Raises Unauthenticated when that cannot be proved."""
    header = request.headers.get("authorization")
    if header is None and service.open:
        _only_this_machine(request)
        return everybody("local", service.clock)
    if header is None:
        raise Unauthenticated("there is none")
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer":
        raise Unauthenticated("it is not of the kind Bearer")
    if service.tokens is None:
        raise Unauthenticated("this service has no secret to verify it with")
    return service.tokens.verify(token.strip(" "))


def _only_this_machine(request: Request) -> None:
    """Where nobody is asked for a token, a page of the web must not act through somebody's browser."""
    origin = request.headers.get("origin")
    if not _is_here(f"//{request.headers.get('host', '')}") or (origin is not None and not _is_here(origin)):
        raise NotAllowed(
            "Without tokens only callers on this machine are served, by the name localhost.",
            fix="Use http://127.0.0.1, or set WATERSHIP_SECRET and send a token.",
        )


@lru_cache(maxsize=HOSTS_KEPT)
def _is_here(address: str) -> bool:
    return is_loopback(_host_of(address))


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _query(request: Request, endpoint: Endpoint) -> Mapping[str, str]:
    query = dict(request.query_params)
    unknown = set() if endpoint.query is None else set(query) - endpoint.query
    if unknown:
        taken = ", ".join(sorted(endpoint.query or ())) or "none"
        raise BadInput(f"Unknown parameter {min(unknown)[:40]!r}.", fix=f"Parameters: {taken}.")
    if len(request.query_params.multi_items()) > len(query):
        raise BadInput("A parameter stands twice in the query.")
    return query


async def _body(request: Request, limits: Limits) -> bytes:
    """The body, as long as it is small and arrives in time."""
    told = request.headers.get("content-length", "0")
    if told.isdigit() and int(told) > limits.body_bytes:
        raise _too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise _too_large(limits)
    except TimeoutError:
        raise BodyTooSlow(f"The body took longer than {limits.body_seconds:g} seconds to arrive.") from None
    return bytes(body)


def _too_large(limits: Limits) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"A body has at most {limits.body_bytes:,} bytes.",
        fix="Keep large data elsewhere and send a reference to it.",
    )


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= KEY_CHARACTERS and key.isprintable()):
        raise BadInput(f"An Idempotency-Key has 1 to {KEY_CHARACTERS} printable characters.")
    return key
