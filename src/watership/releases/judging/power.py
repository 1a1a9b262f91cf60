"""What a gate can see at the present traffic, said before it looks.

Every bet gains a known amount per request, so its growth under a stated regression has a mean and a variance,
and the time to refuse follows. The best single bet of the grid is reckoned, at the price of the whole grid;
the mixture does no worse than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log, sqrt

from msgspec import Struct
from msgspec.structs import replace

from watership.errors import WatershipError
from watership.releases.book.quantity import percent, spoken
from watership.releases.judging import evidence
from watership.releases.judging.arms import OF_RUNS, TAIL, AgainstGrowth, AgainstLimit, AgainstLive
from watership.releases.judging.evidence import Bet
from watership.releases.judging.gate import MISBLAMED, GateSpec
from watership.releases.judging.growth import AS_OFTEN

# Regressions of the printed table: errors of next above those of live.
REGRESSIONS = (0.01, 0.05, 0.15, 0.5)
# "Within" means: in 95 of 100 releases (the normal quantile of 0.95).
WITHIN = 1.645
# No soak is longer than a day; what needs more is called invisible.
LONGEST = 86_400.0
# The smallest regression is sought to this precision.
PRECISION = 0.0005

MORE = "Send more traffic, or state a larger regression."


class BlindSoak(WatershipError):
    """The soak is too short for its gate at this traffic; `needed` seconds would do (None: no soak would)."""

    code = "blind_soak"

    def __init__(self, message: str, *, soak: float, needed: float | None, fix: str = "") -> None:
        super().__init__(message, fix=f"Soak for {spoken(needed)}." if needed else fix or MORE)
        self.soak = soak
        self.needed = needed


class Traffic(Struct, frozen=True, kw_only=True):
    """Requests per second on both slots together, next's share of them, and the rate at which live fails."""

    per_second: float
    share: float
    live_rate: float = 0.0


class PowerRow(Struct, frozen=True, kw_only=True):
    """How long a regression would go unseen, in seconds; None where no soak of a day would see it."""

    regression: float
    expected: float | None
    within: float | None
    failed_requests: float | None


class ArmSight(Struct, frozen=True, kw_only=True):
    """How soon an arm that is not of errors refuses what it sees, in seconds; None where no soak of a day would."""

    name: str
    sees: str
    expected: float | None
    within: float | None


class PowerTable(Struct, frozen=True, kw_only=True):
    """What a gate sees in `soak` seconds of `traffic`."""

    soak: float
    traffic: Traffic
    rows: tuple[PowerRow, ...]
    smallest: float | None
    """The smallest regression that is seen within the soak."""
    passes_within: float | None
    """Seconds within which a release as good as live is passed."""
    arms: tuple[ArmSight, ...] = ()


def table(gate: GateSpec, traffic: Traffic, soak: float, runs: Traffic | None = None) -> PowerTable:
    """What the gate would see. `runs`: runs per second instead of requests; None where they are not counted."""
    return PowerTable(
        soak=soak,
        traffic=traffic,
        rows=tuple(row(gate, traffic, regression) for regression in REGRESSIONS),
        smallest=_smallest(gate, traffic, soak),
        passes_within=passes_within(gate, traffic),
        arms=tuple(sights(gate, traffic, runs)),
    )


def sights(gate: GateSpec, traffic: Traffic, runs: Traffic | None) -> Iterator[ArmSight]:
    """The detection delay of each arm that the rows of errors do not tell of."""
    for arm in gate.arms:
        if isinstance(arm, AgainstGrowth):
            yield _growing(arm, gate)
        elif arm.of != "errors":
            yield _seeing(arm, gate, runs if arm.of in OF_RUNS else traffic)


def _seeing(arm: AgainstLive | AgainstLimit, gate: GateSpec, traffic: Traffic | None) -> ArmSight:
    """What is slower than live's p95 is a twentieth of live's requests; of the rest nothing is usual."""
    usual = 1 - TAIL if arm.of == "tail" else 0.0
    expected, within = None, None
    if traffic is not None:
        there = replace(traffic, live_rate=usual)
        late = gate.runs_after if arm.of in OF_RUNS else 0.0
        expected, within = (
            None if time is None else time + late
            for time in (_refusal(arm, gate, there, arm.sees, sureness) for sureness in (0.0, WITHIN))
        )
    sees = f"{percent(arm.sees)} {'above live' if isinstance(arm, AgainstLive) else 'in all'}"
    return ArmSight(name=arm.name, sees=sees, expected=expected, within=within)


