"""A gate folds what was counted, tick by tick, and says passed, failed or inconclusive.

It may be asked at every tick: its false alarms are bounded over the whole time it looks (see `evidence`).
"""

from __future__ import annotations

from math import log
from typing import Annotated, Literal, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from watership.errors import BadInput
from watership.releases.book.quantity import Duration, Share, percent
from watership.releases.judging import evidence
from watership.releases.judging.evidence import Bet, Wealth
from watership.releases.verdict import Verdict

# Of all healthy releases, the share that a gate may ever refuse.
FALSE_ALARM = 0.001
# Of all releases with the stated regression, the share that a gate may ever pass.
MISSED = 0.05
# P(no error among 3,000 | 0.1 % errors) is 5 %: fewer requests cannot speak about a tenth of a percent.
MIN_SAMPLES = 3000

Possible = Annotated[float, Meta(gt=0, lt=1, extra={"text": "share"})]
"""A share that is neither nothing nor all."""


# Of outages that hit both sides, the share that may be blamed on next.
MISBLAMED = 0.05
# Ticks without a request on live after which it counts as out of service, and next is judged alone.
LIVE_SILENT = 30


class Counts(Struct, frozen=True):
    """One slot's requests of one tick. `slow` is None where latency was not measured."""

    requests: int = 0
    errors: int = 0
    slow: int | None = None

    def __post_init__(self) -> None:
        for bad in (self.errors, self.slow or 0):
            if not 0 <= bad <= self.requests:
                raise BadInput(f"{bad} of {self.requests} requests cannot be bad.")

    def bad(self, measure: Measure) -> int | None:
        return self.errors if measure == "errors" else self.slow


class Tick(Struct, frozen=True):
    """What both slots served in one tick (a second)."""

    live: Counts
    next: Counts


Measure = Literal["errors", "slow"]


class AgainstLive(Struct, frozen=True, kw_only=True, tag_field="against", tag="live"):
    """Refuses a next that is worse than live by `tolerance` or more; passes when `sees` is ruled out."""

    of: Measure = "errors"
    tolerance: Share = 0.001
    sees: Possible = 0.01

    @property
    def name(self) -> str:
        return f"{self.of} against live"


class AgainstLimit(Struct, frozen=True, kw_only=True, tag_field="against", tag="limit"):
    """Refuses a rate above `limit`; passes when a rate of `sees` is ruled out."""

    of: Measure = "errors"
    limit: Possible
    sees: Possible

    def __post_init__(self) -> None:
        if self.sees <= self.limit:
            raise BadInput(
                f"A gate with the limit {self.limit:.4g} must see a rate above it, not {self.sees:.4g}."
            )

    @property
    def name(self) -> str:
        return f"{self.of} against the limit"


Arm = AgainstLive | AgainstLimit


class GateSpec(Struct, frozen=True, kw_only=True):
    """What a gate looks at, and how often it may err.

    `horizon` is 0 for a test from its first tick (the cutover), or the number of ticks for which a detector
    of a later change keeps its promise (the watch).
    """

    arms: Annotated[tuple[Arm, ...], Meta(min_length=1, max_length=16)]
    false_alarm: Possible = FALSE_ALARM
    missed: Possible = MISSED
    min_samples: Annotated[int, Meta(ge=1)] = MIN_SAMPLES
    slow_above: Duration = 5.0
    horizon: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise BadInput(f"Two arms of a gate are the same: {', '.join(sorted(names))}.")

    @property
    def calm(self) -> float:
        """ln of the evidence that a detector shows without any change: its mean is below the ticks seen."""
        return log(max(self.horizon, 1))

    @property
    def refusal(self) -> float:
        """ln of the evidence at which one arm refuses; the false alarms are split evenly over the arms."""
        return self.calm + log(len(self.arms) / self.false_alarm)

    @property
    def acceptance(self) -> float:
        """ln of the evidence at which one arm is content."""
        return -log(self.missed)


class Sums(Struct, frozen=True):
    """What one slot served to one arm so far."""

    samples: int = 0
    bad: int = 0

    @property
    def rate(self) -> float | None:
        return self.bad / self.samples if self.samples else None


