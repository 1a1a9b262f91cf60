"""A vigil looks at every second of traffic until there is a verdict; killed at any tick it goes on from there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.auditing.audit import Fact
from watership.releases.book.quantity import percent
from watership.releases.environment import Environment
from watership.releases.judging import beside, fuse, gate
from watership.releases.judging.arms import Tick
from watership.releases.judging.beside import Beside
from watership.releases.judging.fuse import Action, Blown, Fuse, Reading, Second, Trend
from watership.releases.judging.gate import GateSpec, GateState, Judgement
from watership.releases.judging.glimpse import HOLDS_SECONDS, MEANWHILE_SECONDS, Glimpse, look, over
from watership.releases.judging.sources import UNTOLD, untold
from watership.releases.judging.traffic import counts, latency_p95
from watership.releases.judging.trail import Trail, put_away
from watership.releases.judging.usual import keep_usual, usual
from watership.releases.measurement import Finding, failed, inconclusive
from watership.releases.plan import TICK_SECONDS, Plan
from watership.releases.ports import TrafficTick
from watership.releases.snapshots import load, save
from watership.releases.verdict import Verdict

RENEW_SECONDS = 3.0
"""How often the switches are renewed: four times may be missed before they fire."""

BLIND_SECONDS = 30
"""Seconds without figures after which the vigil says so; the split is then not kept any longer."""

UNSEEN_SHARE = 0.05
"""Of the seconds of a vigil: with more of them unseen it rules nothing out."""

UNSEEN_SECONDS = 2
"""So few may be missing from the shortest vigil: a second is at times told of too late."""

UNTOLD_SECONDS = 60
"""Seconds that were counted, after which a fuse that was told nothing is named."""

ENDLESS = 3600.0
"""What a latency beyond the last bucket counts as, in seconds."""

COMMON_CAUSE = "over the limit, and live may be as bad"
"""What a person is called for instead of a rollback, which would help nobody if live is no better."""

WATCH_SAVES = 10
"""Ticks between two snapshots of the watch; a soak saves at every tick. None is counted twice either way."""


class Vigil(Struct, frozen=True, kw_only=True):
    """What is remembered between two ticks. `last` is the last second that was counted, or given up."""

    began: datetime
    last: int
    gate: GateState = GateState()
    seconds: tuple[Second, ...] = ()
    requests: int = 0
    errors: int = 0
    """What next served, and failed, since the vigil began."""
    first_error: int | None = None
    until: int = 0
    """The last second that was over when we looked."""
    every: int = 1
    """The seconds that one tick covers."""
    seen: int = 0
    """The seconds that ticks told of."""
    glimpses: tuple[Glimpse, ...] = ()
    """Those of the last minute, and of the seconds that may still be told of."""
    usual: dict[Trend, float] = {}
    beside: Beside = Beside()
    """What was last seen of runs and memory; of a look that was counted only the moments are left."""
    looked: datetime | None = None
    trail: Trail = Trail()
    paged: tuple[str, ...] = ()
    untold: tuple[str, ...] | None = None
    """The fuses that nobody had told anything after the first minute; None before."""
    renewed: datetime | None = None

    @property
    def late(self) -> int:
        """The seconds that whoever counts may be behind: what is scraped is known at the scrape after it."""
        return 0 if self.every == 1 else 3 * self.every

    @property
    def blind(self) -> int:
        """The seconds at the end of which nothing is known yet, and should be."""
        return max(self.until - self.late - self.last, 0)

    @property
    def length(self) -> int:
        """The whole seconds that are over since it began, and that could be told of."""
        return max(self.until - self.late, self.last) - int(self.began.timestamp())

    @property
    def unseen(self) -> int:
        """The seconds of which nothing is known, whenever they were: what was not counted was not seen."""
        return max(self.length - self.seen, 0)

    @property
    def clear(self) -> bool:
        """Whether enough was seen to rule anything out. A tick of many seconds may have begun before the vigil."""
        few = UNSEEN_SECONDS if self.every == 1 else UNSEEN_SECONDS + self.every
        return self.unseen <= max(UNSEEN_SHARE * self.length, few)

    def lacks(self, length: float) -> bool:
        """Whether seconds of the first `length` may still be told of."""
        scraped = self.every > 1 and self.last - self.began.timestamp() < length - self.every
        return self.blind > 0 or scraped


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchword:
    """What one vigil is about. `keep` is called every few seconds: it renews or restores the weights.

    With `promotes` only a verdict of passed ends it well; else its end does, unless something failed.
    """

    name: str
    plan: Plan
    gate: GateSpec
    length: float
    give_up: float
    promotes: bool
    share: float | None = None
    """The weight by which requests are divided throughout, next's; None where live serves none."""
    keep: Callable[[], Awaitable[None]]
    ordered: Callable[[], Awaitable[str | None]]
    """Words of an order that ends the vigil, if there is one."""


