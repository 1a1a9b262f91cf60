"""The facts of a report to try things on: of everything something, and a checklist as long as the real one."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from msgspec.structs import replace

from tests.releases.plans import NOON
from watership.releases.judging.arms import AgainstLimit, AgainstLive, Counts, Tick
from watership.releases.judging.gate import GateSpec, guarantee, judge, observe, opened
from watership.releases.judging.power import Traffic, table
from watership.releases.readiness.standing import State
from watership.releases.reporting.report import (
    ChecklistItemFacts,
    DecisionFacts,
    DeviationFacts,
    DoraFacts,
    EvidenceFile,
    Figure,
    GateFacts,
    IncidentFacts,
    ItemFacts,
    MessageFacts,
    Moment,
    PhaseFacts,
    PointFacts,
    ReportFacts,
    RunsOf,
    Side,
    SignOffFacts,
    SlotSecond,
    WaiverFacts,
    WeightStep,
)
from watership.releases.verdict import Verdict

HOSTILE = (
    """<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 7*7 }} [x](javascript:alert(1)) **b** `c` |"""
    """ #set page(fill: red) #link("x") $x$ \\ </svg> &lt; <b>\n# heading\n- list\n1. one"""
)


def served(rate: float) -> tuple[SlotSecond, ...]:
    return tuple(SlotSecond(at=at, requests=50, error_rate=rate, latency_p95=0.1 + rate) for at in range(60))


def facts(text: str = "plain") -> ReportFacts:
    """A report in which each text of others is `text`; nothing is known of what people did."""
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
                actual_start=-86_399,
                actual_seconds=2,
                attempts=1,
            ),
        ),
        items=(
            ItemFacts(
                key=f"cutover/soak {text}",
                title=text,
                verdict=Verdict.FAILED,
                evidence=text,
                attempts=1,
                at=NOON,
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
        deviations=(
            DeviationFacts(kind="late", subject=text, words=text),
            DeviationFacts(kind="retried", subject=text, words=text, item=f"cutover/soak {text}"),
            DeviationFacts(kind="not reached", subject="1 of 2 items", words=text),
        ),
        dora=(
            DoraFacts(name="Deployment frequency", definition=text, value=text, samples=1, of=2),
            DoraFacts(name="Lead time for changes", definition=text, value=None, samples=0, of=1),
        ),
        audit_count=200,
        audit_head="b" * 64,
        audit_verified=True,
        audit_seal="signed",
        written_at=NOON + timedelta(minutes=4),
    )


def point(number: int, text: str) -> PointFacts:
    """One of every state in turn; each third is attested, and each fifth of those points to a file."""
    states: tuple[State, ...] = (
        "passed",
        "passed",
        "passed",
        "waived",
        "passed",
        "failed",
        "expired",
        "inconclusive",
        "open",
    )
    return PointFacts(
        text=f"{text} point {number}",
        state=states[number % 9],
        how="attested" if number % 3 == 0 else "measured",
        who=text,
        evidence=text,
        file=EvidenceFile(path=f"evidence {number}.txt", sha256="c" * 64) if number % 15 == 0 else None,
        at=NOON,
        expires=NOON + timedelta(hours=4),
    )


def checklist(text: str = "plain") -> tuple[ChecklistItemFacts, ...]:
    """60 items with 357 points, as many as the go-live that started it all has."""
    numbers = iter(range(1, 358))
    return tuple(
        ChecklistItemFacts(
            number=number,
            key=f"item-{number}",
            title=f"{text} title {number}",
            section="ABCD"[(number - 1) // 15],
            owner=text,
            state="passed",
            points=tuple(point(next(numbers), text) for _ in range(5 if number <= 3 else 6)),
        )
        for number in range(1, 61)
    )


def whole(text: str = "plain") -> ReportFacts:
    """A report in which all is known."""
    return replace(
        facts(text),
        checklist=checklist(text),
        messages=(
            MessageFacts(
                at=NOON,
                what=text,
                channel=text,
                subject=text,
                state="delivered",
                attempts=1,
                tried_at=NOON,
                evidence=text,
            ),
            MessageFacts(
                at=NOON, what="issue", channel=text, subject=text, state="given_up", attempts=5, evidence=text
            ),
            MessageFacts(at=NOON, what="status", channel=text, subject=text, state="refused", evidence=text),
            MessageFacts(at=NOON, what="rollback", channel=text, subject="", state="pending"),
        ),
        decisions=(DecisionFacts(at=NOON, who=text, what=text, reason=text, role=text),),
        waivers=(WaiverFacts(what=text, who=text, role=text, reason=text, at=NOON, until=NOON),),
        incidents=(
            IncidentFacts(
                key=text,
                severity="CRITICAL",
                title=text,
                opened_at=NOON,
                opened_by=text,
                closed_at=None,
                summary=text,
                timeline=(Moment(at=NOON, who=text, words=text),),
            ),
        ),
    )


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text; refuses ends that do not fit."""

    EMPTY = frozenset({"meta", "br", "col", "line", "polyline"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, attribute: str) -> list[str]:
        """Every value of an attribute, in order."""
        return [value for _, found in self.found if (value := found.get(attribute)) is not None]


def dead_links(page: Path) -> list[str]:
    """The links of a report's page that lead nowhere: to no id of it, or to no file beside it."""
    elements = Elements(page.read_text())
    ids = set(elements.all("id"))
    return [link for link in elements.all("href") if not _leads(page, link, ids)]


def _leads(page: Path, link: str, ids: set[str]) -> bool:
    return link[1:] in ids if link.startswith("#") else (page.parent / unquote(link)).exists()
