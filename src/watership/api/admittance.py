"""Admittance: a request is let in or refused: identity and its rate first, then the role, then query and body."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from watership.api.asked import Asked
from watership.api.endpoint import KEY_CHARACTERS, Call, Endpoint
from watership.api.given import PUBLIC, Limits, Service
from watership.api.patience import Late, Patience
from watership.api.problems import BodyTooSlow, PayloadTooLarge, TooSlow
from watership.api.rates import within_rate
from watership.errors import BadInput, NotAllowed
from watership.fleet.identity import Identity, Unauthenticated, everybody, is_loopback

HOSTS_KEPT: Final = 256
"""Addresses whose judgement is remembered; there are a handful, and whoever sends more pays for it."""

LOCAL_SECONDS: Final = 3_600.0
"""How long the identity of whoever needs no token is given out before it is made anew; it lives for a year."""


class Admittance:
    """Of one service, on one loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._answer = Patience(service.limits.answer_seconds)
        self._body = Patience(service.limits.body_seconds)
        self._local: tuple[float, Identity] | None = None

    async def serve(self, endpoint: Endpoint, asked: Asked) -> ASGIApp:
        """The endpoint's answer to what is asked. Raises what refuses it."""
        service = self._service
        caller = None if endpoint.scope == PUBLIC else self.identify(asked)
        if caller is not None:
            if service.limits.requests_per_minute:
                await within_rate(service, caller)
            caller.require(endpoint.scope)
        task = asyncio.current_task()
        assert task is not None, "a request is served by a task"
        call = Call(
            service=service,
            caller=caller,
            path=asked.path,
            query=_query(asked, endpoint),
            body=await self._read(asked, task) if endpoint.method != "GET" else b"",
            key=_key(asked) if endpoint.method == "POST" else None,
            resume=asked.header(b"last-event-id"),
        )
        try:
            with self._answer.wait(task):
                return await endpoint.serve(call)
        except Late:
            raise TooSlow(f"The answer took longer than {self._answer.seconds:g} seconds.") from None

    def identify(self, asked: Asked) -> Identity:
        """Who asks. Raises Unauthenticated when that cannot be proved."""
        header = asked.header(b"authorization")
        if header is None and self._service.open:
            _only_this_machine(asked)
            return self._everybody()
        if header is None:
            raise Unauthenticated("there is none")
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer":
            raise Unauthenticated("it is not of the kind Bearer")
        if self._service.tokens is None:
            raise Unauthenticated("this service has no secret to verify it with")
        return self._service.tokens.verify(token.strip(" "))

    def _everybody(self) -> Identity:
        clock = self._service.clock
        now = clock.monotonic()
        if self._local is None or now - self._local[0] > LOCAL_SECONDS:
            self._local = now, everybody("local", clock)
        return self._local[1]

    async def _read(self, asked: Asked, task: asyncio.Task[object]) -> bytes:
        """The body, as long as it is small and arrives in time."""
        limits = self._service.limits
        told = asked.header(b"content-length")
        if told is not None and told.isdigit() and int(told) > limits.body_bytes:
            raise _too_large(limits)
        try:
            with self._body.wait(task):
                return await _whole(asked, limits)
        except Late:
            raise BodyTooSlow(
                f"The body took longer than {limits.body_seconds:g} seconds to arrive."
            ) from None


async def _whole(asked: Asked, limits: Limits) -> bytes:
    body, more = await asked.chunk()
    if more:
        gathered = bytearray(body)
        while more and len(gathered) <= limits.body_bytes:
            body, more = await asked.chunk()
            gathered += body
        body = bytes(gathered)
    if len(body) > limits.body_bytes:
        raise _too_large(limits)
    return body


def _only_this_machine(asked: Asked) -> None:
    """Where nobody is asked for a token, a page of the web must not act through somebody's browser."""
    origin = asked.header(b"origin")
    if not _is_here(f"//{asked.header(b'host') or ''}") or (origin is not None and not _is_here(origin)):
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


def _query(asked: Asked, endpoint: Endpoint) -> Mapping[str, str]:
    given = asked.query()
    query = dict(given)
    unknown = set() if endpoint.query is None else query.keys() - endpoint.query
    if unknown:
        taken = ", ".join(sorted(endpoint.query or ())) or "none"
        raise BadInput(f"Unknown parameter {min(unknown)[:40]!r}.", fix=f"Parameters: {taken}.")
    if len(given) > len(query):
        raise BadInput("A parameter stands twice in the query.")
    return query


def _too_large(limits: Limits) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"A body has at most {limits.body_bytes:,} bytes.",
        fix="Keep large data elsewhere and send a reference to it.",
    )


def _key(asked: Asked) -> str | None:
    key = asked.header(b"idempotency-key")
    if key is not None and not (0 < len(key) <= KEY_CHARACTERS and key.isprintable()):
        raise BadInput(f"An Idempotency-Key has 1 to {KEY_CHARACTERS} printable characters.")
    return key
