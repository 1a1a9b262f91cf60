"""The history checker: what was accepted, what the store holds and what the oracle saw, held against the promises.

Pure. How each thing is told apart, where clocks come into it:

- An entry under a *later* epoch than the one that wrote the step's result is a violation whatever the time: a claim is
  committed after every accepted write of the epoch before it, and hands out the journal.
- Within one epoch an entry after the result, and any entry of an *earlier* epoch after it, is told by time. Entries
  and journal carry times of the same machine's clock. A journal's time is taken before its commit, so an older owner's
  entry in between is counted although the commit had not quite happened: too strict by milliseconds, never too lenient.
- The residue of P2 is such an entry of an earlier epoch whose worker looked at its lease after its last own commit, and
  was frozen by us after that look and before the entry. It is reported, apart.
- So is its other half: an owner that stood still *inside* a body, before the effect, until the next one had asked the
  `check=`, heard that there was no effect, and had it. What such a body does cannot be stopped, only refused by whoever
  checks the key, as the oracle does. That a body of milliseconds took a second is how standing still is told, since
  a slow disk does it as well as we.
- A write accepted under a stale epoch shows as epochs that go back, or as a journal entry of an epoch whose time lies
  after a later epoch's first entry into a body. One that falls between a claim and its first step is not seen here;
  the stores' contract suite covers it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import msgspec

from tests.journeys.engine.entries import Acted, Entered
from tests.journeys.engine.expected import AGENTS, Expected
from watership.durable.events import Entry, StepAnswered, StepDone, StepFailed, StepRetried, StepStarted
from watership.durable.run import Run
from watership.durable.states import TERMINAL, RunState
from watership.testing.oracle import flaws

STOOD_STILL_SECONDS = 1.0
"""Between a body's entry and its effect, which is milliseconds later in a process that runs."""

Kind = Literal[
    "lost",
    "duplicated",
    "unended",
    "wrong",
    "unexplained",
    "unsound",
    "stale write",
    "re-entered",
    "repeated unsafe",
    "doubled",
    "overlapped",
    "disordered",
    "left over",
]


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was answered with 202, or taken from the broker: `key` is the client's, `run` the answer's."""

    key: str
    run: str
    agent: str
    input: dict[str, int]
    conversation: str | None = None
    unclear: int = 0
    """Answers before it that left open whether it was accepted."""


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """Process `pid` stood still."""

    pid: int
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that was not kept."""

    kind: Kind
    run: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything on record. `left`: what stands in outbox and queues that should be empty, by name."""

    accepted: Sequence[Accepted]
    runs: Mapping[str, Run]
    journals: Mapping[str, Sequence[Entry]]
    entered: Sequence[Entered]
    acted: Sequence[Acted] = ()
    frozen: Sequence[Frozen] = ()
    left: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`residue`: entries that no lease could have prevented. `bound`: of the rate of losses, with 95 % confidence."""

    findings: Sequence[Finding]
    residue: Sequence[Entered]
    bound: float | None


def judge(history: History) -> Judgement:
    """Hold the history against the promises."""
    findings = [*_lost(history), *_runs(history), *_conversations(history)]
    findings += [
        Finding("left over", "", f"{name} still holds {count}")
        for name, count in history.left.items()
        if count
    ]
    by_run: defaultdict[str, list[Entered]] = defaultdict(list)
    for entry in history.entered:
        by_run[entry.run].append(entry)
    doubled, residue = _doubled(history)
    findings += doubled
    for run, entries in by_run.items():
        journal = history.journals.get(run)
        if journal is None:
            findings.append(Finding("lost", run, "its steps were entered, and it is not in the store"))
            continue
        findings += _stale(run, entries, journal)
        findings += _unsafe(run, entries, journal)
        for entry, why in _reentered(entries, journal):
            if _is_residue(entry, journal, history.frozen):
                residue.append(entry)
            else:
                findings.append(Finding("re-entered", run, f"{entry.key} {why}"))
    total = len(history.accepted)
    # The rule of three: no failure in n trials means, with 95 % confidence, a rate of at most about 3/n.
    return Judgement(findings, residue, 3 / total if total else None)


