"""Secrets are read where their references point to, at the moment they are needed: the environment, or a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from watership.errors import Unavailable

SECRET_BYTES: Final = 64 * 1024
"""Of a file with a secret: a key with its chain has some 10 KB."""


class ReferencedSecrets:
    """`env:NAME`, or `file:PATH` from `root`. The file is its owner's alone; its last newline is no part of it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, reference: str) -> str:
        kind, _, place = reference.partition(":")
        match kind:
            case "env":
                secret = os.environ.get(place, "")
            case "file":
                secret = self._file(reference, self._root / place)
            case _:
                raise Unavailable(
                    f"{reference} is no reference to a secret.", fix="Say env:NAME or file:PATH."
                )
        if not secret:
            raise Unavailable(
                f"The secret {reference} is not there, or empty.", fix=f"Put it there: {reference}"
            )
        return secret

    def _file(self, reference: str, path: Path) -> str:
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise Unavailable(
                        f"Others than its owner may use the secret {reference}.", fix=f"chmod 600 {path}"
                    )
                content = file.read(SECRET_BYTES + 1)
        except OSError as reason:
            raise Unavailable(f"The secret {reference} cannot be read: {reason.strerror}.") from reason
        if len(content) > SECRET_BYTES:
            raise Unavailable(f"The secret {reference} is larger than {SECRET_BYTES // 1024} KiB.")
        try:
            return content.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise Unavailable(f"The secret {reference} is no text.") from None
