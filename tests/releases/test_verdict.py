"""The worst of verdicts speaks for all of them, and nothing is never passed."""

from __future__ import annotations

from itertools import permutations

import pytest

from watership.releases.verdict import Verdict, worst

PASSED, FAILED, UNKNOWN = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE


def test_where_nothing_was_found_nothing_is_known() -> None:
    assert worst([]) is UNKNOWN


@pytest.mark.parametrize(
    ("verdicts", "of_all"),
    [
        ([PASSED], PASSED),
        ([PASSED, PASSED], PASSED),
        ([PASSED, UNKNOWN], UNKNOWN),
        ([PASSED, UNKNOWN, FAILED], FAILED),
        ([UNKNOWN, FAILED], FAILED),
    ],
)
def test_failed_comes_before_inconclusive_before_passed_in_any_order(
    verdicts: list[Verdict], of_all: Verdict
) -> None:
    assert {worst(each) for each in permutations(verdicts)} == {of_all}
