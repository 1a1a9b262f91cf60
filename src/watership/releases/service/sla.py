"""An SLA is objectives as data; the metrics say of each whether it is met, and what is left of its error budget.

Every objective is a sum of something bad over a sum of everything: seconds without service, requests that failed or
were slow, a gauge by its samples. What was not seen stays unknown: an objective is met only if nearly all of its
window was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import resources
from math import floor, isfinite
from pathlib import Path
from typing import Annotated, Literal, assert_never

from msgspec import Meta, Struct

from watership.errors import BadInput
from watership.releases.book.document import load, parse
from watership.releases.book.quantity import Duration, Share, percent, spoken
from watership.releases.verdict import Verdict, worst

STEP = 300.0
"""Seconds of a bin: a month is 8,640 of them, and one holds several scrapes even at one a minute."""

MOST_BINS = 10_000
"""Prometheus answers with 11,000 points at most."""

MIN_SAMPLES = 3_000
"""Requests: fewer cannot speak about a tenth of a percent."""

ONE_LOOK = "one look, now"
"""What is said of a gauge that nobody kept: a window is not known by it, whatever it shows."""

Id = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]*$", max_length=60)]
Gauge = Literal["cpu", "memory", "queue_depth", "connections"]


class _Window(Struct, frozen=True, kw_only=True):
    """`over`: what is judged. `recent`: what the burn rate is taken from. `covered`: how much must have been seen."""

    id: Id
    title: str
    over: Duration
    step: Duration = STEP
    recent: Duration = 3600.0
    covered: Share = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.step <= self.over:
            raise BadInput(
                f"The step of '{self.id}' must be longer than nothing, and not longer than its window."
            )
        if self.over / self.step > MOST_BINS:
            raise BadInput(f"'{self.id}' has more than {MOST_BINS:,} steps; make its step longer.")


class Uptime(_Window, frozen=True, kw_only=True, tag_field="kind", tag="uptime"):
    """The share of time with service. `up` gives the share of a step's time in which somebody served, 0 to 1."""

    at_least: Share
    up: str


class Errors(_Window, frozen=True, kw_only=True, tag_field="kind", tag="errors"):
    """The share of requests that failed. `bad` and `all` give a step's numbers of requests."""

    below: Share
    min_samples: Annotated[int, Meta(ge=1)] = MIN_SAMPLES
    bad: str
    all: str


class Latency(_Window, frozen=True, kw_only=True, tag_field="kind", tag="latency"):
    """A quantile of latency, by how many requests were slower than `below`. `figure` gives it of late, in seconds."""

    quantile: Share
    below: Duration
    min_samples: Annotated[int, Meta(ge=1)] = MIN_SAMPLES
    slow: str
    all: str
    figure: str


class Level(_Window, frozen=True, kw_only=True, tag_field="kind", tag="level"):
    """A gauge's mean, below a share or below a number."""

    of: Gauge
    share_below: Share | None = None
    below: Annotated[float, Meta(gt=0)] | None = None
    value: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.share_below is None) == (self.below is None):
            raise BadInput("A level has either 'share_below' (a percentage) or 'below' (a number).")


class Goal(_Window, frozen=True, kw_only=True, tag_field="kind", tag="goal"):
    """What one wants to reach, per second: it is shown, and never judged by the traffic that happens to come."""

    at_least: Annotated[float, Meta(gt=0)]
    value: str


Objective = Uptime | Errors | Latency | Level | Goal


