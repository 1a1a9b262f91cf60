"""A secret is read where it stands at the moment it is needed, and kept out of whatever is written down."""

from __future__ import annotations

import os
from pathlib import Path

from watership.durable.scrubbing import keep_out
from watership.errors import Unavailable

FILE_BYTES = 16 * 1024


def resolved(reference: str) -> str:
    """What `env:NAME` or `file:PATH` stands for; anything else stands for itself.

    Raises Unavailable where nothing stands there: whoever puts it there mends it, and the message is sent then.
    """
    kind, _, name = reference.partition(":")
    if kind not in ("env", "file"):
        return reference
    value = os.environ.get(name) if kind == "env" else _read(name)
    if not value or not value.strip():
        where = f"the environment variable {name}" if kind == "env" else f"the file {name}"
        raise Unavailable(f"A secret is missing: {where} is not there, or empty.")
    value = value.strip()
    if not value.isprintable():
        # What cannot stand in a header would be shown by whoever complains of it.
        raise Unavailable(f"The secret {reference} holds a line break, or another character that is none.")
    keep_out(reference, value)
    return value


def _read(name: str) -> str | None:
    try:
        with Path(name).expanduser().open("rb") as file:
            return file.read(FILE_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