async def watch_over(env: Environment, word: Watchword) -> Finding:
    """Look until there is a verdict. The snapshot under `word.name` is taken up if there is one."""
    state = await load(env.snapshots, word.name, Vigil)
    if state is None:
        now = env.clock.now()
        state = Vigil(
            began=now,
            last=int(now.timestamp()),
            gate=gate.opened(word.gate),
            every=env.every,
            usual=await usual(env, word.plan),
        )
        await save(env.snapshots, word.name, state)
    await word.keep()
    state = replace(state, renewed=env.clock.now())
    while True:
        await env.clock.sleep(TICK_SECONDS)
        state = await _tick(env, word, state)
        if word.promotes or state.gate.ticks % WATCH_SAVES == 0:
            await save(env.snapshots, word.name, state)
        state, finding = await _judged(env, word, state)
        if finding is not None:
            await save(env.snapshots, word.name, state)
            if word.promotes:
                await keep_usual(env, word.plan, state.seconds)
            return finding


async def _tick(env: Environment, word: Watchword, state: Vigil) -> Vigil:
    """Renew what is due, and count the seconds that are over and not counted yet."""
    now = env.clock.now()
    if state.renewed is None or (now - state.renewed).total_seconds() >= RENEW_SECONDS:
        # A renewal that got no answer is made at the next tick; whether that is too late the switch decides.
        with suppress(Unavailable):
            await word.keep()
            state = replace(state, renewed=now)
    if not state.glimpses or (now - state.glimpses[-1].at).total_seconds() >= HOLDS_SECONDS:
        state = await _looked(env, word, state)
    state = replace(state, until=int(now.timestamp()) - 1)
    if state.until - state.last < state.every:
        return state
    with suppress(Unavailable):
        ticks = await env.metrics.ticks(after=state.last, until=state.until)
        state = counted(word, await _beside(env, word, state), ticks)
        state = replace(state, trail=await put_away(env.snapshots, word.name, state.trail))
    # What stays unknown too long is given up, and stays unknown.
    return replace(state, last=state.until) if state.blind > 2 * BLIND_SECONDS else state


async def _looked(env: Environment, word: Watchword, state: Vigil) -> Vigil:
    glimpse = await look(env, word.plan, state.glimpses)
    kept = MEANWHILE_SECONDS + state.late + HOLDS_SECONDS
    young = [each for each in state.glimpses if (glimpse.at - each.at).total_seconds() <= kept]
    return replace(state, glimpses=(*young, glimpse))


async def _beside(env: Environment, word: Watchword, state: Vigil) -> Vigil:
    """Look beside the traffic where an arm wants it and it is time. What was seen waits for a second to be counted."""
    now = env.clock.now()
    due = state.looked is None or (now - state.looked).total_seconds() >= beside.EVERY_SECONDS
    if not due or state.beside.runs or not beside.wanted(word.gate):
        return state
    seen = await beside.look(env, word.plan, word.gate, state.beside.cohort)
    return replace(state, beside=seen, looked=now)


def counted(word: Watchword, state: Vigil, ticks: Mapping[Slot, Sequence[TrafficTick]]) -> Vigil:
    """Fold seconds that both slots tell of; each is folded once, in order."""
    live, nxt = word.plan.live.slot, word.plan.next.slot
    by_second = {tick.second: tick for tick in ticks.get(live, ())}
    for tick in ticks.get(nxt, ()):
        other = by_second.get(tick.second)
        if other is not None and tick.second > state.last:
            state = _folded(word, state, other, tick)
    return state


def _folded(word: Watchword, state: Vigil, live: TrafficTick, nxt: TrafficTick) -> Vigil:
    both = Tick(
        live=state.beside.added(word.plan.live.slot, counts(live, word.gate.slow_above)),
        next=state.beside.added(word.plan.next.slot, counts(nxt, word.gate.slow_above)),
        share=word.share,
        span=nxt.span,
    )
    second = Second(
        at=nxt.second,
        live=_reading(live, word.plan.live.slot, state.glimpses),
        next=_reading(nxt, word.plan.next.slot, state.glimpses),
        span=nxt.span,
    )
    first = nxt.second if nxt.errors and state.first_error is None else state.first_error
    return replace(
        state,
        last=nxt.second,
        seen=state.seen + nxt.span,
        gate=gate.observe(state.gate, both, word.gate),
        trail=state.trail.followed_by(both),
        beside=Beside(cohort=state.beside.cohort),
        seconds=(*state.seconds, second)[-_longest(word.plan.fuses) :],
        requests=state.requests + nxt.requests,
        errors=state.errors + nxt.errors,
        first_error=first,
    )