def _growing(arm: AgainstGrowth, gate: GateSpec) -> ArmSight:
    """A memory that rises in every window refuses after so many of them, whatever the traffic is."""
    bets = evidence.above(AS_OFTEN)
    each = max(bet.next_request + bet.next_bad for bet in bets)
    windows = ceil((gate.refusal + log(len(bets))) / each) + 1
    seconds = arm.warm_up + windows * arm.window
    words = f"more than {arm.tolerance:g} MB a minute beyond live"
    return ArmSight(name=arm.name, sees=words, expected=seconds, within=seconds)


def row(gate: GateSpec, traffic: Traffic, regression: float) -> PowerRow:
    """Detection of one regression: on average, within 95 of 100 releases, and what it costs in failures."""
    expected = _soonest(gate, traffic, regression, sureness=0.0)
    harm = traffic.per_second * traffic.share * min(traffic.live_rate + regression, 1.0)
    return PowerRow(
        regression=regression,
        expected=expected,
        within=_soonest(gate, traffic, regression, sureness=WITHIN),
        failed_requests=None if expected is None else expected * harm,
    )


def passes_within(gate: GateSpec, traffic: Traffic) -> float | None:
    """Seconds until a next as good as live is passed, in 95 of 100 releases."""
    if traffic.per_second * traffic.share <= 0:
        return None
    times: list[float | None] = [gate.min_samples / (traffic.per_second * traffic.share)]
    times += [
        _time(_fine_bets(arm, traffic.share), gate.acceptance, traffic, 0.0, WITHIN)
        for arm in _error_arms(gate)
    ]
    # What is slower than live's p95 is as usual as it is by its name; of slow requests and of runs nothing is known.
    tailed = replace(traffic, live_rate=1 - TAIL)
    times += [
        _time(_fine_bets(arm, traffic.share), gate.acceptance, tailed, 0.0, WITHIN)
        for arm in gate.arms
        if isinstance(arm, AgainstLive) and arm.of == "tail"
    ]
    times += [
        _calm(arm, gate) for arm in gate.arms if isinstance(arm, AgainstGrowth) and arm.sees is not None
    ]
    return _longest(times)


def _calm(arm: AgainstGrowth, gate: GateSpec) -> float:
    """Seconds in which a memory that never rises rules out what the arm sees."""
    bets = evidence.below(AS_OFTEN)
    windows = ceil((gate.acceptance + log(len(bets))) / max(bet.next_request for bet in bets)) + 1
    return arm.warm_up + windows * arm.window


def soak_needed(gate: GateSpec, traffic: Traffic, regression: float | None = None) -> float | None:
    """Seconds that see `regression` (by default the one the gate states) and can pass a healthy next."""
    seen = _soonest(gate, traffic, stated(gate) if regression is None else regression, sureness=WITHIN)
    needed = _longest([seen, passes_within(gate, traffic)])
    return None if needed is None else float(ceil(needed))


def stated(gate: GateSpec) -> float:
    """The smallest regression that the gate says it sees."""
    return min((arm.sees for arm in _error_arms(gate)), default=1.0)


def require_sight(gate: GateSpec, traffic: Traffic, soak: float) -> float:
    """The seconds that the gate needs. Refuses a soak that could not see the stated regression: raises BlindSoak."""
    needed = soak_needed(gate, traffic)
    if needed is not None and needed <= soak:
        return needed
    if traffic.share <= 0:
        words, fix = "A soak with nothing on next judges nothing.", "Shift traffic to next before it."
    elif needed is None and traffic.share >= 1 and any(isinstance(arm, AgainstLive) for arm in gate.arms):
        words, fix = "A soak with everything on next has no live to compare with.", "Soak at a smaller share."
    else:
        fix = ""
        words = (
            f"A soak of {spoken(soak)} at {traffic.per_second:.3g} requests per second, "
            f"{percent(traffic.share)} of them on next, could not "
            f"judge a regression of {percent(stated(gate))}."
        )
    raise BlindSoak(words, soak=soak, needed=needed, fix=fix)


def _soonest(gate: GateSpec, traffic: Traffic, regression: float, *, sureness: float) -> float | None:
    times = [_refusal(arm, gate, traffic, regression, sureness) for arm in _error_arms(gate)]
    return min((time for time in times if time is not None), default=None)


def _refusal(
    arm: AgainstLive | AgainstLimit, gate: GateSpec, traffic: Traffic, regression: float, sureness: float
) -> float | None:
    """Seconds until one arm refuses; over a limit next must also be blamed, as long as live serves."""
    over = _time(_worse_bets(arm, traffic.share), gate.refusal, traffic, regression, sureness)
    if isinstance(arm, AgainstLive) or not 0 < traffic.share < 1:
        return over
    blame = evidence.worse_than_live(traffic.share, 0.0)
    return _longest([over, _time(blame, gate.calm - log(MISBLAMED), traffic, regression, sureness)])


