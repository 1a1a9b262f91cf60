"""A file is replaced as a whole or not at all, and stays replaced when the machine crashes."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

MODE = 0o666
"""Less what the process's mask takes away, as for any file that is written anew."""


def replace_file(path: Path, content: bytes, *, mode: int = MODE) -> None:
    """Write a file as a whole or not at all, and flush it and its name to the disk.

    Of several writers at once each writes a file of its own, and the last one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    swap(path, content, mode=mode)
    sync_folder(path.parent)


def swap(path: Path, content: bytes, *, mode: int = MODE) -> None:
    """Replace a file as a whole or not at all; after a crash the old one may come back. What fails leaves nothing."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        _write(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _write(handle: int, content: bytes) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def sync_folder(path: Path) -> None:
    """A file's name is durable once its folder is."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
