"""A campaign that cannot fail is no test: each planted bug is caught by it, and by the promise that it breaks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulation.agent_run import Evidence, history
from tests.simulation.planted import (
    ClaimsAnsweredBeforeCommit,
    EntriesForgotten,
    EpochsUnchecked,
    LeaseBelieved,
    OrdinalKeys,
    ParksByException,
    RepeatsWhatIsInDoubt,
)

ENOUGH = 400
"""Histories within which the bug must show itself: a fifth of what one day's test lives through."""


def caught(planted: Callable[[int], Evidence], sign: str) -> None:
    """The bug shows `sign` in some history, and the true kernel lives through the same one without a flaw."""
    for seed in range(ENOUGH):
        evidence = planted(seed)
        if any(sign in flaw for flaw in evidence.flaws):
            assert history(seed).flaws == ()
            return
    pytest.fail(f"{ENOUGH} histories show no {sign!r}")


def test_a_claim_acknowledged_before_its_commit_is_caught() -> None:
    caught(lambda seed: history(seed, store=ClaimsAnsweredBeforeCommit), "P4")


def test_a_missing_epoch_check_is_caught() -> None:
    caught(lambda seed: history(seed, store=EpochsUnchecked), "P4")


def test_ordinal_keys_are_caught() -> None:
    caught(lambda seed: history(seed, execution=OrdinalKeys), "stopped")


def test_a_result_recorded_twice_is_caught() -> None:
    caught(lambda seed: history(seed, store=EntriesForgotten), "result of")


def test_parking_by_exception_is_caught() -> None:
    caught(lambda seed: history(seed, execution=ParksByException), "'verdict': 'no'")


def test_a_step_in_doubt_that_is_silently_repeated_is_caught() -> None:
    caught(lambda seed: history(seed, execution=RepeatsWhatIsInDoubt), "P3")


def test_a_lease_that_nobody_looks_at_is_caught() -> None:
    caught(lambda seed: history(seed, execution=LeaseBelieved), "P2")