def _reading(tick: TrafficTick, slot: Slot, glimpses: Sequence[Glimpse]) -> Reading:
    """A second as the router counted it, with what was seen beside the traffic about that time."""
    p95 = latency_p95(tick)
    beside = over(glimpses, slot, tick.second - tick.span + 1, tick.second)
    return replace(
        beside,
        requests=tick.requests,
        errors=tick.errors,
        latency_p95=beside.latency_p95 if p95 is None else min(p95, ENDLESS),
    )


def _longest(fuses: Sequence[Fuse]) -> int:
    """Seconds that the longest window needs."""
    return max((round(getattr(each, "window", 1.0)) for each in fuses), default=1)


async def _judged(env: Environment, word: Watchword, state: Vigil) -> tuple[Vigil, Finding | None]:
    """The end of the vigil, or None while it goes on."""
    judgement = env.judge(state.gate, word.gate)
    blown = fuse.blown(word.plan.fuses, state.seconds, state.usual)
    state = _named(env, word, _paged(env, word, state, blown, judgement))
    figures = _figures(state)
    if judgement.verdict is Verdict.FAILED:
        return state, replace(failed(judgement.reason, **figures), judgement=judgement)
    for each in blown:
        if each.action is Action.ROLL_BACK:
            return state, replace(failed(f"{each.fuse}: {each.reason}", **figures), judgement=judgement)
    if (order := await word.ordered()) is not None:
        return state, replace(inconclusive(order, **figures), judgement=judgement)
    frozen = next((each for each in blown if each.action is Action.FREEZE), None)
    found = _over(env, word, state, judgement, frozen)
    return state, None if found is None else replace(found, judgement=judgement)


def _over(
    env: Environment, word: Watchword, state: Vigil, judgement: Judgement, frozen: Blown | None
) -> Finding | None:
    """Time alone promotes nothing: a soak that gives up without a verdict is inconclusive."""
    elapsed, figures = (env.clock.now() - state.began).total_seconds(), _figures(state)
    if word.promotes and state.blind > BLIND_SECONDS:
        return inconclusive(f"Nothing was known of the last {state.blind} seconds of traffic.", **figures)
    well = judgement.verdict is Verdict.PASSED and frozen is None and state.clear
    if elapsed < (word.give_up if word.promotes and not well else word.length):
        return None
    if state.lacks(word.length) and (word.promotes or elapsed < word.length + BLIND_SECONDS + state.late):
        # The last seconds may still be told of.
        return None
    if frozen is not None and word.promotes:
        return inconclusive(f"Frozen: {frozen.fuse}: {frozen.reason}.", **figures)
    return _seen(state, judgement)


def _seen(state: Vigil, judgement: Judgement) -> Finding:
    """The gate's word, for the time that was seen: over more it says nothing."""
    figures, words = _figures(state), f"{state.unseen} of {state.length} seconds were not seen"
    if not state.clear:
        limit = f"more than {percent(UNSEEN_SHARE)} of them rule nothing out"
        return inconclusive(f"{words}; {limit}.", **figures)
    evidence = f"{judgement.reason} {words.capitalize()}." if state.unseen else judgement.reason
    return Finding(verdict=judgement.verdict, evidence=evidence, facts=dict(figures))


def _figures(state: Vigil) -> dict[str, int | None]:
    return {
        "ticks": state.gate.ticks,
        "unseen": state.unseen,
        "requests": state.requests,
        "errors": state.errors,
        "first_error": state.first_error,
    }


def _paged(
    env: Environment, word: Watchword, state: Vigil, blown: Sequence[Blown], judgement: Judgement
) -> Vigil:
    """Tell people, once, of what does not end the vigil; the audit is where notices are taken from."""
    if judgement.common_cause:
        shared = Blown(fuse=COMMON_CAUSE, action=Action.PAGE, reason=judgement.reason)
        blown = [*blown, shared]
    for each in blown:
        if each.action is not Action.ROLL_BACK and each.fuse not in state.paged:
            facts = {"release": word.plan.release, "fuse": each.fuse, "reason": each.reason}
            env.audit.append("controller", f"release.{each.action.value}", facts)
            state = replace(state, paged=(*state.paged, each.fuse))
    return state


def _named(env: Environment, word: Watchword, state: Vigil) -> Vigil:
    """Put down, once, which fuses nobody has told anything so far: unknown is not intact."""
    if state.untold is not None or state.seen < UNTOLD_SECONDS:
        return state
    names = tuple(each.name for each in untold(word.plan.fuses, word.plan.sources, state.seconds))
    if names:
        facts: dict[str, Fact] = {"release": word.plan.release, "vigil": word.name, "fuses": [*names]}
        env.audit.append("controller", UNTOLD, facts)
    return replace(state, untold=names)
