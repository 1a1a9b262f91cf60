"""A position is what the journal says, and nothing better."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.releases.plans import NOON, a_plan
from watership.releases.facts import Position, Record, moved
from watership.releases.measurement import Measurement
from watership.releases.verdict import Verdict


@pytest.mark.parametrize(
    ("verdict", "weight"), [(Verdict.PASSED, 0), (Verdict.FAILED, 50), (Verdict.INCONCLUSIVE, 50)]
)
def test_a_rollback_that_did_not_read_back_is_not_told_as_done(verdict: Verdict, weight: int) -> None:
    got = Measurement(verdict=verdict, evidence="", began=NOON, ended=NOON + timedelta(seconds=1))

    after = moved(a_plan(), Position(weight=50), Record(act="take_back", item="", attempt=1, got=got), NOON)

    assert after.weight == weight
    # What is to be taken back is never kept up as a split again.
    assert not after.split
