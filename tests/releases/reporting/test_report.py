"""A report is one safe page that says what it was given."""

from __future__ import annotations

import math
import re
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from tests.releases.reports import HOSTILE, Elements, checklist, dead_links, facts, whole
from watership.adapters.files.evidence import found
from watership.releases.reporting.chart import MAX_ROWS, Chart, Mark, Series, drawn
from watership.releases.reporting.forms.charts import charts
from watership.releases.reporting.forms.html import page as render
from watership.releases.reporting.report import DeviationFacts, EvidenceFile, SlotSecond, WeightStep


def test_fuses_that_nothing_feeds_are_told_plainly() -> None:
    assert "Cannot see: plain, cpu." in render(facts())


def test_every_text_is_escaped() -> None:
    page = render(whole(HOSTILE))
    elements = Elements(page)
    assert {"script", "img", "b", "strong"}.isdisjoint(tag for tag, _ in elements.found)
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert not any("javascript" in link for link in elements.all("href"))
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere() -> None:
    page = render(whole())
    elements = Elements(page)
    assert elements.open == []
    assert elements.all("src") == []
    assert all(link.startswith(("#", "./")) for link in elements.all("href"))
    assert "url(" not in page
    assert "@import" not in page


@pytest.mark.parametrize("text", ["plain", HOSTILE])
def test_no_link_within_the_page_is_dead(text: str) -> None:
    elements = Elements(render(whole(text)))
    ids = elements.all("id")
    assert len(ids) == len(set(ids)), "an id stands there twice"
    links = {link.removeprefix("#") for link in elements.all("href") if link.startswith("#")}
    assert {"deviations", "timeline", "checklist", "delivery", "item-1"} <= links
    assert links <= set(ids)


def test_a_deviation_of_an_item_that_is_not_told_leads_to_the_timeline() -> None:
    odd = DeviationFacts(kind="late", subject="s", words="w", item="no/such")
    elements = Elements(render(msgspec.structs.replace(facts(), deviations=(odd,))))
    assert {link.removeprefix("#") for link in elements.all("href")} <= set(elements.all("id"))


def test_a_file_of_evidence_is_a_relative_link_that_leads_to_it_or_no_link(tmp_path: Path) -> None:
    papers, kept = tmp_path / "releases" / "r1", tmp_path / "kept"
    for folder in (papers, kept):
        folder.mkdir(parents=True)
    (papers / "javascript:alert(1) ü&.txt").write_text("here")
    (kept / "load.json").write_text("there")
    digest = "0" * 64
    files = [
        found("javascript:alert(1) ü&.txt", [papers, kept], beside=papers),
        found("load.json", [papers, kept], beside=papers),
        found("load.json", [papers, kept], beside=papers, sha256=digest),
        found("never.json", [papers, kept], beside=papers, sha256=digest),
    ]
    items = checklist()[:1]
    points = tuple(
        msgspec.structs.replace(point, file=file) for point, file in zip(items[0].points, files, strict=False)
    )
    report = msgspec.structs.replace(
        facts(), checklist=(msgspec.structs.replace(items[0], points=points[:4]),)
    )
    (papers / "report.html").write_text(render(report))
    assert dead_links(papers / "report.html") == []
    elements = Elements(render(report))
    links = [link for link in elements.all("href") if not link.startswith("#")]
    assert [(papers / unquote(link)).read_text() for link in links] == ["here", "there"]
    (kept / "load.json").unlink()
    assert dead_links(papers / "report.html") == [links[1]]
    assert "load.json was changed since" in elements.text
    assert "never.json is gone" in elements.text


def test_words_and_addresses_are_no_files(tmp_path: Path) -> None:
    for words in ("https://example.com/a", "seen it on the dashboard", "", "x" * 5000, "a\0b"):
        assert found(words, [tmp_path], beside=tmp_path) is None
    assert found("", [tmp_path], beside=tmp_path, sha256="0" * 64) == EvidenceFile(
        path="", sha256="0" * 64, state="gone"
    )


def test_it_says_what_it_was_given() -> None:
    page = render(facts())
    for said in (
        "↩ Rolled back",
        "✗ failed",
        "– not reached",
        "Of healthy releases at most 0.1 % are refused ever",
        "60 of 400",
        "T−1d",
        "✓ verified",
        "its head is signed",
        "b" * 64,
        "f" * 64,
        "in flight at the cutover",
    ):
        assert said in page


def test_planned_and_actual_times_are_of_one_clock() -> None:
    text = Elements(render(facts())).text
    assert "T−1dT−23h 59m 59s1s10m2s1" in text


def test_all_items_and_points_of_a_checklist_are_told_with_whose_word_it_is() -> None:
    elements = Elements(render(whole()))
    assert [each for each in elements.all("id") if each.startswith("check-")] == [
        f"check-{number}" for number in range(1, 61)
    ]
    for number in range(1, 358):
        assert f"plain point {number}" in elements.text
    assert "60 items, 357 points: " in elements.text
    assert "until 2026-11-23 16:00:00Z" in elements.text
    assert "✗ failed" in elements.text