def _time(
    bets: list[Bet], threshold: float, traffic: Traffic, regression: float, sureness: float
) -> float | None:
    """Seconds until the best bet crosses: d·n − z·s·√n = threshold + ln(grid), solved for n requests."""
    best: float | None = None
    for bet in bets:
        mean, variance = _growth(bet, traffic, regression)
        if mean <= 0 or traffic.per_second <= 0:
            continue
        spread = sureness * sqrt(variance)
        root = (spread + sqrt(spread**2 + 4 * mean * (threshold + log(len(bets))))) / (2 * mean)
        seconds = float(max(ceil(root**2 / traffic.per_second), 1))  # the gate looks at whole seconds
        if seconds <= LONGEST and (best is None or seconds < best):
            best = seconds
    return best


def _growth(bet: Bet, traffic: Traffic, regression: float) -> tuple[float, float]:
    """Mean and variance of a bet's gain by one request, which goes to next with the share's probability."""
    share, live = traffic.share, traffic.live_rate
    nxt = min(live + regression, 1.0)
    outcomes = (
        (share * nxt, bet.next_request + bet.next_bad),
        (share * (1 - nxt), bet.next_request),
        ((1 - share) * live, bet.live_request + bet.live_bad),
        ((1 - share) * (1 - live), bet.live_request),
    )
    mean = sum(chance * gain for chance, gain in outcomes)
    return mean, sum(chance * (gain - mean) ** 2 for chance, gain in outcomes)


def _worse_bets(arm: AgainstLive | AgainstLimit, share: float) -> list[Bet]:
    if isinstance(arm, AgainstLimit):
        return evidence.above(arm.limit)
    return evidence.worse_than_live(share, arm.tolerance) if 0 < share < 1 else []


def _fine_bets(arm: AgainstLive | AgainstLimit, share: float) -> list[Bet]:
    if isinstance(arm, AgainstLimit):
        return evidence.below(arm.sees)
    return evidence.better_than_live_and(share, arm.sees) if 0 < share < 1 else []


def _error_arms(gate: GateSpec) -> list[AgainstLive | AgainstLimit]:
    """Those that the stated traffic says all of: of latency, runs and memory `sights` tells."""
    counting = [arm for arm in gate.arms if not isinstance(arm, AgainstGrowth)]
    return [arm for arm in counting if arm.of == "errors"] or counting


def _smallest(gate: GateSpec, traffic: Traffic, soak: float) -> float | None:
    def seen(regression: float) -> bool:
        time = _soonest(gate, traffic, regression, sureness=WITHIN)
        return time is not None and time <= soak

    low, high = 0.0, 1.0 - traffic.live_rate
    if not seen(high):
        return None
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def _longest(times: list[float | None]) -> float | None:
    known = [time for time in times if time is not None]
    return max(known) if len(known) == len(times) else None


def printed(power: PowerTable) -> str:
    """The table as lines of text."""
    traffic = power.traffic
    head = (
        f"At {traffic.per_second:.3g} requests per second, {percent(traffic.share)} on next, live failing "
        f"{percent(traffic.live_rate)}:"
    )
    rows = [_line(row) for row in power.rows]
    smallest = (
        f"the smallest regression seen is {percent(power.smallest)}"
        if power.smallest
        else "no regression is seen"
    )
    passing = spoken(power.passes_within) if power.passes_within else "more than a day"
    tail = f"In a soak of {spoken(power.soak)} {smallest}; a healthy release passes within {passing}."
    return "\n".join([head, *rows, *(_sight(each) for each in power.arms), tail])


def _sight(each: ArmSight) -> str:
    if each.expected is None or each.within is None:
        return f"  {each.name}, {each.sees}: not seen within a day"
    return (
        f"  {each.name}, {each.sees}: seen in about {spoken(each.expected)} "
        f"(95 of 100 times within {spoken(each.within)})"
    )


def _line(row: PowerRow) -> str:
    if row.expected is None or row.within is None or row.failed_requests is None:
        return f"  {percent(row.regression):>6} more errors: not seen within a day"
    return (
        f"  {percent(row.regression):>6} more errors: seen in about {spoken(row.expected)} "
        f"(95 of 100 times within {spoken(row.within)}), after {row.failed_requests:.0f} failed requests"
    )
