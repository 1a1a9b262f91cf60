"""The news are what the audit log says, and nothing that is only half written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from watership.demo.news import News, decided_at, item_of, phases
from watership.releases.auditing.audit import Entry, Fact, chain, encode

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def entry(action: str, **facts: Fact) -> Entry:
    return chain(None, at=AT, actor="controller", action=action, facts={"release": "r", **facts})


def test_an_entry_about_an_item_names_its_phase() -> None:
    item = item_of(entry("release.cutover.soak.failed", evidence="too many errors"))

    assert item is not None
    assert (item.phase.number, item.word, item.evidence) == (5, "failed", "too many errors")
    assert item.title == next(each.title for each in phases()["cutover"].items if each.id == "soak")


def test_other_entries_are_about_no_item() -> None:
    for action in ("release.started", "release.ended", "release.take_back.passed", "plan.signed"):
        assert item_of(entry(action)) is None


def test_a_line_that_is_still_being_written_is_read_the_next_time(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    news = News(log)
    first, second = encode(entry("release.started")), encode(entry("release.gate.disk.begun"))

    assert news.more() == []
    log.write_bytes(first + b"\n" + second[:20])
    assert [each.action for each in news.more()] == ["release.started"]
    assert news.phase("r") is None
    log.write_bytes(first + b"\n" + second + b"\n")
    assert [each.action for each in news.more()] == ["release.gate.disk.begun"]
    assert news.phase("r") == 0


def test_the_decision_lies_as_long_before_its_entry_as_that_says() -> None:
    assert decided_at(entry("release.take_back.passed", seconds=0.25)) == AT - timedelta(seconds=0.25)
    assert decided_at(entry("release.take_back.passed")) is None