def test_a_message_says_how_its_delivery_stands() -> None:
    text = Elements(render(whole())).text
    for words in (
        "✓ delivered2026-11-23 12:00:00Z",
        "✗ given up5 attempts",
        "✗ refused",
        "? not yet delivered",
    ):
        assert words in text


def test_what_nobody_knows_is_not_called_none() -> None:
    unknown, none = Elements(render(facts())), whole()
    assert (
        "checklist, decisions, waivers, messages, incidents: this report was written without" in unknown.text
    )
    for words in ("No message was sent", "No incident was opened", "Nothing was waived", "no checklist"):
        assert words not in unknown.text
    names = ("checklist", "messages", "decisions", "waivers", "incidents")
    told = Elements(render(msgspec.structs.replace(none, **dict.fromkeys(names, ()))))
    assert "written without knowing" not in told.text
    for words in ("No message was sent", "No incident was opened", "Nothing was waived", "no checklist"):
        assert words in told.text


def test_a_figure_without_a_datum_is_unknown() -> None:
    text = Elements(render(facts())).text
    assert "Lead time for changesunknownplain0 of 1" in text


def test_every_chart_has_a_table_of_the_same_numbers() -> None:
    page = render(facts())
    assert page.count("<svg") == page.count("The same as a table") == 2
    assert page.count('<td class="n">15.00</td><td class="n">0.00</td>') == 60


def test_traffic_that_is_not_on_record_is_not_drawn_as_none() -> None:
    text = Elements(render(msgspec.structs.replace(facts(), blue=(), green=()))).text
    assert "No traffic is on record: nothing was served, or what counted it does not answer any more." in text


def test_what_was_not_verified_is_not_called_verified() -> None:
    page = render(msgspec.structs.replace(facts(), audit_verified=None))
    assert "? not verified" in page
    assert "✓ verified" not in page


@pytest.mark.parametrize("outcome", ["promoted", "rolled_back", "stopped", "running"])
def test_an_empty_release_is_rendered(outcome: str) -> None:
    empty = ("signoffs", "phases", "items", "gates", "blue", "green", "weights", "runs", "figures", "dora")
    page = render(
        msgspec.structs.replace(
            facts(), outcome=outcome, ended_at=None, deviations=(), **dict.fromkeys(empty, ())
        )
    )
    elements = Elements(page)
    assert elements.open == []
    assert {link.removeprefix("#") for link in elements.all("href")} <= set(elements.all("id"))


def test_passed_is_quiet() -> None:
    style = re.search(r"<style>(.*)</style>", render(facts()), re.DOTALL)
    assert style is not None
    assert ".passed" not in style[1]


def test_a_gap_is_drawn_as_a_gap() -> None:
    points = tuple((float(at), None if 3 <= at < 8 else 1.0) for at in range(12))
    drawing = drawn(Chart("t", "u", (Series("blue", points),), ()))
    assert [len(stroke.split()) for stroke in drawing.lines[0].strokes] == [3, 4]


def test_a_second_alone_is_a_dot() -> None:
    drawing = drawn(Chart("t", "u", (Series("blue", ((0.0, 1.0), (9.0, 1.0))),), ()))
    assert drawing.lines[0].strokes == ("52.0,18.0 52.0,18.0", "712.0,18.0 712.0,18.0")


def test_labels_of_marks_do_not_stand_in_one_anothers_way() -> None:
    points = tuple((float(at), 1.0) for at in range(1001))
    marks = (Mark(100, "50 %"), Mark(110, "100 %"), Mark(120, "0 %"), Mark(600, "50 %"))
    assert [y for _, y, _ in drawn(Chart("t", "u", (Series("blue", points),), marks)).marks] == [
        12,
        23,
        34,
        12,
    ]


def test_of_a_release_of_two_days_the_cutover_is_drawn() -> None:
    days = tuple(SlotSecond(at=float(at), requests=1, error_rate=0.0) for at in range(0, 172_800, 10))
    steps = (WeightStep(at=86_400, weight=0.5), WeightStep(at=86_500, weight=1.0))
    report = msgspec.structs.replace(facts(), blue=days, weights=steps)
    errors, _ = charts(report)
    assert errors.title == "Errors around the cutover"
    assert (errors.series[0].points[0][0], errors.series[0].points[-1][0]) == (86_280, 87_100)
    late, _ = charts(msgspec.structs.replace(report, weights=()))
    assert late.title == "Errors, the last three hours"
    assert late.series[0].points[-1][0] == 172_790


def test_a_latency_beyond_every_bucket_is_drawn_at_the_top() -> None:
    drawing = drawn(Chart("t", "u", (Series("blue", ((0.0, 1.0), (1.0, math.inf))),), ()))
    assert drawing.lines[0].strokes == ("52.0,18.0 712.0,18.0",)
    assert drawing.rows[1] == (1.0, (math.inf,))


def test_a_long_table_says_what_it_leaves_out() -> None:
    points = tuple((float(at), 1.0) for at in range(1000))
    drawing = drawn(Chart("t", "u", (Series("blue", points),), (Mark(5000, "later"),)))
    assert len(drawing.rows) <= MAX_ROWS
    assert drawing.left_out == 1000 - len(drawing.rows)
    assert drawing.marks == ()
