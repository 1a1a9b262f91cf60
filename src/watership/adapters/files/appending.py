"""A file that grows by whole lines: each is on the disk before anybody goes on, or it is not there at all.

A last line without its end was never acknowledged: a crash cut it off. Who reads leaves it out, who writes removes it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from watership.adapters.files.replace import sync_folder
from watership.errors import Unavailable, WatershipError

T = TypeVar("T")

FILE_MODE = 0o640
"""Only the owner writes; who looks after the machine, and auditors, read through the group."""


class Lines(NamedTuple):
    """The whole lines of a file without their ends, from byte `start` on; behind `size` a torn one may follow."""

    start: int
    whole: tuple[bytes, ...]
    torn: int
    """Bytes of a last line that has no end."""

    @property
    def size(self) -> int:
        """Where the whole lines end."""
        return self.start + sum(len(line) + 1 for line in self.whole)


NOTHING = Lines(0, (), 0)


class Illegible(Unavailable):
    """A line of a file of ours says what we never wrote, so that nothing of the file is relied on."""

    code = "illegible"

    def __init__(self, path: Path, line: int, what: str, error: object) -> None:
        super().__init__(
            f"{path} cannot be read: line {line} is no {what}: {str(error).rstrip('.')}.",
            fix="Keep it as evidence, and begin a new one.",
        )
        self.line = line


def split(content: bytes, start: int = 0) -> Lines:
    """What was read from byte `start` of a file on."""
    *whole, torn = content.split(b"\n")
    return Lines(start, tuple(whole), len(torn))


def lines_of(path: Path) -> Lines:
    """All that a file holds; nothing where there is none."""
    try:
        return split(path.read_bytes())
    except FileNotFoundError:
        return NOTHING


def lines_in(file: int, start: int = 0) -> Lines:
    """What an open file holds from byte `start` on, whoever wrote it."""
    return split(os.pread(file, max(0, os.fstat(file).st_size - start), start), start)


def parsed(
    path: Path, lines: Sequence[bytes], read: Callable[[bytes], T], what: str, *, first: int = 1
) -> list[T]:
    """Every line as what it says; `first` is the number of the first. Raises Illegible with file and line."""
    found = []
    for number, line in enumerate(lines, first):
        try:
            found.append(read(line))
        except (msgspec.DecodeError, UnicodeDecodeError, WatershipError) as error:
            raise Illegible(path, number, what, error) from error
    return found


@contextmanager
def growing(path: Path) -> Iterator[int]:
    """The file for this process alone, to read and to append to; its name is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
    try:
        with locked(file):
            if os.fstat(file).st_size == 0:
                sync_folder(path.parent)
                sync_folder(path.parent.parent)
            yield file
    finally:
        os.close(file)


@contextmanager
def locked(file: int, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """The open file for this process alone, or for readers. Appends are short, so whoever comes second waits."""
    fcntl.flock(file, kind)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def all_or_nothing(file: int) -> Iterator[None]:
    """What is appended within is taken back when any of it does not succeed."""
    start = os.lseek(file, 0, os.SEEK_END)
    try:
        yield
    except BaseException:
        os.ftruncate(file, start)
        raise


def append(file: int, line: bytes) -> None:
    """Write at the end, whole or not at all, and flush it to the disk. Raises OSError."""
    with all_or_nothing(file):
        left = line
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)


def mended(file: int) -> Lines:
    """The lines of a file that is locked, after what a crash left of a last one was removed."""
    lines = lines_in(file)
    if lines.torn:
        os.ftruncate(file, lines.size)
    return lines._replace(torn=0)


def refused(path: Path, error: OSError) -> Unavailable:
    """What the system said when a line could not be written."""
    return Unavailable(f"{path} cannot be written: {error.strerror}.")
