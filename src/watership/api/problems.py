"""Every refusal is a problem document (RFC 9457) with a stable code; the tables say which status it has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.exceptions import HTTPException

from watership.api.answer import Answer
from watership.errors import (
    BadInput,
    Conflict,
    NotAllowed,
    NotFound,
    ProgramError,
    Unavailable,
    Unencodable,
    WatershipError,
)
from watership.fleet.identity import Unauthenticated

MEDIA_TYPE: Final = "application/problem+json"

BY_CODE: Final[Mapping[str, int]] = {
    "key_reused": 422,
    "not_found": 404,
    "link_expired": 410,
    "backlog": 429,
    "limit": 429,
    "rate_limited": 429,
    "read_only": 503,
    "no_deployment": 503,
}
"""Codes whose status is another than that of their class."""

BY_CLASS: Final[tuple[tuple[type[WatershipError], int], ...]] = (
    (Unauthenticated, 401),
    (NotAllowed, 403),
    (NotFound, 404),
    (Unencodable, 422),
    (BadInput, 400),
    (Conflict, 409),
    (Unavailable, 503),
    (ProgramError, 500),
    (WatershipError, 500),
)
"""The first class that fits decides: subclasses stand before their bases."""

FRAMEWORK: Final[Mapping[int, str]] = {
    400: "bad_request",
    404: "no_such_route",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
}
"""Codes for what the framework refuses before any of our words."""

TITLES: Final[Mapping[int, str]] = {
    400: "The request is wrong",
    401: "It is not known who asks",
    403: "This identity may not do this",
    404: "There is no such thing",
    405: "The method does not fit",
    408: "The request took too long to arrive",
    409: "The state of things forbids it",
    410: "It is over",
    413: "The body is too large",
    426: "It is spoken otherwise here",
    422: "The request cannot be followed",
    429: "Too much is asked",
    500: "The service failed",
    503: "It is refused for now",
    504: "It took too long",
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request was refused. `code` is stable, `detail` is for people, `fix` says what mends it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    fix: str = ""


class PayloadTooLarge(BadInput):
    code = "payload_too_large"


class TooSlow(WatershipError):
    """What was asked did not end within the time that an answer may take."""

    code = "timed_out"


class UpgradeRequired(BadInput):
    """What is here speaks WebSocket, and was asked in plain HTTP."""

    code = "upgrade_required"

    def __init__(self) -> None:
        super().__init__(
            "This is a WebSocket.",
            fix="Connect with ws:// or wss://; or read the same over HTTP at …/events.",
        )


class BodyTooSlow(BadInput):
    code = "request_timeout"


_STATUS_OF_OURS: Final[Mapping[str, int]] = {
    PayloadTooLarge.code: 413,
    BodyTooSlow.code: 408,
    UpgradeRequired.code: 426,
    TooSlow.code: 504,
}


def status_of(error: WatershipError) -> int:
    """The status that an error of ours is told with."""
    known = BY_CODE.get(error.code) or _STATUS_OF_OURS.get(error.code)
    if known is not None:
        return known
    return next(status for kind, status in BY_CLASS if isinstance(error, kind))


def problem(error: Exception, request_id: str) -> Answer:
    """The response that tells of `error`. What is not an error of ours shows nothing of its inside."""
    match error:
        case WatershipError():
            status, headers = status_of(error), _headers(error)
            return _response(status, error.code, error.message, request_id, fix=error.fix, headers=headers)
        case HTTPException(status_code=status, detail=detail):
            code = FRAMEWORK.get(status, f"http_{status}")
            return _response(status, code, f"{detail}.", request_id, headers=error.headers)
        case _:
            detail = "An error was not expected here; the log has it under this request id."
            return _response(500, "internal", detail, request_id)


def _headers(error: WatershipError) -> dict[str, str]:
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="watership"'}
        case Unavailable():
            return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
        case PayloadTooLarge() | BodyTooSlow():
            # What is left of the body would be read and thrown away for as long as it comes.
            return {"Connection": "close"}
        case UpgradeRequired():
            return {"Upgrade": "websocket", "Connection": "Upgrade"}
        case _ if status_of(error) == 429:
            return {"Retry-After": "1"}
        case _:
            return {}


def _response(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    *,
    fix: str = "",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    body = Problem(
        type=f"urn:watership:problem:{code}",
        title=TITLES.get(status, "The request was refused"),
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
        fix=fix,
    )
    return Answer(msgspec.json.encode(body), status, headers, media=MEDIA_TYPE)
