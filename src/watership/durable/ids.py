"""Ids: what names a run, a worker, a deployment; new ones come from a seedable source, children's are derived."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from random import Random
from typing import NewType

RunId = NewType("RunId", str)
WorkerId = NewType("WorkerId", str)
DeploymentId = NewType("DeploymentId", str)
EntryId = NewType("EntryId", str)
"""Names one write of a run, chosen by the writer, so that a write of unknown outcome can be looked up."""

SignalId = NewType("SignalId", str)
Key = NewType("Key", str)
"""A place in a program: `search/0`, `gather#1/2/search/0`."""

NewId = Callable[[], str]
"""Makes a fresh id: 26 characters of lower-case base 32, unique without coordination."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
"""Two letters at a time: every write of a run has an id, so spelling them is part of its cost."""

_LETTERS = bytes(ord(_ALPHABET[number % 32]) for number in range(256))
"""A letter for each byte; 256 is a multiple of 32, so that random bytes give each letter equally often."""

ID_BYTES = 16
_SHIFTS = tuple(range(120, -1, -10))
"""Where the pairs begin in the 130 bits that 26 letters hold."""


TIME_BYTES = 6
"""Milliseconds since 1970, until the year 10889. With the two bits that 26 letters have to spare: ten letters."""

TIME_LETTERS = 10
RANDOM_LETTERS = 16
RANDOM_AT_ONCE = 256
"""Ids whose randomness is fetched in one call of the system; each call costs more than the id it is for."""


class _RandomWords:
    """Words of sixteen random letters, fetched many at a time. Each is given out once, whichever thread asks."""

    def __init__(self) -> None:
        self._words: list[str] = []

    def take(self) -> str:
        try:
            return self._words.pop()
        except IndexError:
            words = self._fetch()
            word = words.pop()
            self._words = words
            return word

    def forget(self) -> None:
        """The child of a fork must not give out the words of its parent."""
        self._words = []

    @staticmethod
    def _fetch() -> list[str]:
        random = secrets.token_bytes(RANDOM_AT_ONCE * RANDOM_LETTERS)
        letters = random.translate(_LETTERS).decode("ascii")
        return [letters[at : at + RANDOM_LETTERS] for at in range(0, len(letters), RANDOM_LETTERS)]


_random_words = _RandomWords()
os.register_at_fork(after_in_child=_random_words.forget)


def random_ids() -> NewId:
    """Ids for production: the time, then 80 bits from the system's source of randomness.

    What was made at one time lies together in every index, so that a commit of many runs writes few pages.
    Nobody may rely on that order: it is the order of clocks. For a short word take an id's end.
    """
    spelt = (-1, "")  # one value, so that a thread never sees the letters of another moment

    def new_id() -> str:
        nonlocal spelt
        moment = time.time_ns() // 1_000_000
        at, letters = spelt
        if at != moment:
            letters = _spell(moment.to_bytes(TIME_BYTES, "big") + bytes(ID_BYTES - TIME_BYTES))[:TIME_LETTERS]
            spelt = (moment, letters)
        return letters + _random_words.take()

    return new_id


def seeded_ids(seed: int) -> NewId:
    """Ids for tests: the same seed gives the same ids in the same order."""
    source = Random(seed)
    return lambda: _spell(source.randbytes(ID_BYTES))


def child_id(parent: RunId, key: Key) -> RunId:
    """The id of the child that `parent` starts at `key`: derived, so that a replay names the same child."""
    return RunId(_spell(hashlib.sha256(f"{parent}\n{key}".encode()).digest()[:ID_BYTES]))


def _spell(raw: bytes) -> str:
    number = int.from_bytes(raw, "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
