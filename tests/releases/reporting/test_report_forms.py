"""A report says the same in all of its forms, and text stays text in each."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from typing import Final

import msgspec
import pypdfium2
import pytest
from markdown_it import MarkdownIt
from pypdfium2 import raw

from tests.releases.reports import HOSTILE, Elements, facts, whole
from watership.errors import Unavailable
from watership.releases.reporting.forms import FORMS, rendered
from watership.releases.reporting.forms.html import page
from watership.releases.reporting.report import SCHEMA, ReportFacts


def markdown(report: ReportFacts) -> Elements:
    """The Markdown as who shows it makes HTML of it; their HTML is on, so that markup would show."""
    shown = MarkdownIt("commonmark", {"html": True}).enable("table")
    return Elements(shown.render(rendered(report, "md").decode()).replace("<hr />", "<hr></hr>"))


def told(words: str) -> str:
    """Words as they are compared: without the breaks that a form puts between them."""
    return re.sub(r"[\s\u200b\u00ad]+", "", words)


Colour = tuple[int, int, int]

BLUE: Final[Colour] = (0x1E, 0x40, 0xAF)
GREEN: Final[Colour] = (0x04, 0x78, 0x57)
"""Of the two places, in charts."""


class Paper:
    """A PDF as it is opened: its text, the lines that are drawn, and the colours of its sheets."""

    def __init__(self, content: bytes) -> None:
        self._document = pypdfium2.PdfDocument(content)

    @property
    def sheets(self) -> int:
        return len(self._document)

    def text(self) -> str:
        return "\n".join(sheet.get_textpage().get_text_range() for sheet in self._document)

    def lines(self, colour: Colour) -> list[int]:
        """How many points each line of a colour has; the frames of tables are of another."""
        return [
            raw.FPDFPath_CountSegments(each.raw)
            for sheet in self._document
            for each in sheet.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=15)
            if stroke(each) == colour
        ]

    def colours(self, sheet: int) -> Iterator[tuple[int, int, int]]:
        drawn = self._document[sheet].render(scale=1)
        raw, step = bytes(drawn.buffer), drawn.n_channels
        blue, green, red = (raw[offset::step] for offset in range(3))
        return zip(red, green, blue, strict=False)


def stroke(drawn: pypdfium2.PdfObject) -> Colour:
    red, green, blue, opacity = (ctypes.c_uint() for _ in range(4))
    raw.FPDFPageObj_GetStrokeColor(drawn.raw, red, green, blue, opacity)
    return red.value, green.value, blue.value


@pytest.fixture(scope="module")
def paper() -> Paper:
    return Paper(rendered(whole(), "pdf"))


SAID = (
    *(f"plain point {number}" for number in range(1, 358)),
    *(f"{number}. plain title {number}" for number in range(1, 61)),
    "60 items, 357 points",
    "↩ Rolled back",
    "T−23h 59m 59s",
    "60 of 400",
    "Lead time for changes",
    "unknown",
    "still open",
    "✗ failed",
    "CRITICAL plain: plain",
    "its head is signed",
    "b" * 64,
    "f" * 64,
    "evidence 15.txt",
)


def test_markdown_says_it_all() -> None:
    text = told(markdown(whole()).text)
    missing = [words for words in SAID if told(words) not in text]
    assert missing == []


def test_a_pdf_says_it_all(paper: Paper) -> None:
    text = told(paper.text())
    missing = [words for words in SAID if told(words) not in text]
    assert missing == []
    assert 5 < paper.sheets < 60


def test_the_charts_are_on_the_paper_in_their_colours(paper: Paper) -> None:
    seen = [set(paper.colours(sheet)) for sheet in range(2)]
    for name, (red, green, blue) in {"blue": BLUE, "green": GREEN}.items():
        near = [
            colour
            for colours in seen
            for colour in colours
            if abs(colour[0] - red) + abs(colour[1] - green) + abs(colour[2] - blue) < 60
        ]
        assert near, f"no line of {name} is drawn"


def test_each_chart_has_a_line_for_each_place(paper: Paper) -> None:
    assert paper.lines(BLUE) == paper.lines(GREEN) == [60, 60]


def test_the_same_facts_are_the_same_pdf() -> None:
    assert rendered(facts(), "pdf") == rendered(facts(), "pdf")


def test_text_that_looks_like_markup_is_text_in_markdown() -> None:
    elements = markdown(whole(HOSTILE))
    tags = {tag for tag, _ in elements.found}
    assert tags <= {
        "h1",
        "h2",
        "h3",
        "p",
        "strong",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
        "a",
        "code",
    }
    assert {link for link in elements.all("href") if not link.startswith("./evidence%20")} == set()
    assert [tag for tag, _ in elements.found].count("h1") == 1
    assert [tag for tag, _ in elements.found].count("strong") == 1
    assert told("<script>alert(1)</script>") in told(elements.text)


@pytest.mark.parametrize(
    "reason", ["# a", "- a", "+ a", "> a", "1. a", "12) a", "= a", "2.1.0 a", "7 a", "2026-11-23 a", "    a"]
)
def test_no_reason_begins_a_heading_a_list_or_a_quotation(reason: str) -> None:
    elements = markdown(msgspec.structs.replace(facts(), reason=reason))
    before = elements.text.partition("Figures")[0]
    assert reason.strip() in before, before
    assert {tag for tag, _ in elements.found[:3]} == {"h1", "p", "strong"}


def test_text_that_looks_like_markup_is_text_on_paper() -> None:
    report = whole(HOSTILE)
    assert report.checklist is not None
    paper = Paper(rendered(msgspec.structs.replace(report, checklist=report.checklist[:2]), "pdf"))
    text = told(paper.text())
    assert told("<script>alert(1)</script>\"'><img src=x") in text
    assert told('#set page(fill: red) #link("x") $x$') in text
    assert told("{{ 7*7 }}") in text
    assert not any(colour == (255, 65, 54) for colour in paper.colours(0)), "a command of the text was obeyed"


def test_json_is_the_facts_themselves_and_names_its_schema() -> None:
    content = rendered(whole(HOSTILE), "json")
    assert msgspec.json.decode(content)["schema"] == SCHEMA == "watership.report/v1"
    back = msgspec.json.decode(content, type=ReportFacts)
    assert page(back) == page(whole(HOSTILE))


def test_a_pdf_without_the_package_names_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)  # as the interpreter notes a package that is not there
    with pytest.raises(Unavailable) as missing:
        rendered(whole(), "pdf")
    assert "pip install 'watership[report]'" in missing.value.fix
    for form in set(FORMS) - {"pdf"}:
        assert rendered(whole(), form)
