"""What a system answers, or a file holds, is read into its shape; what does not fit is not known."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from watership.errors import BadInput, Unavailable
from watership.releases.instruments import Document

T = TypeVar("T")


def shaped(name: str, answer: object, shape: type[T]) -> T:
    """What a system answered, as `shape`. Raises Unavailable when it is not of that shape."""
    try:
        return msgspec.convert(answer, type=shape, strict=False)
    except msgspec.ValidationError as error:
        raise Unavailable(f"{name} answered otherwise than its API says: {error}.") from error


def decoded(document: Document, shape: type[T]) -> T:
    """The JSON of a file as `shape`. Raises BadInput when it is not of that shape."""
    try:
        return msgspec.json.decode(document.content, type=shape)
    except msgspec.DecodeError as error:
        raise BadInput(f"{document.path} cannot be read as such a report: {error}.") from error
