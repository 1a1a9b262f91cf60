"""What follows a write: every outcome with every cargo."""

from __future__ import annotations

from itertools import product

import pytest

from watership.durable.events import Failure
from watership.durable.program import failure_of
from watership.durable.sequel import Again, Broken, Cargo, Declined, Kept, Lost, Raised, Sequel, sequel
from watership.durable.writes import Claimed, Done, Duplicate, Outcome, Refused, WriteFenced
from watership.errors import Unavailable

FENCED, AWAY = WriteFenced(current=7), Unavailable("no answer")
FULL, TOO_LONG = Refused(code="limit", reason="The journal is full."), ValueError("no such letter")
REFUSED, UNHELD = Failure(kind="Refused", message=FULL.reason, code="limit"), failure_of(TOO_LONG)

TABLE: dict[Outcome | Exception, dict[Cargo, Sequel]] = {
    Done(): {Cargo.OWN: Kept(), Cargo.JOINT: Kept(), Cargo.KNOWN: Kept()},
    Duplicate(): {Cargo.OWN: Kept(), Cargo.JOINT: Kept(), Cargo.KNOWN: Kept()},
    FENCED: {Cargo.OWN: Lost(FENCED), Cargo.JOINT: Lost(FENCED), Cargo.KNOWN: Lost(FENCED)},
    AWAY: {Cargo.OWN: Lost(AWAY), Cargo.JOINT: Lost(AWAY), Cargo.KNOWN: Lost(AWAY)},
    FULL: {Cargo.OWN: Declined(REFUSED), Cargo.JOINT: Again(REFUSED), Cargo.KNOWN: Broken(REFUSED)},
    TOO_LONG: {Cargo.OWN: Raised(TOO_LONG), Cargo.JOINT: Again(TOO_LONG), Cargo.KNOWN: Broken(UNHELD)},
}


@pytest.mark.parametrize(("outcome", "cargo"), list(product(TABLE, Cargo)), ids=str)
def test_each_outcome_with_each_cargo_has_its_sequel(outcome: Outcome | Exception, cargo: Cargo) -> None:
    assert sequel(outcome, cargo) == TABLE[outcome][cargo]


@pytest.mark.parametrize("cargo", Cargo)
def test_an_outcome_that_no_append_has_is_a_bug(cargo: Cargo) -> None:
    with pytest.raises(AssertionError, match="cannot come out"):
        sequel(Claimed(runs=()), cargo)