def _lost(history: History) -> Iterator[Finding]:
    """P1: what was accepted is there, once."""
    by_key: defaultdict[str, set[str]] = defaultdict(set)
    for accepted in history.accepted:
        by_key[accepted.key].add(accepted.run)
        if accepted.run not in history.runs:
            yield Finding("lost", accepted.run, f"{accepted.agent} was accepted and is not in the store")
    for key, runs in by_key.items():
        if len(runs) > 1:
            yield Finding("duplicated", min(runs), f"key {key} started {len(runs)} runs")
    known = {accepted.run for accepted in history.accepted}
    for run in history.runs.values():
        if run.id not in known and run.parent is None:
            yield Finding("duplicated", run.id, "nobody was told that it was accepted")
        elif run.parent is not None and run.parent not in history.runs:
            yield Finding("unexplained", run.id, f"its parent {run.parent} is not in the store")


def _runs(history: History) -> Iterator[Finding]:
    """Every run ended as its input says, and its journal is sound."""
    given = {accepted.run: accepted for accepted in history.accepted}
    for run in history.runs.values():
        accepted = given.get(run.id)
        agent = run.program if accepted is None else accepted.agent
        numbers = msgspec.json.decode(run.input, type=dict[str, int]) if accepted is None else accepted.input
        wanted = AGENTS[agent](numbers)
        if run.state not in TERMINAL and run.state is not wanted.state:
            yield Finding("unended", run.id, f"{agent} is {run.state}")
        elif (words := _difference(run, wanted)) is not None:
            yield Finding("wrong", run.id, f"{agent}({numbers}) {words}")
        for flaw in flaws(history.journals.get(run.id, ())):
            kind: Kind = "stale write" if "epochs" in flaw else "unsound"
            yield Finding(kind, run.id, flaw)
        if len(history.journals.get(run.id, ())) != run.seq:
            yield Finding("unsound", run.id, f"its row says {run.seq} entries")


def _difference(run: Run, wanted: Expected) -> str | None:
    failure = "" if run.failure is None else run.failure.kind
    if (run.state, failure) != (wanted.state, wanted.failure):
        return f"ended {run.state} {failure}, not {wanted.state} {wanted.failure}"
    if run.state is RunState.SUCCEEDED and (got := msgspec.json.decode(run.result)) != wanted.result:
        return f"gave {got}, not {wanted.result}"
    return None


def _stale(run: str, entries: Sequence[Entered], journal: Sequence[Entry]) -> Iterator[Finding]:
    """P4, by what was seen from outside."""
    began: dict[int, float] = {}
    for entry in entries:
        began[entry.epoch] = min(entry.at, began.get(entry.epoch, entry.at))
    for written in journal:
        later = [at for epoch, at in began.items() if epoch > written.epoch]
        if later and written.at.timestamp() > min(later):
            words = f"entry {written.seq} of epoch {written.epoch} came after a later owner's first step"
            yield Finding("stale write", run, words)


def _reentered(entries: Sequence[Entered], journal: Sequence[Entry]) -> Iterator[tuple[Entered, str]]:
    """P2: bodies that were entered after their step's result was committed."""
    # In reverse, so that what stays in the table is the first settlement of each.
    settled = {str(each.event.key): each for each in reversed(journal) if _settles(each)}
    for entry in entries:
        result = settled.get(entry.key)
        if result is None:
            continue
        if entry.epoch > result.epoch:
            yield entry, f"was entered under epoch {entry.epoch}, its result is of epoch {result.epoch}"
        elif entry.at > result.at.timestamp():
            late = entry.at - result.at.timestamp()
            yield (
                entry,
                f"was entered {late:.6f} s after its result, under epoch {entry.epoch} of {result.epoch}",
            )


