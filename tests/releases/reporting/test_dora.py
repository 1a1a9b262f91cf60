"""The figures of delivery are counted, and unknown where nothing was."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.releases.folds import a_release, act, at, folded, on_time, record
from tests.releases.plans import NOON, a_plan
from watership.releases.facts import Position
from watership.releases.journal import Fold
from watership.releases.judging.gate import Judgement
from watership.releases.reporting.dora import WINDOW, Past, dora, past
from watership.releases.verdict import Verdict

NOW = NOON
DAY = timedelta(days=1)


def kept(days: float, lead: float | None = None) -> Past:
    """Promoted so many days ago, an hour after its beginning."""
    promoted = NOW - days * DAY
    committed = None if lead is None else promoted - timedelta(hours=lead)
    return Past(
        began=promoted - timedelta(hours=1),
        ended=True,
        served=True,
        promoted_at=promoted,
        committed_at=committed,
    )


def back(days: float, restore: float | None = None, *, served: bool = True) -> Past:
    """Taken back."""
    return Past(began=NOW - days * DAY, ended=True, served=served, taken_back=True, restore_seconds=restore)


def figures(*releases: Past) -> list[tuple[str | None, int, int]]:
    return [(each.value, each.samples, each.of) for each in dora(releases, NOW)]


def test_without_a_release_all_is_unknown() -> None:
    assert figures() == [(None, 0, 0)] * 4
    assert [each.name for each in dora((), NOW)] == [
        "Deployment frequency",
        "Lead time for changes",
        "Change failure rate",
        "Time to restore",
    ]


def test_four_figures_of_some_weeks() -> None:
    assert figures(
        kept(28, lead=4),
        kept(20),
        kept(10, lead=2),
        kept(3, lead=30),
        back(5, 40),
        back(4, 60),
        back(2, None),
    ) == [
        ("4 in 28d 1h, 1 a week", 7, 7),
        ("4h", 3, 4),
        ("42.9 %: 3 of 7", 7, 7),
        ("50s", 2, 3),
    ]


def test_a_rate_is_not_told_of_less_than_a_week() -> None:
    assert figures(kept(0.5), kept(0.25))[0] == ("2 in 13h", 2, 2)


def test_what_never_served_failed_nobody_and_what_is_under_way_is_no_sample_yet() -> None:
    under_way = Past(began=NOW - DAY, ended=False, served=True)
    assert figures(back(1, served=False), under_way)[2:] == [(None, 0, 2), (None, 0, 0)]
    assert figures(kept(1), back(1, served=False), under_way)[2] == ("0 %: 0 of 1", 1, 3)


def test_a_release_whose_records_cannot_be_trusted_is_no_sample_of_what_was_kept_or_failed() -> None:
    unsure = replace(kept(1), taken_back=None)
    assert figures(unsure)[0] == (None, 0, 1)
    assert figures(unsure)[2] == (None, 0, 1)
    assert figures(kept(9), unsure)[2] == ("0 %: 0 of 1", 1, 2)


def test_a_promotion_that_was_taken_back_later_is_a_failure_and_no_deployment_that_stayed() -> None:
    taken = replace(kept(1, lead=3), taken_back=True)
    assert figures(taken) == [
        ("0 in 1d 1h", 1, 1),
        (None, 0, 0),
        ("100 %: 1 of 1", 1, 1),
        (None, 0, 1),
    ]


def test_what_began_long_ago_is_left_out() -> None:
    old = replace(kept(1), began=NOW - WINDOW - DAY)
    assert figures(old) == [(None, 0, 0)] * 4


def test_a_release_gives_what_its_journal_holds() -> None:
    plan = replace(a_plan(), committed_at=at(-7200))
    records = on_time(plan)
    assert past(a_release(plan), Fold(position=Position())) is None
    ended = folded([*records, act("promote", 5000)])
    assert past(a_release(plan), ended) == Past(
        began=records[0].got.began, ended=True, served=True, promoted_at=at(5001), committed_at=at(-7200)
    )


def test_time_to_restore_is_from_the_first_failed_request_to_the_read_back() -> None:
    judgement = Judgement(
        verdict=Verdict.FAILED, reason="errors", e_value=9, samples=9, ticks=9, common_cause=False, arms=()
    )
    soak = record("cutover/soak", 100, 20, Verdict.FAILED)
    facts = {"first_error": at(105).timestamp()}
    soak = replace(soak, got=replace(soak.got, judgement=judgement, facts=facts))
    taken = act("take_back", 120, 2, seconds=2.0, why="errors", automatic=True)
    state = folded([soak, taken], outcome="rolled_back")
    state = replace(state, position=replace(state.position, taken_back=taken.got))
    found = past(a_release(), state)
    assert found is not None
    assert (found.restore_seconds, found.taken_back, found.served) == (17.0, True, True)
    unknown = past(a_release(), folded([taken], outcome="rolled_back"))
    assert unknown is not None
    assert unknown.restore_seconds is None