class ArmState(Struct, frozen=True):
    """One arm's sums and bets: against next, for it, and (for a limit) on its being worse than live.

    `alone` counts the ticks since live last served.
    """

    next: Sums = Sums()
    live: Sums = Sums()
    worse: Wealth = ()
    fine: Wealth = ()
    blame: Wealth = ()
    alone: int = 0


class GateState(Struct, frozen=True):
    """Everything a gate has to remember. `failed` names the arm that refused first; a refusal stays."""

    arms: tuple[ArmState, ...] = ()
    ticks: int = 0
    failed: str | None = None
    failed_at: int | None = None


class ArmReading(Struct, frozen=True, kw_only=True):
    """One arm as shown to people. It refuses when `e_value` reaches `refuses_at`."""

    name: str
    e_value: float
    refuses_at: float
    content: float
    content_at: float
    next: Sums
    live: Sums


class Judgement(Struct, frozen=True, kw_only=True):
    """A verdict with its reason; `common_cause`: live may be as bad, freeze and page, do not roll back."""

    verdict: Verdict
    reason: str
    e_value: float
    samples: int
    ticks: int
    common_cause: bool
    arms: tuple[ArmReading, ...]


def opened(gate: GateSpec) -> GateState:
    """The state of a gate that has seen nothing."""
    return GateState(arms=(ArmState(),) * len(gate.arms))


def observe(state: GateState, tick: Tick, gate: GateSpec) -> GateState:
    """Fold one tick. A tick without requests, or without the measure, moves no evidence."""
    states = state.arms or opened(gate).arms
    arms = tuple(_fold(arm, seen, tick, gate) for arm, seen in zip(gate.arms, states, strict=True))
    now = replace(state, arms=arms, ticks=state.ticks + 1)
    if now.failed is not None:
        return now
    refusing = next((arm for arm, seen in zip(gate.arms, arms, strict=True) if _refuses(seen, gate)), None)
    return replace(now, failed=refusing.name, failed_at=now.ticks) if refusing else now


def _fold(arm: Arm, seen: ArmState, tick: Tick, gate: GateSpec) -> ArmState:
    next_bad, live_bad = tick.next.bad(arm.of), tick.live.bad(arm.of)
    next_requests = tick.next.requests if next_bad is not None else 0
    live_requests = tick.live.requests if live_bad is not None else 0

    def gains(bets: list[Bet]) -> list[float]:
        return [
            bet.gain(
                next_bad=next_bad or 0,
                next_requests=next_requests,
                live_bad=live_bad or 0,
                live_requests=live_requests,
            )
            for bet in bets
        ]

    run_on = evidence.detect if gate.horizon else evidence.test
    summed = replace(
        seen,
        next=_added(seen.next, next_requests, next_bad),
        live=_added(seen.live, live_requests, live_bad),
    )
    both = next_requests > 0 and live_requests > 0
    share = next_requests / (next_requests + live_requests) if both else 0.0
    match arm:
        case AgainstLive():
            if not both:
                return seen  # nothing to compare, so nothing to count
            return replace(
                summed,
                worse=run_on(seen.worse, gains(evidence.worse_than_live(share, arm.tolerance))),
                fine=evidence.test(seen.fine, gains(evidence.better_than_live_and(share, arm.sees))),
            )
        case AgainstLimit():
            alone = 0 if live_requests else seen.alone + 1
            blame = run_on(seen.blame, gains(evidence.worse_than_live(share, 0.0))) if both else seen.blame
            return replace(
                summed,
                worse=run_on(seen.worse, gains(evidence.above(arm.limit))),
                fine=evidence.test(seen.fine, gains(evidence.below(arm.sees))),
                blame=blame if alone < LIVE_SILENT else (),
                alone=alone,
            )
        case _:
            assert_never(arm)


def _added(sums: Sums, requests: int, bad: int | None) -> Sums:
    return Sums(sums.samples + requests, sums.bad + (bad or 0))


def _over(seen: ArmState, gate: GateSpec) -> bool:
    return evidence.mixture(seen.worse) >= gate.refusal