def _is_residue(entry: Entered, journal: Sequence[Entry], frozen: Iterable[Frozen]) -> bool:
    own = [each.at.timestamp() for each in journal if each.epoch == entry.epoch]
    latest = max((each.epoch for each in journal), default=0)
    looked_for_this = bool(entry.looked_at) and entry.looked_at >= max(own, default=0.0)
    return (
        entry.epoch < latest
        and looked_for_this
        and any(
            each.pid == entry.pid and entry.looked_at <= each.since and each.until <= entry.at
            for each in frozen
        )
    )


def _unsafe(run: str, entries: Sequence[Entered], journal: Sequence[Entry]) -> Iterator[Finding]:
    """P3: each entry into an unsafe step has its start, and each further start its decision."""
    starts = Counter(str(each.event.key) for each in journal if isinstance(each.event, StepStarted))
    if not starts:
        return
    entered = Counter(entry.key for entry in entries)
    again = Counter(str(each.event.key) for each in journal if _decides_retry(each))
    for key, started in starts.items():
        if entered[key] > started or started > 1 + again[key]:
            words = f"{key} was entered {entered[key]} times on {started} starts, {again[key]} retries were decided"
            yield Finding("repeated unsafe", run, words)


def _doubled(history: History) -> tuple[list[Finding], list[Entered]]:
    """Effects that more than one body was to have: only a former owner that stood still is excused."""
    acts: defaultdict[tuple[str, str], list[Acted]] = defaultdict(list)
    for act in history.acted:
        acts[act.run, act.key].append(act)
    findings, residue = [], []
    for (run, key), several in acts.items():
        if len(several) == 1:
            continue
        last = max(several, key=lambda act: act.epoch)
        for act in several:
            if act is last:
                continue
            entry = _entry_of(act, history.entered)
            if entry is not None and act.epoch < last.epoch and act.at - entry.at >= STOOD_STILL_SECONDS:
                residue.append(entry)
            else:
                words = f"{key} was to have its effect under epoch {act.epoch}, and under {last.epoch}"
                findings.append(Finding("doubled", run, words))
    return findings, residue


def _entry_of(act: Acted, entered: Iterable[Entered]) -> Entered | None:
    """The entry into the body that acted."""
    before = [
        each
        for each in entered
        if (each.run, each.key, each.epoch, each.pid) == (act.run, act.key, act.epoch, act.pid)
        and each.at <= act.at
    ]
    return max(before, key=lambda each: each.at, default=None)


def _conversations(history: History) -> Iterator[Finding]:
    """Runs of a conversation follow one another in the order of acceptance. Owners' entries count alone."""
    spans: dict[str, tuple[float, float]] = {}
    owners = {run: {each.epoch for each in journal} for run, journal in history.journals.items()}
    for entry in history.entered:
        if entry.epoch in owners.get(entry.run, set()):
            first, last = spans.get(entry.run, (entry.at, entry.at))
            spans[entry.run] = (min(first, entry.at), max(last, entry.at))
    turns: defaultdict[str, list[str]] = defaultdict(list)
    for accepted in history.accepted:
        if accepted.conversation is not None and accepted.run in spans:
            turns[accepted.conversation].append(accepted.run)
    for runs in turns.values():
        for before, after in pairwise(runs):
            if spans[after][0] < spans[before][0]:
                yield Finding("disordered", after, f"it began before {before}, which was accepted first")
            elif spans[after][0] < spans[before][1]:
                yield Finding("overlapped", after, f"it began before {before} had ended")


def _settles(entry: Entry) -> bool:
    match entry.event:
        case StepDone() | StepFailed():
            return True
        case StepAnswered(decision=decision):
            return decision != "retry"
        case _:
            return False


def _decides_retry(entry: Entry) -> bool:
    match entry.event:
        case StepRetried():
            return True
        case StepAnswered(decision=decision):
            return decision == "retry"
        case _:
            return False
