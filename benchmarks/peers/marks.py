"""Marks are lines that jobs leave in a file: which process began, and when."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

NAP_SECONDS = 60.0
"""How long the first of a job's owners sits still: until it is killed, which takes a second."""


class Mark(NamedTuple):
    """`at` is of the monotonic clock, which all processes of a machine share."""

    pid: int
    at: float


def mark(path: str) -> int:
    """Leave a mark; how many there are now. One write each, so that lines of two processes do not mix."""
    line = f"{os.getpid()} {time.monotonic()!r}\n".encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)
    return len(marks(Path(path)))


def marks(path: Path) -> list[Mark]:
    """What was left so far; nothing, when nobody began."""
    if not path.exists():
        return []
    rows = (line.split() for line in path.read_text().splitlines())
    return [Mark(int(pid), float(at)) for pid, at in rows]
