"""A gate folds what was counted, tick by tick, and says passed, failed or inconclusive.

It may be asked at every tick: its false alarms are bounded over the whole time it looks (see `evidence`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import log, sqrt
from typing import Annotated, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from watership.errors import BadInput
from watership.releases.book.quantity import Duration, percent, spoken
from watership.releases.judging import evidence
from watership.releases.judging.arms import (
    OF_RUNS,
    AgainstGrowth,
    AgainstLimit,
    AgainstLive,
    Arm,
    Possible,
    Sample,
    Tick,
    sampled,
    tail_bound,
    together,
)
from watership.releases.judging.evidence import Bet, Wealth
from watership.releases.judging.growth import AS_OFTEN, Level, leveled
from watership.releases.verdict import Verdict

# Of all healthy releases, the share that a gate may ever refuse.
FALSE_ALARM = 0.001
# Of all releases with the stated regression, the share that a gate may ever pass.
MISSED = 0.05
# P(no error among 3,000 | 0.1 % errors) is 5 %: fewer requests cannot speak about a tenth of a percent.
MIN_SAMPLES = 3000

# Of outages that hit both sides, the share that may be blamed on next.
MISBLAMED = 0.05
# Ticks without a request on live after which it counts as out of service, and next is judged alone.
LIVE_SILENT = 30
# Standard deviations by which next may have had more than its weight before the weight is not believed: 1 in 30,000.
DEVIATIONS = 4.0
# Age at which a run is counted: what fails for reasons of the build mostly does so at once.
RUNS_AFTER = 10.0


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
    runs_after: Duration = RUNS_AFTER
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
    """What one slot served to one arm so far. `bad` is a whole number but where parts of one are summed up."""

    samples: int = 0
    bad: int | float = 0

    @property
    def rate(self) -> float | None:
        return self.bad / self.samples if self.samples else None


class Pair(Struct, frozen=True):
    """What came of both slots and was not bet on yet: a comparison needs something of each. `ticks`: since when."""

    next: Sums = Sums()
    live: Sums = Sums()
    ticks: int = 0

    @property
    def whole(self) -> bool:
        return self.next.samples > 0 and self.live.samples > 0


class ArmState(Struct, frozen=True, omit_defaults=True):
    """One arm's sums and bets: against next, for it, and (for a limit) on its being worse than live.

    `alone` counts the ticks since live last served. `tail`: live's latencies so far, of an arm that looks at its tail;
    `level`: where memory stands, of one that looks at its growth.
    """

    next: Sums = Sums()
    live: Sums = Sums()
    worse: Wealth = ()
    fine: Wealth = ()
    blame: Wealth = ()
    alone: int = 0
    pair: Pair = Pair()
    tail: dict[str, int] = {}
    level: Level = Level()


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
    if isinstance(arm, AgainstGrowth):
        return _grown(arm, seen, tick, gate)
    bound = tail_bound(seen.tail) if arm.of == "tail" else None
    if arm.of == "tail" and tick.live.latencies is not None:
        # What this tick shows of live moves the bound of the next one: a bet is placed before its outcome.
        seen = replace(seen, tail=together(seen.tail, tick.live.latencies))
    nxt, live = sampled(arm, tick.next, bound), sampled(arm, tick.live, bound)
    if arm.of in OF_RUNS and nxt is None and live is None:
        return seen  # runs are asked for every few seconds only
    nxt, live = nxt or Sample(), live or Sample()
    weight = tick.share if of_requests(arm) and tick.share is not None and 0 < tick.share < 1 else None
    if isinstance(arm, AgainstLive):
        return _compared(arm, seen, nxt, live, weight, gate)
    return _limited(arm, seen, nxt, live, weight, gate)


def _compared(  # noqa: PLR0917 - a bet has so many sides
    arm: AgainstLive, seen: ArmState, nxt: Sample, live: Sample, weight: float | None, gate: GateSpec
) -> ArmState:
    pair = _paired(seen.pair, nxt, live)
    share = _share(seen, pair, weight)
    if share is None:
        return replace(seen, pair=pair)
    worse, fine = (
        evidence.worse_than_live(share, arm.tolerance),
        evidence.better_than_live_and(share, arm.sees),
    )
    return replace(
        seen,
        next=_added(seen.next, pair.next.samples, pair.next.bad),
        live=_added(seen.live, pair.live.samples, pair.live.bad),
        worse=_run_on(gate)(seen.worse, _gains(worse, pair)),
        fine=evidence.test(seen.fine, _gains(fine, pair)),
        pair=Pair(),
    )


def _limited(  # noqa: PLR0917 - a bet has so many sides
    arm: AgainstLimit, seen: ArmState, nxt: Sample, live: Sample, weight: float | None, gate: GateSpec
) -> ArmState:
    pair, alone = _paired(seen.pair, nxt, live), 0 if live.samples else seen.alone + 1
    blame, share = seen.blame, _share(seen, pair, weight)
    if share is not None:
        blame = _run_on(gate)(blame, _gains(evidence.worse_than_live(share, 0.0), pair))
    now = Pair(next=Sums(nxt.samples, nxt.bad))
    return replace(
        seen,
        next=_added(seen.next, nxt.samples, nxt.bad),
        live=_added(seen.live, live.samples, live.bad),
        worse=_run_on(gate)(seen.worse, _gains(evidence.above(arm.limit), now)),
        fine=evidence.test(seen.fine, _gains(evidence.below(arm.sees), now)),
        blame=blame if alone < LIVE_SILENT else (),
        alone=alone,
        pair=pair if share is None else Pair(),
    )


def _share(seen: ArmState, pair: Pair, weight: float | None) -> float | None:
    """Next's share of what is compared now; None where that has to wait for its other side.

    It is the weight, as long as next has not had more than chance would give it by then; else it is what was counted.
    What live serves alone, as after a live that was lost for a while, is nobody's comparison before next serves too.
    """
    every = seen.next.samples + seen.live.samples
    if weight is not None and seen.next.samples and seen.live.samples:
        chance = sqrt(weight * (1 - weight) * every)
        if seen.next.samples - weight * every <= DEVIATIONS * chance + 1:
            return weight if pair.ticks else None
    return pair.next.samples / (pair.next.samples + pair.live.samples) if pair.whole else None


def _grown(arm: AgainstGrowth, seen: ArmState, tick: Tick, gate: GateSpec) -> ArmState:
    level, rise = leveled(seen.level, tick, arm)
    if rise is None:
        return replace(seen, level=level)
    rose = Pair(next=Sums(1, int(rise > arm.tolerance)))
    fine = seen.fine
    if arm.sees is not None:
        seeing = Pair(next=Sums(1, int(rise >= arm.sees)))
        fine = evidence.test(fine, _gains(evidence.below(AS_OFTEN), seeing))
    return replace(
        seen,
        next=_added(seen.next, 1, rose.next.bad),
        worse=_run_on(gate)(seen.worse, _gains(evidence.above(AS_OFTEN), rose)),
        fine=fine,
        level=level,
    )


def _run_on(gate: GateSpec) -> Callable[[Wealth, Iterable[float]], Wealth]:
    return evidence.detect if gate.horizon else evidence.test


def _gains(bets: Sequence[Bet], pair: Pair) -> list[float]:
    nxt, live = pair.next, pair.live
    return [
        bet.gain(next_bad=nxt.bad, next_requests=nxt.samples, live_bad=live.bad, live_requests=live.samples)
        for bet in bets
    ]


def _paired(pair: Pair, nxt: Sample, live: Sample) -> Pair:
    """Add a tick to what waits for its other side; where that does not come, what waits is dropped.

    Within a pair the rates must be the same throughout. Where they are not, as at the end of an outage, the wealth
    grows by at most a factor of e for each request of live: an error of next gains ln(1/share) at most.
    """
    if pair.ticks >= LIVE_SILENT:
        pair = Pair()
    if not (nxt.samples or live.samples or pair.ticks):
        return pair
    return Pair(
        next=_added(pair.next, nxt.samples, nxt.bad),
        live=_added(pair.live, live.samples, live.bad),
        ticks=pair.ticks + 1,
    )


def _added(sums: Sums, samples: int, bad: float) -> Sums:
    return Sums(sums.samples + samples, sums.bad + bad)


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
        samples=min(
            (seen.next.samples for arm, seen in zip(gate.arms, states, strict=True) if of_requests(arm)),
            default=0,
        ),
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
        if of_requests(arm) and seen.next.samples < gate.min_samples:
            have = f"{seen.next.samples:,} of {gate.min_samples:,}"
            return Verdict.INCONCLUSIVE, f"{arm.name}: {have} requests on next have been seen."
    ruling = [(arm, seen) for arm, seen in by_arm if arm.sees is not None]
    for arm, seen in ruling:
        if evidence.mixture(seen.fine) < gate.acceptance:
            return Verdict.INCONCLUSIVE, f"{arm.name}: {_sought(arm)} cannot be ruled out yet."
    if not ruling:
        return Verdict.INCONCLUSIVE, "No arm of this gate says what it sees: it can refuse, and never pass."
    ruled_out = " and ".join(_sought(arm) for arm, _ in ruling)
    confidence = f"{1 - gate.missed:.4g}"
    return Verdict.PASSED, f"Ruled out with confidence {confidence}: {ruled_out}."


def of_requests(arm: Arm) -> bool:
    """Whether an arm counts requests: the smallest number of them that a gate wants is of those."""
    return not isinstance(arm, AgainstGrowth) and arm.of not in OF_RUNS


def _refusal(arm: Arm, seen: ArmState, state: GateState) -> str:
    if isinstance(arm, AgainstGrowth):
        rises = f"{seen.next.bad} of {seen.next.samples} windows of {spoken(arm.window)}"
        words = f"next rose by more than {arm.tolerance:g} MB a minute beyond live in {rises}"
    else:
        words = ", ".join(
            f"{percent(sums.rate)} of {sums.samples:,} on {slot}"
            for slot, sums in (("next", seen.next), ("live", seen.live))
        )
    return f"{arm.name}: {words}; refused at tick {state.failed_at}."


def _sought(arm: Arm) -> str:
    match arm:
        case AgainstLive():
            return f"{arm.of} {percent(arm.sees)} above live's"
        case AgainstLimit():
            return f"{arm.of} at {percent(arm.sees)}"
        case AgainstGrowth(sees=None):
            return "nothing of memory"
        case AgainstGrowth():
            return f"memory growing {arm.sees:g} MB a minute faster than live's"
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
    sought = next((_sought(arm) for arm in gate.arms if arm.sees is not None), "")
    passed = f"; of releases with {sought} at most {percent(gate.missed)} are passed" if sought else ""
    return (
        f"Of healthy releases at most {percent(gate.false_alarm)} are refused {span} ({arms}, refusing at "
        f"evidence of {evidence.e_value(gate.refusal):,.0f} to 1){passed}. {_assumed(gate)}"
    )


def _assumed(gate: GateSpec) -> str:
    """What the promise rests on."""
    counted = [
        *(["request"] if any(of_requests(arm) for arm in gate.arms) else []),
        *(["run"] if any(arm.of in OF_RUNS for arm in gate.arms) else []),
    ]
    words = [f"It holds for independent {' and '.join(counted)} outcomes."] if counted else []
    words += [
        f"A healthy next's lowest memory in {spoken(arm.window)} rises by more than {arm.tolerance:g} MB a minute "
        f"beyond live's at most every other time, once it is {spoken(arm.warm_up)} old."
        for arm in gate.arms
        if isinstance(arm, AgainstGrowth)
    ]
    return " ".join(words)
