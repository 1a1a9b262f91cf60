"""Where the checklist stands, by the last word that counts."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.releases.checklists import CHECKLIST
from tests.releases.plans import NOON
from watership.releases.measurement import Measurement
from watership.releases.readiness.records import Attested, Measured, Record, Waived
from watership.releases.readiness.standing import PointStanding, standing
from watership.releases.verdict import Verdict

BUILD = "sha256:2.1.0"
DAY = timedelta(days=1)


def measured(verdict: Verdict, *, at: datetime = NOON, build: str = BUILD) -> Measured:
    got = Measurement(
        verdict=verdict, evidence="seen", began=at, ended=at, expires_at=at + timedelta(hours=4)
    )
    return Measured(point="guide/says", build=build, by="controller", got=got)


def attested(*points: str, holds: bool = True) -> Attested:
    return Attested(
        points=points,
        build=BUILD,
        person="Quinn",
        role="qa",
        holds=holds,
        words="so",
        at=NOON,
        expires_at=NOON + DAY,
    )


def waived(*points: str) -> Waived:
    return Waived(
        points=points,
        build=BUILD,
        person="Dana",
        role="deployment_lead",
        reason="next week",
        at=NOON,
        until=NOON + DAY,
    )


def point(key: str, *records: Record, now: datetime = NOON) -> PointStanding:
    items = standing(CHECKLIST, records, build=BUILD, now=now)
    return next(each for item in items for each in item.points if each.key == key)


def test_what_nobody_spoke_of_is_open() -> None:
    assert {
        each.state for item in standing(CHECKLIST, (), build=BUILD, now=NOON) for each in item.points
    } == {"open"}


@pytest.mark.parametrize("verdict", Verdict)
def test_the_last_measurement_counts(verdict: Verdict) -> None:
    assert point("guide/says", measured(Verdict.PASSED), measured(verdict)).state == verdict.value


def test_evidence_expires() -> None:
    assert point("guide/says", measured(Verdict.PASSED), now=NOON + timedelta(hours=4)).state == "expired"


def test_evidence_of_another_build_counts_for_nothing() -> None:
    assert point("guide/says", measured(Verdict.PASSED, build="sha256:2.0.9")).state == "open"


def test_nobody_attests_what_is_to_be_measured() -> None:
    assert point("guide/says", attested("guide/says")).state == "open"


def test_a_persons_no_is_a_failure_and_their_word_expires() -> None:
    assert point("uat/signed", attested("uat/signed", holds=False)).state == "failed"
    assert point("uat/signed", attested("uat/signed")).state == "passed"
    assert point("uat/signed", attested("uat/signed"), now=NOON + DAY).state == "expired"


def test_a_waiver_stands_in_for_a_failure_until_it_ends_and_says_what_it_hides() -> None:
    failed, waiver = measured(Verdict.FAILED), waived("guide/says")

    found = point("guide/says", failed, waiver)

    assert found.state == "waived" and found.good and "failed: seen" in found.words
    assert point("guide/says", failed, waiver, now=NOON + DAY).state == "failed"


def test_an_item_is_late_once_it_was_due_and_is_not_good() -> None:
    zero = NOON + timedelta(hours=12)  # so that T-24h has passed, and T-4h has not

    guide, uat = standing(CHECKLIST, (), build=BUILD, now=NOON, zero=zero)

    assert (guide.late, uat.late) == (True, False)
    (guide, _) = standing(CHECKLIST, (measured(Verdict.PASSED),), build=BUILD, now=NOON, zero=zero)
    assert not guide.late
