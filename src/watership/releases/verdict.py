"""A verdict says what was found, and the worst of several speaks for all of them."""

from __future__ import annotations

import enum
from collections.abc import Iterable


class Verdict(enum.Enum):
    """What was found. Unknown is never passed."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Failed before inconclusive before passed. Where nothing was found nothing is known: inconclusive."""
    there = set(verdicts)
    if Verdict.FAILED in there:
        return Verdict.FAILED
    return Verdict.PASSED if there == {Verdict.PASSED} else Verdict.INCONCLUSIVE
