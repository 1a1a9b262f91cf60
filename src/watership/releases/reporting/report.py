"""A report's facts are all that it says; its forms (a page, a text, a document, data) say the same."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from watership.releases.judging.gate import Judgement
from watership.releases.judging.power import PowerTable
from watership.releases.readiness.standing import State
from watership.releases.verdict import Verdict

SCHEMA: Final = "watership.report/v1"

Outcome = Literal["promoted", "rolled_back", "stopped", "running"]
Place = Literal["blue", "green"]


class Side(Struct, frozen=True, kw_only=True):
    """A version in its place."""

    version: str
    digest: str
    deployment: str
    place: Place


class EvidenceFile(Struct, frozen=True, kw_only=True):
    """A file that somebody points to. `path` is relative to the report's folder, `state` what was found there."""

    path: str
    sha256: str = ""
    state: Literal["there", "gone", "changed"] = "there"


class PhaseFacts(Struct, frozen=True, kw_only=True):
    """A phase as planned and as it went; starts are in seconds from T+0, None where it did not."""

    title: str
    planned_start: float
    planned_seconds: float
    actual_start: float | None = None
    actual_seconds: float | None = None
    attempts: int = 0


class ItemFacts(Struct, frozen=True, kw_only=True):
    """An item with what was found. `evidence` is the measurement in words; verdict None was not reached.

    Starts are in seconds from T+0; of an item that was retried it is the last attempt's.
    """

    key: str
    title: str
    verdict: Verdict | None = None
    evidence: str = ""
    attempts: int = 0
    seconds: float | None = None
    at: datetime | None = None
    planned_start: float | None = None
    actual_start: float | None = None


class DeviationFacts(Struct, frozen=True, kw_only=True):
    """What went otherwise than planned. `item` is the key of the item that it befell; empty for a phase."""

    kind: Literal["late", "over budget", "retried", "overtaken", "not reached"]
    subject: str
    words: str
    item: str = ""


class PointFacts(Struct, frozen=True, kw_only=True):
    """One line of a checklist's item, and whose word it is."""

    text: str
    state: State
    how: Literal["measured", "attested", "waived", "unknown"]
    """Whose word its state is: a program's, a person's, or that of whoever waived it. `unknown`: nobody's."""
    who: str = ""
    evidence: str = ""
    file: EvidenceFile | None = None
    at: datetime | None = None
    expires: datetime | None = None


class ChecklistItemFacts(Struct, frozen=True, kw_only=True):
    """An item of the checklist as it stood at the promotion, at the end of what was not promoted, or stands now."""

    number: int
    key: str
    title: str
    section: str
    owner: str
    state: State
    points: tuple[PointFacts, ...]


class MessageFacts(Struct, frozen=True, kw_only=True):
    """A message to people on its way through one channel. `evidence` is the receiver's word, or what went wrong last.

    `pending` goes on being tried, `refused` is never taken by its receiver, `given_up` could not be delivered in time.
    """

    at: datetime
    what: str
    """Which message: announce, status, issue, rollback, success, incident."""
    channel: str
    subject: str
    state: Literal["pending", "delivered", "refused", "given_up"]
    attempts: int = 0
    tried_at: datetime | None = None
    evidence: str = ""


class DecisionFacts(Struct, frozen=True, kw_only=True):
    """Who decided what, in which role, and why."""

    at: datetime
    who: str
    what: str
    reason: str = ""
    role: str = ""


class WaiverFacts(Struct, frozen=True, kw_only=True):
    """What was let pass, by whom, why and until when."""

    what: str
    who: str
    role: str = ""
    reason: str = ""
    at: datetime | None = None
    until: datetime | None = None


class Moment(Struct, frozen=True, kw_only=True):
    """An entry of an incident's timeline."""

    at: datetime
    words: str
    who: str = ""


class IncidentFacts(Struct, frozen=True, kw_only=True):
    """An incident of the release; `closed_at` None is open, `restored_at` when the service was as it should be."""

    key: str
    severity: str
    title: str
    opened_at: datetime
    opened_by: str
    restored_at: datetime | None = None
    closed_at: datetime | None = None
    false_alarm: bool = False
    summary: str = ""
    timeline: tuple[Moment, ...] = ()


class DoraFacts(Struct, frozen=True, kw_only=True):
    """One of the four figures of delivery. `value` None is unknown; `samples` of `of` releases had the datum, of those
    that it is about."""

    name: str
    definition: str
    value: str | None
    samples: int
    of: int


class SlotSecond(Struct, frozen=True, kw_only=True):
    """What one place served in the second `at` (seconds from the start); None was not measured."""

    at: float
    requests: int
    error_rate: float | None = None
    latency_p95: float | None = None


class WeightStep(Struct, frozen=True, kw_only=True):
    """At `at` seconds from the start next's weight became `weight`, a part of 1."""

    at: float
    weight: float


class GateFacts(Struct, frozen=True, kw_only=True):
    """A gate's promise and its last word."""

    name: str
    guarantee: str
    judgement: Judgement | None = None
    power: PowerTable | None = None


class SignOffFacts(Struct, frozen=True, kw_only=True):
    role: str
    person: str
    at: datetime


class RunsOf(Struct, frozen=True, kw_only=True):
    """In-flight runs of one deployment, when the traffic moved and now."""

    deployment: str
    version: str
    at_cutover: int | None
    """None where it was not counted."""
    now: int
    finished: int


class Figure(Struct, frozen=True):
    """A number with its name."""

    name: str
    value: str


class ReportFacts(Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """Everything a report says. It is rendered, never judged, here.

    None of what people did (`checklist`, `messages`, `decisions`, `waivers`, `incidents`) is unknown to whoever wrote
    the report, which then says so; an empty one says that there was none.
    """

    release: str
    environment: str
    outcome: Outcome
    reason: str
    live: Side
    next: Side
    started_at: datetime
    ended_at: datetime | None = None
    starter: str
    fingerprint: str
    runbook: str
    runbook_sha256: str
    access: str
    cannot_see: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    """Fuses that have a source which told nothing of next."""
    """The fuses that nothing measured."""
    clock_factor: float = 1.0
    rehearsal: bool = False
    """Its calendar leapt: its times are those of its clock."""
    left_out: tuple[str, ...] = ()
    """Checks of phases that the rehearsal did without."""
    signoffs: tuple[SignOffFacts, ...] = ()
    phases: tuple[PhaseFacts, ...] = ()
    items: tuple[ItemFacts, ...] = ()
    gates: tuple[GateFacts, ...] = ()
    blue: tuple[SlotSecond, ...] = ()
    green: tuple[SlotSecond, ...] = ()
    weights: tuple[WeightStep, ...] = ()
    runs: tuple[RunsOf, ...] = ()
    figures: tuple[Figure, ...] = ()
    deviations: tuple[DeviationFacts, ...] = ()
    checklist: tuple[ChecklistItemFacts, ...] | None = None
    messages: tuple[MessageFacts, ...] | None = None
    decisions: tuple[DecisionFacts, ...] | None = None
    waivers: tuple[WaiverFacts, ...] | None = None
    incidents: tuple[IncidentFacts, ...] | None = None
    dora: tuple[DoraFacts, ...] = ()
    audit_count: int = 0
    audit_head: str = ""
    audit_verified: bool | None = None
    records_astray: str = ""
    """How the records do not agree with the audit; nothing in this report comes from them then."""
    audit_seal: Literal["signed", "unchecked", "none"] | None = None
    """Whether the head of the audit is signed; None where nobody looked."""
    written_at: datetime | None = None
