"""Values are journaled as JSON in one canonical form: the same value always gives the same bytes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from watership.durable.scrubbing import scrub_bytes
from watership.errors import Unencodable

T = TypeVar("T")

PAYLOAD_LIMIT = 1024 * 1024
"""Bytes of one journaled value. Larger results belong in a file or an object store, with a reference here."""

_canonical = msgspec.json.Encoder(order="sorted")


def encode(value: object, where: str) -> msgspec.Raw:
    """`value` as canonical JSON. Raises Unencodable, naming `where`, for what JSON cannot hold, NaN included.

    Secrets that are known are replaced (see scrubbing.py).
    """
    try:
        data = scrub_bytes(_canonical.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError) as reason:
        raise Unencodable(where, str(reason)) from reason
    if len(data) > PAYLOAD_LIMIT:
        raise Unencodable(where, f"it takes {len(data):,} bytes, the limit is {PAYLOAD_LIMIT:,}")
    if b"null" in data:  # which is also what the encoder makes of a float that is no number
        wrong = _no_number(msgspec.to_builtins(value, builtin_types=(msgspec.Raw,)), "$")
        if wrong is not None:
            raise Unencodable(where, f"JSON has no {wrong}")
    return msgspec.Raw(data)


def _no_number(value: object, place: str) -> str | None:
    """The first float in `value` that is not finite, and its place."""
    inside: Iterable[tuple[object, str]] = ()
    match value:
        case float():
            return None if math.isfinite(value) else f"{value} at {place}"
        case dict():
            inside = ((each, f"{place}.{name}") for name, each in value.items())
        case list() | tuple() | set() | frozenset():
            inside = ((each, f"{place}[{index}]") for index, each in enumerate(value))
    return next(filter(None, (_no_number(each, deeper) for each, deeper in inside)), None)


def decode(data: msgspec.Raw | bytes, into: type[T] | Any = Any) -> T:
    """The value that `data` holds, as `into` where a type is given."""
    value: T = msgspec.json.decode(data, type=into)
    return value


def fingerprint(value: object, where: str) -> str:
    """32 hex digits that are equal just when the canonical encodings are."""
    return hashlib.sha256(encode(value, where)).hexdigest()[:32]
