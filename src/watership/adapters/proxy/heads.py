"""Heads are rewritten on their way: what belongs to one connection does not pass to the next."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from watership.adapters.proxy.wire import Head
from watership.fleet.deployment import Slot

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers about one connection (RFC 9110 §7.6.1)."""

SLOT_HEADER = b"x-watership-slot"
"""Names the slot that answered; an instance cannot set it."""

_REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS"})


def reads(head: Head) -> bool:
    """Whether the request asks for no change, by its method."""
    return head.method in _REPEATABLE


def repeatable(head: Head) -> bool:
    """Whether asking twice does what asking once does: by its method, or because the client gave it a key."""
    return head.method in _REPEATABLE or head.get(b"idempotency-key") is not None


def chunked(head: Head) -> bool:
    return b"chunked" in (head.get(b"transfer-encoding") or b"").lower()


def has_body(head: Head) -> bool:
    return chunked(head) or (head.get(b"content-length") or b"0") != b"0"


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


LAST_CHUNK = b"0\r\n\r\n"


def _passing(head: Head, also: frozenset[bytes]) -> list[bytes]:
    """The header lines that pass on, without those of the connection and those it names."""
    named = {
        token.strip()
        for name, value in head.headers
        if name.lower() == b"connection"
        for token in value.lower().split(b",")
    }
    # A sender cannot name framing or the host as its connection's own and so have them dropped.
    drop = HOP_BY_HOP | also | (named - {b"content-length", b"host"})
    return [b"%b: %b\r\n" % (name, value) for name, value in head.headers if name.lower() not in drop]


_REQUEST_DROPS = frozenset({b"expect", b"x-forwarded-for"})


def request(head: Head, peer: bytes) -> bytes:
    """The head that an instance gets."""
    lines = [b"%b %b HTTP/1.1\r\n" % (head.method, head.target)]
    lines += _passing(head, _REQUEST_DROPS)
    came = b", ".join([value for name, value in head.headers if name.lower() == b"x-forwarded-for"] + [peer])
    lines.append(b"x-forwarded-for: %b\r\n" % came)
    if head.get(b"x-forwarded-proto") is None:
        lines.append(b"x-forwarded-proto: http\r\n")
    if head.upgrade:
        lines.append(b"connection: Upgrade\r\nupgrade: websocket\r\n")
    if chunked(head):
        lines.append(b"transfer-encoding: chunked\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


_ANSWER_DROPS = frozenset({SLOT_HEADER})


def answer(head: Head, slot: Slot, *, asked: Head, keep_alive: bool, chunk_body: bool) -> bytes:
    """The head that the client gets who `asked`."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (head.status, _phrase(head.status))]
    lines += _passing(head, _ANSWER_DROPS)
    lines.append(b"%b: %b\r\n" % (SLOT_HEADER, slot.value.encode()))
    if head.status == 101:
        lines.append(b"connection: Upgrade\r\nupgrade: websocket\r\n")
    elif not keep_alive:
        lines.append(b"connection: close\r\n")
    elif asked.minor == 0:
        lines.append(b"connection: keep-alive\r\n")
    if chunk_body:
        lines.append(b"transfer-encoding: chunked\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


def _phrase(status: int) -> bytes:
    return _PHRASES.get(status, b"Unknown")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an answer that the proxy gives by itself (RFC 9457)."""

    title: str
    status: int
    detail: str
    code: str = "unavailable"
    type: str = "about:blank"


def refusal(
    status: int, detail: str, *, keep_alive: bool, slot: Slot | None = None, retry_after: int = 0
) -> bytes:
    """A whole answer of the proxy's own."""
    code = "unavailable" if status >= 500 else "bad_input"
    body = msgspec.json.encode(
        Problem(title=_phrase(status).decode(), status=status, detail=detail, code=code)
    )
    lines = [
        b"HTTP/1.1 %d %b\r\n" % (status, _phrase(status)),
        b"content-type: application/problem+json\r\ncontent-length: %d\r\n" % len(body),
    ]
    if slot is not None:
        lines.append(b"%b: %b\r\n" % (SLOT_HEADER, slot.value.encode()))
    if retry_after:
        lines.append(b"retry-after: %d\r\n" % retry_after)
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    lines += [b"\r\n", body]
    return b"".join(lines)
