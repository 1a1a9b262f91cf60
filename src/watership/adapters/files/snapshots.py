"""Snapshots as files: each is replaced as a whole, and stays replaced when the machine crashes."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from watership.adapters.files.replace import replace_file
from watership.errors import BadInput, Unavailable

NAME = re.compile(r"[\w.@:-]{1,200}")


class FileSnapshots:
    """Snapshots in one folder; a name becomes a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def get(self, name: str) -> bytes | None:
        path = self._path(name)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"The snapshot {path} cannot be read: {error.strerror}.") from error

    async def put(self, name: str, content: bytes) -> None:
        path = self._path(name)
        try:
            await asyncio.to_thread(replace_file, path, content)
        except OSError as error:
            raise Unavailable(f"The snapshot {path} cannot be written: {error.strerror}.") from error

    def _path(self, name: str) -> Path:
        spelt = name.replace("/", ":")
        if not NAME.fullmatch(spelt):
            raise BadInput(f"A snapshot cannot be named {name!r}.")
        return self._folder / f"{spelt}.json"
