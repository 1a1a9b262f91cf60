"""An account tells only what was counted, and what people put down."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.releases.folds import ZERO, a_release, act, at, folded, on_time, ordered
from tests.releases.plans import NOON, a_plan
from tests.simulation.release_targets import SimAudit
from watership.durable.clock import SystemClock
from watership.releases.book.runbook import Shift, Soak
from watership.releases.facts import Position
from watership.releases.facts import Record as Entry
from watership.releases.incidents.incident import Event, Opened, Opening, Restored, Severity
from watership.releases.incidents.incident import fold as happened_in
from watership.releases.journal import Fold
from watership.releases.judging.gate import judge, opened
from watership.releases.judging.sources import UNTOLD
from watership.releases.measurement import Measurement
from watership.releases.notices.notice import Message
from watership.releases.notices.outbox import Delivery, State
from watership.releases.order import Release
from watership.releases.plan import PlannedItem, fingerprint
from watership.releases.readiness.checklist import ChecklistItem, Point, Section, key
from watership.releases.readiness.records import Attested, Decided, Declined, Measured, Record, Signed, Waived
from watership.releases.readiness.signoff import SignOff
from watership.releases.reporting.account import Count, account
from watership.releases.reporting.forms.html import page as render
from watership.releases.reporting.report import EvidenceFile, ReportFacts
from watership.releases.verdict import Verdict

CHECKLIST = (
    Section(
        schema="watership/checklist/v1",
        section="A",
        id="first",
        title="The first section",
        items=(
            ChecklistItem(
                id="tls",
                number=7,
                title="Certificates",
                owner="security_engineer",
                by=-3600,
                verification="look",
                command="watership check run tls",
                points=(
                    Point(id="days", text="30 days are left", check="tls.days_left"),
                    Point(id="read", text="somebody read it", attest="only a person can read"),
                    Point(id="kept", text="the key is kept", attest="only a person can see"),
                    Point(id="none", text="nobody looked", check="tls.chain"),
                ),
            ),
        ),
    ),
)
PLAN = replace(a_plan(), checklist=CHECKLIST)
BUILD = PLAN.next.build.digest
DAY = timedelta(days=1)


def records() -> list[Record]:
    mark = fingerprint(PLAN)
    got = Measurement(
        verdict=Verdict.PASSED, evidence="60 days", began=at(-5000), ended=at(-4999), expires_at=at(100)
    )
    attested = Attested(
        points=("tls/read",),
        build=BUILD,
        person="bo",
        role="security_engineer",
        holds=True,
        words="read",
        evidence="read.txt",
        sha256="c" * 64,
        at=at(-4000),
        expires_at=ZERO + DAY,
    )
    waived = Waived(
        points=("tls/kept",),
        build=BUILD,
        person="cy",
        role="cto",
        reason="tomorrow",
        at=at(-3900),
        until=ZERO + DAY,
    )
    decided = Decided(
        decision="no_go",
        fingerprint=mark,
        person="di",
        role="release_manager",
        reason="rain",
        at=at(-3000),
        issue="wet",
        informed="all",
    )
    signed = Signed(signoff=SignOff(fingerprint=mark, role="technical_lead", person="ed", at=at(-2000)))
    declined = Declined(fingerprint=mark, role="product_manager", person="fi", reason="no", at=at(-1900))
    return [
        Measured(point="tls/days", build=BUILD, by="ada", got=got),
        attested,
        waived,
        decided,
        signed,
        declined,
    ]


def test_runs_at_a_cutover_that_never_came_are_not_none_but_unknown() -> None:
    release = a_release()
    state, audit = Fold(position=Position()), SimAudit(SystemClock())

    facts = account(release, state, audit=audit, live_runs=Count(under_way=3), next_runs=Count())

    assert [(each.at_cutover, each.now) for each in facts.runs] == [(None, 3), (None, 0)]
    assert '<td class="n">–</td><td class="n">3</td>' in render(facts)


def test_each_soak_has_its_own_word_of_the_gate() -> None:
    """Of two stages the first passed, and the second was refused."""
    half = next(item for item in PLAN.items if isinstance(item.does, Soak))
    more = replace(half, key="cutover/more", does=replace(half.does, id="more", title="More of it"))
    most = replace(half, key="cutover/most", does=Shift(id="most", title="Most", weight=0.9))
    items: list[PlannedItem] = []
    for item in PLAN.items:
        items += [item, most, more] if item is half else [item]
    plan = replace(PLAN, items=tuple(items))
    word = judge(opened(plan.gate), plan.gate)

    def judged(each: Entry, key: str, verdict: Verdict) -> Entry:
        got = replace(each.got, verdict=verdict, judgement=replace(word, verdict=verdict))
        return replace(each, got=got) if each.item == key else each

    done = [
        judged(judged(each, half.key, Verdict.PASSED), "cutover/more", Verdict.FAILED)
        for each in on_time(plan)
    ]
    first, second, watch = accounted(a_release(plan), folded(done, outcome="rolled_back")).gates
    assert first.name == f"{half.does.title} (50 % on next)" and second.name == "More of it (90 % on next)"
    assert first.judgement is not None and first.judgement.verdict is Verdict.PASSED
    assert second.judgement is not None and second.judgement.verdict is Verdict.FAILED
    assert watch.judgement is None


def accounted(release: Release, state: Fold, given: list[Record] | None = None) -> ReportFacts:
    files = {"read.txt": EvidenceFile(path="read.txt", sha256="c" * 64)}
    return account(
        release, state, audit=SimAudit(SystemClock()), records=given, files=files, now=NOON + 30 * DAY
    )


def test_records_that_do_not_agree_with_the_audit_are_told_of_and_nothing_comes_from_them() -> None:
    state, words = Fold(position=Position()), "records.jsonl does not agree: line 3 was edited"

    facts = account(a_release(), state, audit=SimAudit(SystemClock()), astray=words)

    assert facts.checklist is None and facts.decisions is None
    assert f"✗ {words}" in render(facts)


def test_the_checklist_is_as_it_stood_when_it_was_relied_on() -> None:
    promoted = folded([*on_time(PLAN), act("promote", 90), act("watch", 5000)])
    facts = accounted(a_release(PLAN), promoted, records())
    assert facts.checklist is not None
    assert [point.state for point in facts.checklist[0].points] == ["passed", "passed", "waived", "open"]


def test_the_checklist_of_what_was_not_promoted_is_as_it_stood_at_its_end() -> None:
    facts = accounted(a_release(PLAN), folded(on_time(PLAN)), records())
    assert facts.checklist is not None
    (item,) = facts.checklist
    assert (item.number, item.section, item.owner, item.state) == (7, "A", "security_engineer", "expired")
    assert [(each.state, each.how, each.who) for each in item.points] == [
        ("expired", "measured", "ada"),
        ("passed", "attested", "bo (security_engineer)"),
        ("waived", "waived", "cy"),
        ("open", "unknown", ""),
    ]
    assert item.points[1].file == EvidenceFile(path="read.txt", sha256="c" * 64)
    assert item.points[1].evidence == "read"
    assert item.points[2].expires == ZERO + DAY


def test_what_was_waived_is_not_told_as_measured_and_a_checklist_that_was_waived_whole_stands_at_the_top() -> (
    None
):
    everything = replace(
        next(each for each in records() if isinstance(each, Waived)),
        points=tuple(
            key(item, point) for section in PLAN.checklist for item in section.items for point in item.points
        ),
    )
    promoted = folded([*on_time(PLAN), act("promote", 90), act("watch", 5000)])
    whole = render(accounted(a_release(PLAN), promoted, [everything]))
    assert "The whole checklist was waived: 4 of 4 points" in whole
    assert "4 points: 4 waived; 0 measured, 0 attested." in whole
    part = render(accounted(a_release(PLAN), promoted, records()))
    assert "1 of 4 points of the checklist were waived." in part
    assert "2 passed, 1 waived, 1 open; 1 measured, 1 attested." in part
    assert "were waived" not in render(accounted(a_release(PLAN), promoted, []))


def test_decisions_waivers_and_signoffs_come_from_what_was_put_down_and_ordered() -> None:
    back = act("take_back", 500, why="errors", automatic=True)
    state = folded([*on_time(PLAN), back], ordered("hold", -100, "gus", "lunch"), outcome="rolled_back")
    elsewhere = [replace(each, build="another") for each in records() if isinstance(each, Waived)]
    facts = accounted(replace(a_release(PLAN), waived_by="hal"), state, [*records(), *elsewhere])
    assert facts.decisions is not None
    assert [(each.who, each.what, each.reason) for each in facts.decisions] == [
        ("di", "NO-GO", "rain; issue: wet; informed: all"),
        ("fi", "declined to sign", "no"),
        ("gus", "ordered hold", "lunch"),
        ("controller", "took it back", "errors"),
    ]
    assert facts.waivers is not None
    assert [(each.what, each.who, each.reason) for each in facts.waivers] == [
        ("tls/kept", "cy", "tomorrow"),
        ("the quarantine of 2.1.0", "hal", ""),
    ]
    assert [(each.role, each.person) for each in facts.signoffs] == [("technical_lead", "ed")]


def test_the_incidents_of_the_release_are_told_and_no_others() -> None:
    opening = Opening(
        rule="", release=PLAN.release, title="slow", symptom="p95 2 s", severity=Severity.HIGH, at=at(0)
    )
    mine: list[Event] = [
        Opened(incident="INC-1", at=at(0), who="ada", opening=opening),
        Restored(incident="INC-1", at=at(60), who="bo", text="taken back"),
    ]
    other = Opened(incident="INC-2", at=at(1), who="ada", opening=replace(opening, release="another"))
    facts = account(
        a_release(PLAN),
        folded(on_time(PLAN)),
        audit=SimAudit(SystemClock()),
        incidents=happened_in([*mine, other]),
    )
    assert facts.incidents is not None
    (told,) = facts.incidents
    assert (told.key, told.severity, told.restored_at, told.closed_at) == ("INC-1", "HIGH", at(60), None)
    assert [(each.who, each.words) for each in told.timeline] == [
        ("ada", "opened (high): slow. p95 2 s"),
        ("bo", "restored: taken back"),
    ]
    assert "still open" in render(facts)


def test_the_messages_of_the_release_are_told_with_how_they_were_delivered() -> None:
    def delivery(release: str, channel: str, state: State) -> Delivery:
        message = Message(
            id=f"{release}/issue",
            kind="issue",
            release=release,
            at=at(0),
            thread="t",
            subject="slow",
            text="p95",
        )
        return Delivery(
            message=message, channel=channel, put_at=at(1), state=state, attempts=2, evidence="451"
        )

    sent = [
        delivery(PLAN.release, "slack", "delivered"),
        delivery("another", "slack", "delivered"),
        delivery(PLAN.release, "mail", "given_up"),
    ]
    facts = account(a_release(PLAN), folded(on_time(PLAN)), audit=SimAudit(SystemClock()), deliveries=sent)
    assert facts.messages is not None
    assert [(each.what, each.channel, each.state, each.evidence) for each in facts.messages] == [
        ("issue", "slack", "delivered", "451"),
        ("issue", "mail", "given_up", "451"),
    ]


def test_what_was_not_given_is_not_known() -> None:
    facts = account(a_release(PLAN), folded(on_time(PLAN)), audit=SimAudit(SystemClock()))
    assert (facts.checklist, facts.decisions, facts.waivers, facts.messages, facts.incidents) == (None,) * 5
    assert facts.dora == ()


def test_planned_and_actual_times_are_counted_from_the_same_moment() -> None:
    facts = accounted(a_release(PLAN), folded(on_time(PLAN)))
    for planned, phase in zip(PLAN.phases, facts.phases, strict=True):
        assert phase.planned_start == planned.at
        assert phase.actual_start is not None and 0 <= phase.actual_start - planned.at < 120
    for planned_item, item in zip(PLAN.items, facts.items, strict=True):
        assert item.planned_start == planned_item.at
        assert item.actual_start is not None and 0 <= item.actual_start - planned_item.at < 60


def test_a_rehearsal_is_called_one() -> None:
    rehearsed = replace(PLAN, rehearsal=True)
    assert "its calendar leapt" in render(accounted(a_release(rehearsed), folded(on_time(PLAN))))
    assert "its calendar leapt" not in render(accounted(a_release(PLAN), folded(on_time(PLAN))))


def test_fuses_that_no_vigil_was_told_anything_about_are_named() -> None:
    audit = SimAudit(SystemClock())
    for release, fuses in (
        (PLAN.release, ["cpu", "disk"]),
        (PLAN.release, ["disk", "memory"]),
        ("other", ["latency"]),
    ):
        audit.append("controller", UNTOLD, {"release": release, "vigil": "soak", "fuses": [*fuses]})
    facts = account(a_release(PLAN), folded(on_time(PLAN)), audit=audit, now=NOON)

    assert facts.untold == ("cpu", "disk", "memory")
    assert "Never told: cpu, disk, memory." in render(facts)
    assert "Never told" not in render(accounted(a_release(PLAN), folded(on_time(PLAN))))
