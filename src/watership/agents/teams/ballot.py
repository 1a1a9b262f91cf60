"""A ballot is what one voter said, in the shape that the election's method asks for."""

from __future__ import annotations

from typing import Any

import msgspec


class Choice(msgspec.Struct, frozen=True, tag="choice"):
    """One candidate (plurality)."""

    candidate: str


class Approvals(msgspec.Struct, frozen=True, tag="approvals"):
    """Every candidate that would do (approval); none is a valid word too."""

    candidates: tuple[str, ...]


class Ranking(msgspec.Struct, frozen=True, tag="ranking"):
    """Candidates from the best down (ranked choice). Who is left out is ranked nowhere."""

    candidates: tuple[str, ...]


class Votes(msgspec.Struct, frozen=True, tag="votes"):
    """Votes by candidate (quadratic): n votes for one cost n² credits."""

    votes: dict[str, int]


class Confidence(msgspec.Struct, frozen=True, tag="confidence"):
    """One candidate, and how sure the voter is of it, from 0 to 1 (confidence-weighted)."""

    candidate: str
    confidence: float


Mark = Choice | Approvals | Ranking | Votes | Confidence


class Ballot(msgspec.Struct, frozen=True):
    """A voter's word. Whether it is valid is for the election to say (election.py)."""

    voter: str
    mark: Mark


class Refused(msgspec.Struct, frozen=True):
    """A voter whose word is not counted: what it said, as far as it said anything, and why not."""

    voter: str
    said: Any
    reason: str
