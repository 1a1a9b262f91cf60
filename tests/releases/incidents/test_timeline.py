"""A timeline is the incident's own entries among its release's, each once, with its offset."""

from __future__ import annotations

from tests.releases.troubles import NOON, at, entry, incident
from watership.releases.incidents.incident import Closed, Noted, Restored
from watership.releases.incidents.postmortem import gate_words
from watership.releases.incidents.timeline import MOST_LINES, timeline

NOTE = Noted(incident="INC-1", at=at(2), who="ada", text="looking")
OVER = Restored(incident="INC-1", at=at(10), who="ada", text="well")
CLOSED = Closed(incident="INC-1", at=at(60), who="ada")


def test_what_happened_is_told_in_its_order_with_offsets_and_once() -> None:
    audit = [
        entry(-9, "release.cutover.half.passed"),
        entry(-4, "release.watch.begun", attempt=1),
        entry(1, "release.page", fuse="disk", reason="full"),
        entry(2, "authority.granted", act="note an incident"),
        entry(2, "incident.noted", incident="INC-1", words="looking"),
        entry(3, "release.started", release="another"),
        entry(70, "release.ended"),
    ]
    lines = timeline(incident(NOTE, OVER, CLOSED, began=at(-5)), audit)

    assert [(line.when, line.what.partition(":")[0]) for line in lines] == [
        ("T-4m", "release.watch.begun"),
        ("T+0s", "opened (high)"),
        ("T+1m", "release.page"),
        ("T+2m", "looking"),
        ("T+10m", "restored"),
        ("T+1h", "closed"),
    ]


def test_an_incident_without_a_release_has_only_its_own_entries() -> None:
    lines = timeline(incident(NOTE, release=""), [entry(1, "release.page", release="")])

    assert [line.source for line in lines] == ["incident", "incident"]


def test_a_span_with_more_entries_than_anybody_reads_is_cut_in_its_middle() -> None:
    audit = [entry(1, "release.page", number=number) for number in range(MOST_LINES + 500)]
    lines = timeline(incident(), audit)

    assert len(lines) == MOST_LINES + 1
    assert lines[-1].what.endswith(f"number {MOST_LINES + 499}")


def test_the_gate_has_spoken_where_ticks_were_counted() -> None:
    audit = [
        entry(-9, "release.cutover.soak.failed", ticks=60, evidence="4 % fail."),
        entry(-8, "release.cutover.half.passed", evidence="50 %"),
        entry(-7, "release.watch.passed", ticks=10, release="another", evidence="Fine."),
    ]

    assert gate_words(incident(), audit) == ["cutover.soak.failed: 4 % fail."]
    assert gate_words(incident(release=""), audit) == []
    assert at(0) == NOON
