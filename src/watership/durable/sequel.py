"""What follows a write of a run: decided by what became of it and by what it carried, and done elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from watership.durable.events import Failure
from watership.durable.program import failure_of
from watership.durable.writes import Done, Duplicate, Outcome, Refused, WriteFenced
from watership.errors import Unavailable


class Cargo(Enum):
    """What a write carries. Known are outcomes that the program has already gone on from (see known.py)."""

    OWN = "own"  # nothing known: whoever sent it waits for it
    JOINT = "joint"  # known outcomes, and what came after them
    KNOWN = "known"  # known outcomes alone


@dataclass(frozen=True, slots=True)
class Kept:
    """The store has it: it is taken in."""


@dataclass(frozen=True, slots=True)
class Again:
    """What the program knows must not fall with what came after it: it is sent alone. `blame` is told of the rest."""

    blame: Failure | Exception


@dataclass(frozen=True, slots=True)
class Lost:
    """The run has another owner, or may have: nothing more is written."""

    reason: WriteFenced | Unavailable


@dataclass(frozen=True, slots=True)
class Declined:
    """The store refuses it: what that means is decided by whoever sent it."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Raised:
    """The store cannot hold it: that is raised where it was sent."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Broken:
    """The program has gone on from what never was: the run stops, and nothing that came of it is kept."""

    failure: Failure


Sequel = Kept | Again | Lost | Declined | Raised | Broken


def sequel(outcome: Outcome | Exception, cargo: Cargo) -> Sequel:
    """What follows. An outcome that no append can have is a bug of ours: AssertionError."""
    match outcome, cargo:
        case ((Done() | Duplicate()), _):
            return Kept()
        case (WriteFenced() | Unavailable()) as reason, _:
            return Lost(reason)
        case Refused() as refused, Cargo.OWN:
            return Declined(failed(refused))
        case Refused() as refused, Cargo.JOINT:
            return Again(failed(refused))
        case Refused() as refused, Cargo.KNOWN:
            return Broken(failed(refused))
        case Exception() as error, Cargo.OWN:
            return Raised(error)
        case Exception() as error, Cargo.JOINT:
            return Again(error)
        case Exception() as error, Cargo.KNOWN:
            return Broken(failure_of(error))
        case _:
            raise AssertionError(f"an append cannot come out as {outcome!r}")


def failed(refused: Refused) -> Failure:
    """Why a run stops whose write was refused."""
    return Failure(kind="Refused", message=refused.reason, code=refused.code)
