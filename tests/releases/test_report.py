"""A report is one safe page that says what it was given."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from html.parser import HTMLParser

import msgspec
import pytest

from tests.releases.plans import NOON
from watership.releases.chart import MAX_ROWS, Chart, Mark, Series, drawn
from watership.releases.gate import (
    AgainstLimit,
    AgainstLive,
    Counts,
    GateSpec,
    Tick,
    Verdict,
    guarantee,
    judge,
    observe,
    opened,
)
from watership.releases.power import Traffic, table
from watership.releases.report import (
    Figure,
    GateFacts,
    ItemFacts,
    PhaseFacts,
    ReportFacts,
    RunsOf,
    Side,
    SignOffFacts,
    SlotSecond,
    WeightStep,
    render,
)

HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 7*7 }}"""


def served(rate: float) -> tuple[SlotSecond, ...]:
    return tuple(SlotSecond(at=at, requests=50, error_rate=rate, latency_p95=0.1) for at in range(60))


def facts(text: str = "plain") -> ReportFacts:
    gate = GateSpec(arms=(AgainstLive(), AgainstLimit(limit=0.02, sees=0.05)), min_samples=100)
    state = opened(gate)
    for _ in range(20):
        state = observe(state, Tick(live=Counts(20, 0), next=Counts(20, 3)), gate)
    return ReportFacts(
        release=f"2.1.0 {text}",
        environment=text,
        outcome="rolled_back",
        reason=text,
        live=Side(version=text, digest=text, deployment="d-1", place="green"),
        next=Side(version="2.1.0", digest=text, deployment="d-2", place="blue"),
        started_at=NOON,
        ended_at=NOON + timedelta(minutes=3),
        starter=text,
        fingerprint="f" * 64,
        runbook=text,
        runbook_sha256="a" * 64,
        access=text,
        cannot_see=(text, "cpu"),
        clock_factor=0.01,
        signoffs=(SignOffFacts(role=text, person=text, at=NOON),),
        phases=(
            PhaseFacts(
                title=text,
                planned_start=-86_400,
                planned_seconds=600,
                actual_start=1,
                actual_seconds=2,
                attempts=1,
            ),
        ),
        items=(
            ItemFacts(
                key="cutover/soak", title=text, verdict=Verdict.FAILED, evidence=text, attempts=1, at=NOON
            ),
            ItemFacts(key="cutover/full", title="All traffic"),
        ),
        gates=(
            GateFacts(
                name=text,
                guarantee=guarantee(gate),
                judgement=judge(state, gate),
                power=table(gate, Traffic(per_second=40, share=0.5), 60),
            ),
        ),
        blue=served(0.15),
        green=served(0.0),
        weights=(WeightStep(at=10, weight=0.5),),
        runs=(RunsOf(deployment=text, version=text, at_cutover=20, now=0, finished=31),),
        figures=(Figure(text, text),),
        audit_count=200,
        audit_head="b" * 64,
        audit_verified=True,
    )


class Elements(HTMLParser):
    """The elements of a page with their attributes; refuses ends that do not fit."""

    EMPTY = frozenset({"meta", "br", "col", "line", "polyline"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def test_fuses_that_nothing_feeds_are_told_plainly() -> None:
    assert "Cannot see: plain, cpu." in render(facts())


def test_every_text_is_escaped() -> None:
    page = render(facts(HOSTILE))
    elements = Elements(page)
    assert {"script", "img"}.isdisjoint(tag for tag, _ in elements.found)
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere() -> None:
    page = render(facts())
    elements = Elements(page)
    assert elements.open == []
    assert not any({"src", "href"} & attributes.keys() for _, attributes in elements.found)
    assert "url(" not in page
    assert "@import" not in page


def test_it_says_what_it_was_given() -> None:
    page = render(facts())
    for said in (
        "↩ Rolled back",
        "✗ failed",
        "– not reached",
        "Of healthy releases at most 0.1 % are refused ever",
        "60 of 400",
        "−1d",
        "✓ verified",
        "b" * 64,
        "f" * 64,
        "in flight at the cutover",
    ):
        assert said in page


def test_every_chart_has_a_table_of_the_same_numbers() -> None:
    page = render(facts())
    assert page.count("<svg") == page.count("The same as a table") == 2
    assert page.count('<td class="n">15.00</td><td class="n">0.00</td>') == 60


def test_what_was_not_verified_is_not_called_verified() -> None:
    page = render(msgspec.structs.replace(facts(), audit_verified=None))
    assert "? not verified" in page
    assert "✓ verified" not in page


@pytest.mark.parametrize("outcome", ["promoted", "rolled_back", "stopped", "running"])
def test_an_empty_release_is_rendered(outcome: str) -> None:
    empty = ("signoffs", "phases", "items", "gates", "blue", "green", "weights", "runs", "figures")
    page = render(
        msgspec.structs.replace(facts(), outcome=outcome, ended_at=None, **dict.fromkeys(empty, ()))
    )
    assert Elements(page).open == []


def test_passed_is_quiet() -> None:
    style = re.search(r"<style>(.*)</style>", render(facts()), re.DOTALL)
    assert style is not None
    assert ".passed" not in style[1]


def test_a_gap_is_drawn_as_a_gap() -> None:
    points = tuple((float(at), None if 3 <= at < 8 else 1.0) for at in range(12))
    drawing = drawn(Chart("t", "u", (Series("blue", points),), ()))
    assert [len(stroke.split()) for stroke in drawing.lines[0].strokes] == [3, 4]


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