class Sla(Struct, frozen=True, kw_only=True):
    """The whole of it. `schema` names the format."""

    schema: Literal["watership/sla/v1"]
    objectives: Annotated[tuple[Objective, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        twice = [name for name, times in Counter(each.id for each in self.objectives).items() if times > 1]
        if twice:
            raise BadInput(f"The objective '{twice[0]}' stands there twice.")


class Bin(Struct, frozen=True):
    """The step that ended at `at` (Unix time): `bad` of `of` seconds or requests; a gauge's value of one sample."""

    at: float
    bad: float
    of: float


class Reading(Struct, frozen=True, kw_only=True):
    """What a source has of an objective's window. A bin that is not there, or has no number, was not seen.

    `at_once`: somebody looked once, now, so that of the window itself nothing was seen.
    """

    step: float
    bins: tuple[Bin, ...]
    at_once: bool = False
    figure: float | None = None
    """The quantile itself of late, for people; infinite beyond the last bucket."""


class Absent(Struct, frozen=True, kw_only=True):
    """Nothing is known, or (`applies` is false) there is nothing to know."""

    reason: str
    applies: bool = True


class Budget(Struct, frozen=True, kw_only=True):
    """What may go wrong within the window, what did, and what is left; below zero it is overspent.

    `burn` is how many times as fast as allowed it is spent at present; `lasts` the seconds until it is gone.
    """

    unit: Literal["minutes", "requests"]
    allowed: float
    spent: float
    left: float
    at_most: bool
    """More may be spent than was seen."""
    burn: float | None = None
    lasts: float | None = None


class Compliance(Struct, frozen=True, kw_only=True):
    """One objective as it stands. `verdict` is None for what is not judged: a goal, and what does not apply."""

    id: str
    title: str
    target: str
    now: str
    value: float | None
    verdict: Verdict | None
    reason: str
    seen: float
    """The part of the window that was seen."""
    budget: Budget | None = None


def shipped() -> Sla:
    """The SLA that comes with Watership: the seed's numbers, over our own metrics."""
    file = resources.files("watership") / "runbooks" / "agent-orchestrator" / "sla.yaml"
    return parse(file.read_bytes(), Sla, source="sla.yaml")


def read(path: Path) -> Sla:
    """An SLA from a file. Raises DocumentError with the line."""
    return load(path, Sla)


def target(objective: Objective) -> str:
    """What is wanted, in words."""
    match objective:
        case Uptime():
            return f"at least {exactly(objective.at_least)} over {spoken(objective.over)}"
        case Errors():
            return f"below {percent(objective.below)} over {spoken(objective.over)}"
        case Latency():
            return (
                f"p{100 * objective.quantile:g} below {spoken(objective.below)} over {spoken(objective.over)}"
            )
        case Level(share_below=float() as share):
            return f"below {percent(share)}"
        case Level():
            return f"below {objective.below:,.0f}"
        case Goal():
            return f"{objective.at_least:,.0f} a second (a goal)"
        case _:
            assert_never(objective)


def filled(expression: str, objective: Objective) -> str:
    """An expression for this window: PromQL writes durations in whole milliseconds."""
    for name in ("step", "over", "recent"):
        expression = expression.replace(f"${name}", f"{round(1000 * getattr(objective, name))}ms")
    return expression


def exactly(share: float) -> str:
    """A share near 1 in per cent, rounded down: 99.99996 % is not 100 %."""
    return f"{floor(round(share * 1e6, 6)) / 1e4:g} %" if share < 1 else "100 %"


def judge(objective: Objective, reading: Reading | Absent, now: float) -> Compliance:
    """Whether the objective is met at `now` (Unix time), by what was seen of it."""
    if isinstance(reading, Absent):
        return _unknown(objective, reading)
    bins = _within(reading, now, objective.over)
    seen = 0.0 if reading.at_once else min(len(bins) * reading.step / objective.over, 1.0)
    bad, of = sum(each.bad for each in bins), sum(each.of for each in bins)
    if not of:
        words = "no requests came" if bins else "no samples were found"
        return _unknown(objective, Absent(reason=f"{words} in {spoken(objective.over)}"), seen)
    verdict, reason = _verdict(objective, bad, of, seen)
    if reading.at_once and verdict is not None:
        verdict, reason = Verdict.INCONCLUSIVE, f"{ONE_LOOK}; {spoken(objective.over)} is judged"
    lately = _within(reading, now, objective.recent)
    return Compliance(
        id=objective.id,
        title=objective.title,
        target=target(objective),
        now=_now(objective, bad / of, reading.figure),
        value=1 - bad / of if isinstance(objective, Uptime) else bad / of,
        verdict=verdict,
        reason=reason,
        seen=seen,
        budget=None
        if isinstance(objective, Level | Goal)
        else _budget(objective, Bin(now, bad, of), lately, seen),
    )


def threatened(found: Compliance, *, within: float) -> bool:
    """Whether a budget is gone already, or will be `within` seconds if it goes on like this."""
    budget = found.budget
    return budget is not None and (budget.left < 0 or (budget.lasts is not None and budget.lasts <= within))


def overall(found: Sequence[Compliance]) -> Verdict:
    """Of all that is judged: failed before unknown before passed. Nothing judged is unknown."""
    return worst(each.verdict for each in found if each.verdict is not None)


def _within(reading: Reading, now: float, over: float) -> list[Bin]:
    """The bins of the window that have numbers, each once."""
    known = {
        each.at: each
        for each in reading.bins
        if now - over < each.at <= now and isfinite(each.bad) and isfinite(each.of)
    }
    return list(known.values())


def _allowed(objective: Uptime | Errors | Latency) -> float:
    """The share that may go wrong."""
    match objective:
        case Uptime():
            return round(1 - objective.at_least, 12)
        case Errors():
            return objective.below
        case Latency():
            return round(1 - objective.quantile, 12)
        case _:
            assert_never(objective)


def _verdict(objective: Objective, bad: float, of: float, seen: float) -> tuple[Verdict | None, str]:
    match objective:
        case Goal():
            return None, "a goal is not judged"
        case Level():
            bound = objective.share_below if objective.share_below is not None else objective.below or 0.0
            good = bad / of < bound
        case Uptime():
            # What was seen may be too much already, whatever else there was.
            if bad > _allowed(objective) * objective.over:
                return Verdict.FAILED, f"{spoken(bad)} without service"
            good = bad / of <= _allowed(objective)
        case Errors() | Latency():
            if of < objective.min_samples:
                return _few(objective, bad, of)
            share = bad / of
            good = share < objective.below if isinstance(objective, Errors) else share <= _allowed(objective)
        case _:
            assert_never(objective)
    if seen < objective.covered:
        return Verdict.INCONCLUSIVE, f"only {percent(seen)} of {spoken(objective.over)} was seen"
    return (Verdict.PASSED, "") if good else (Verdict.FAILED, "")


def _few(objective: Errors | Latency, bad: float, of: float) -> tuple[Verdict, str]:
    """Too few requests show nothing, unless the rest could be good and it were still too much."""
    words = f"{of:,.0f} of {objective.min_samples:,} requests were seen"
    wrong = bad / objective.min_samples > _allowed(objective)
    return (Verdict.FAILED if wrong else Verdict.INCONCLUSIVE), words


def _now(objective: Objective, ratio: float, figure: float | None) -> str:
    match objective:
        case Uptime():
            return exactly(1 - ratio)
        case Errors():
            return percent(ratio)
        case Latency():
            within = f"{exactly(1 - ratio)} within {spoken(objective.below)}"
            if figure is None:
                return within
            quantile = spoken(figure) or "0s" if isfinite(figure) else "beyond the last bucket"
            return f"{within}, p{100 * objective.quantile:g} {quantile} of late"
        case Level():
            return percent(ratio) if objective.share_below is not None else f"{ratio:,.0f}"
        case Goal():
            return f"{ratio:,.1f} a second"
        case _:
            assert_never(objective)


def _budget(objective: Uptime | Errors | Latency, whole: Bin, lately: Sequence[Bin], seen: float) -> Budget:
    """What the window leaves, by its sum and by its last bins."""
    share, recent = _allowed(objective), sum(each.of for each in lately)
    burn = sum(each.bad for each in lately) / recent / share if recent and share else None
    time = isinstance(objective, Uptime)
    allowed = share * objective.over / 60 if time else share * whole.of
    spent = whole.bad / 60 if time else whole.bad
    # At a burn of 1 the whole budget lasts for the whole window.
    lasts = max(1 - spent / allowed, 0.0) * objective.over / burn if burn and allowed else None
    return Budget(
        unit="minutes" if time else "requests",
        allowed=allowed,
        spent=spent,
        left=allowed - spent,
        at_most=seen < 1,
        burn=burn,
        lasts=lasts,
    )


def _unknown(objective: Objective, absent: Absent, seen: float = 0.0) -> Compliance:
    judged = absent.applies and not isinstance(objective, Goal)
    return Compliance(
        id=objective.id,
        title=objective.title,
        target=target(objective),
        now="unknown" if absent.applies else "does not apply",
        value=None,
        verdict=Verdict.INCONCLUSIVE if judged else None,
        reason=absent.reason,
        seen=seen,
    )
