"""A file that grows by whole lines: each is on the disk before anybody goes on, or it is not there at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def locked(file: int) -> Iterator[None]:
    """The open file for this process alone. Appends are short, so whoever comes second waits."""
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def all_or_nothing(file: int) -> Iterator[None]:
    """What is appended within is taken back when the system refuses any of it. Raises OSError."""
    start = os.lseek(file, 0, os.SEEK_END)
    try:
        yield
    except OSError:
        os.ftruncate(file, start)
        raise


def append(file: int, line: bytes) -> None:
    """Write at the end, whole or not at all, and flush it to the disk. Raises OSError."""
    with all_or_nothing(file):
        left = line
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
