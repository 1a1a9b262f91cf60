"""Documents are files below one root; a name or a link that leads out of it leads nowhere."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from watership.errors import BadInput, Unavailable
from watership.releases.instruments import Document

DOCUMENT_BYTES: Final = 16 * 1024 * 1024
"""Of one document: evidence is read and digested whole."""

NAMES: Final = 10_000
"""That a pattern may match: more of them is no choice."""


class FileDocuments:
    """Documents of a folder as it is now. Links inside of the root are followed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def read(self, path: str) -> Document | None:
        return await asyncio.to_thread(self._read, path)

    async def names(self, pattern: str) -> Sequence[str]:
        """Without folders, and without links that lead out of the root."""
        return await asyncio.to_thread(self._names, pattern)

    def _read(self, path: str) -> Document | None:
        try:
            content = _content(path, self._place(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, RuntimeError) as reason:
            raise Unavailable(f"{path} cannot be read: {_why(reason)}.") from reason
        return Document(path=path, content=content, sha256=hashlib.sha256(content).hexdigest())

    def _place(self, path: str) -> Path:
        """Where the file really is. Raises BadInput when that is not below the root."""
        if not path or "\0" in path:
            raise BadInput(f"{path!r} names no file.")
        root = self._root.resolve()
        place = (root / path).resolve()
        if not place.is_relative_to(root):
            raise BadInput(
                f"{path} is not below {root}.", fix="Name a file of the project, relative to its folder."
            )
        return place

    def _names(self, pattern: str) -> Sequence[str]:
        parts = PurePosixPath(pattern).parts
        if not parts or pattern.startswith("/") or ".." in parts or "\0" in pattern:
            raise BadInput(
                f"{pattern!r} is no pattern below {self._root}.", fix="Say one such as evidence/*.json."
            )
        try:
            return sorted(self._matching(pattern))
        except (OSError, RuntimeError) as reason:
            raise Unavailable(f"{pattern} cannot be looked for: {_why(reason)}.") from reason
        except ValueError as reason:
            raise BadInput(f"{pattern!r} is no pattern: {reason}.") from reason

    def _matching(self, pattern: str) -> Iterator[str]:
        root = self._root.resolve()
        count = 0
        for path in root.glob(pattern):
            if not path.is_file() or not path.resolve().is_relative_to(root):
                continue
            count += 1
            if count > NAMES:
                raise BadInput(
                    f"{pattern} matches more than {NAMES:,} files.", fix="Say which folder is meant."
                )
            yield path.relative_to(root).as_posix()


def _content(path: str, place: Path) -> bytes:
    """What is in the file."""
    # What was resolved a moment ago is no link now, and opening a pipe must not wait for its other end.
    opened = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise BadInput(f"{path} is no file.")
    with os.fdopen(opened, "rb") as file:
        content = file.read(DOCUMENT_BYTES + 1)
    if len(content) > DOCUMENT_BYTES:
        raise BadInput(f"{path} is larger than {DOCUMENT_BYTES // 1024**2} MiB.")
    return content


def _why(reason: OSError | RuntimeError) -> str:
    """RuntimeError: how Python up to 3.12 says that links go round in a circle."""
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
