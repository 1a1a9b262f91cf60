"""Code of a runbook's folder: Python for the checks that nobody ships, as much a part of it as its YAML."""

from __future__ import annotations

import hashlib
from typing import Final

from msgspec import Struct

from watership.releases.book.document import MAX_BYTES, DocumentError

FOLDER: Final = "checks"
"""Of a runbook's folder: every `*.py` in it is read, nothing below it."""

MAX_FILES: Final = 100
"""A runbook with more is refused: what is so long is a package, to be installed and named by a few files."""


class Code(Struct, frozen=True):
    """A file of Python, by its path within the runbook's folder."""

    path: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def code(path: str, content: bytes) -> Code:
    """The file of these very bytes. Raises DocumentError for what is too long, or no text."""
    if len(content) > MAX_BYTES:
        raise DocumentError(path, 1, f"longer than {MAX_BYTES:,} bytes")
    try:
        return Code(path, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DocumentError(path, content.count(b"\n", 0, error.start) + 1, "not UTF-8 text") from error