def _blamed(seen: ArmState, gate: GateSpec) -> bool:
    """What is over its limit is next's own fault, as far as live serves and can be compared.

    Otherwise an outage of both sides would roll back a release that has no part in it.
    """
    return not seen.blame or evidence.mixture(seen.blame) >= gate.calm - log(MISBLAMED)


def _refuses(seen: ArmState, gate: GateSpec) -> bool:
    return _over(seen, gate) and _blamed(seen, gate)


def judge(state: GateState, gate: GateSpec) -> Judgement:
    """Say what the evidence so far allows. The soak is the caller's: passed means passed if it ended now."""
    states = state.arms or opened(gate).arms
    shared = state.failed is None and any(_over(seen, gate) and not _blamed(seen, gate) for seen in states)
    verdict, reason = _verdict(state, states, gate, shared=shared)
    readings = tuple(_read(arm, seen, gate) for arm, seen in zip(gate.arms, states, strict=True))
    return Judgement(
        verdict=verdict,
        reason=reason,
        e_value=max(reading.e_value for reading in readings),
        samples=min(seen.next.samples for seen in states),
        ticks=state.ticks,
        common_cause=shared,
        arms=readings,
    )


def _verdict(
    state: GateState, states: tuple[ArmState, ...], gate: GateSpec, *, shared: bool
) -> tuple[Verdict, str]:
    by_arm = list(zip(gate.arms, states, strict=True))
    if state.failed is not None:
        return Verdict.FAILED, next(
            _refusal(arm, seen, state) for arm, seen in by_arm if arm.name == state.failed
        )
    if shared:
        return (
            Verdict.INCONCLUSIVE,
            "Next is over its limit, and live is not shown to be better: freeze and page.",
        )
    for arm, seen in by_arm:
        if seen.next.samples < gate.min_samples:
            have = f"{seen.next.samples:,} of {gate.min_samples:,}"
            return Verdict.INCONCLUSIVE, f"{arm.name}: {have} requests on next have been seen."
    for arm, seen in by_arm:
        if evidence.mixture(seen.fine) < gate.acceptance:
            return Verdict.INCONCLUSIVE, f"{arm.name}: {_sought(arm)} cannot be ruled out yet."
    ruled_out = " and ".join(_sought(arm) for arm in gate.arms)
    confidence = f"{1 - gate.missed:.4g}"
    return Verdict.PASSED, f"Ruled out with confidence {confidence}: {ruled_out}."


def _refusal(arm: Arm, seen: ArmState, state: GateState) -> str:
    live = f"{percent(seen.live.rate)} of {seen.live.samples:,} on live"
    nxt = f"{percent(seen.next.rate)} of {seen.next.samples:,} on next"
    return f"{arm.name}: {nxt}, {live}; refused at tick {state.failed_at}."


def _sought(arm: Arm) -> str:
    match arm:
        case AgainstLive():
            return f"{arm.of} {percent(arm.sees)} above live's"
        case AgainstLimit():
            return f"{arm.of} at {percent(arm.sees)}"
        case _:
            assert_never(arm)


def _read(arm: Arm, seen: ArmState, gate: GateSpec) -> ArmReading:
    return ArmReading(
        name=arm.name,
        e_value=evidence.e_value(evidence.mixture(seen.worse)),
        refuses_at=evidence.e_value(gate.refusal),
        content=evidence.e_value(evidence.mixture(seen.fine)),
        content_at=evidence.e_value(gate.acceptance),
        next=seen.next,
        live=seen.live,
    )


def guarantee(gate: GateSpec) -> str:
    """The promise, as printed before the gate looks for the first time."""
    span = f"within {gate.horizon:,} ticks" if gate.horizon else "ever, however often it looks"
    arms = (
        "one arm"
        if len(gate.arms) == 1
        else f"{len(gate.arms)} arms, {percent(gate.false_alarm / len(gate.arms))} each"
    )
    return (
        f"Of healthy releases at most {percent(gate.false_alarm)} are refused {span} ({arms}, refusing at "
        f"evidence of {evidence.e_value(gate.refusal):,.0f} to 1); of releases with {_sought(gate.arms[0])} "
        f"at most {percent(gate.missed)} are passed. It holds for independent request outcomes."
    )
