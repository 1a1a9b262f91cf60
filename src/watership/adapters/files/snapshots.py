"""Snapshots as files of one folder, each replaced as a whole."""

from __future__ import annotations

import re
from pathlib import Path

from watership.adapters.files.replace import replace_file

# A second name for the same file would be a second snapshot, so what is spelled otherwise becomes a dash.
_STRANGE = re.compile(r"[^A-Za-z0-9._-]")


class FileSnapshots:
    """Snapshots in `folder`; a name's slashes become dashes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def get(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None

    async def put(self, name: str, content: bytes) -> None:
        # On this thread: the next tick must not begin before the last one is on the disk.
        replace_file(self._path(name), content)

    def _path(self, name: str) -> Path:
        return self._folder / f"{_STRANGE.sub('-', name)}.json"
