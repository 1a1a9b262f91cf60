"""The release as a run: read the facts, decide, act, and keep in the journal what was found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from watership.durable import Effect, Program, current_run, race, signal, sleep_until, step
from watership.durable.clock import Clock
from watership.durable.ids import RunId
from watership.durable.ports import Runs
from watership.durable.retry import ONCE
from watership.errors import Fenced, Unavailable
from watership.releases.acts import Acts
from watership.releases.auditing.audit import Plain
from watership.releases.checks import Kinds
from watership.releases.cutover import TakenBack
from watership.releases.decide import (
    Again,
    Ask,
    Do,
    End,
    Ending,
    LetGo,
    Promote,
    Retire,
    TakeBack,
    Wait,
    Watch,
    decide,
)
from watership.releases.environment import Authority, Environment
from watership.releases.facts import Facts, Position, Record, begun, informed, moved, opening, tried_again
from watership.releases.measurement import Finding, Measurement, failed, scrubbed, unknown
from watership.releases.order import ORDER, Order, Release
from watership.releases.plan import Plan, PlannedItem
from watership.releases.rollback import leave, traffic_back

PROGRAM = "release"

READ_SECONDS = 10.0
"""How long a target may be silent before its state counts as unknown."""

RETRY_SECONDS = 1.0
"""Before an act is tried again."""

TRIES = 4
"""Of an act whose target does not answer or refuses its epoch; well within the time of a dead-man's switch."""

CALM_SECONDS = 10.0
"""An act that went on for so long in between has recovered from what was before."""


class Outcome(Struct, frozen=True, kw_only=True):
    """How a release ended."""

    outcome: Ending
    reason: str
    rollback_seconds: float | None = None
    unknown: bool = False
    """It was refused because something was not known, or waited for a person, rather than for something bad."""


class Patience:
    """How often an act may fail for reasons that pass."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = TRIES
        self._last = clock.monotonic()

    def bears(self) -> bool:
        """Whether the act is to be tried again after it failed just now."""
        now = self._clock.monotonic()
        if now - self._last > CALM_SECONDS:
            self._left = TRIES
        self._last = now
        self._left -= 1
        return self._left > 0


FACTS, KEEP = "facts", "keep"
"""Names of steps; those of items are spelled by `item_step`."""


def item_step(item: PlannedItem) -> str:
    """`cutover/half` → `cutover.half`: the kernel counts the attempts."""
    return item.key.replace("/", ".")


class ReleaseProgram:
    """The program `release`, for one environment, under one authority. `own` is the controller's own store."""

    def __init__(self, env: Environment, authority: Authority, own: Runs, kinds: Kinds) -> None:
        self._env = env
        self._authority = authority
        self._own = own
        self._kinds = kinds

    @property
    def program(self) -> Program:
        return Program(PROGRAM, self.run)

    async def run(self, raw: msgspec.Raw) -> Outcome:
        """Release, from wherever the journal says we are to the end."""
        release = msgspec.json.decode(raw, type=Release)
        run_id = current_run()

        async def orders(seen: int) -> Sequence[Order]:
            return await self._orders(run_id, seen)

        acts = Acts(self._env, self._authority, release, orders, self._kinds(release))
        position = opening(release)
        while True:
            facts = await self._facts(acts, position, orders)
            position = informed(position, facts)
            act = decide(release.plan, position, facts, release.zero)
            match act:
                case End():
                    return await self._end(release, position, act)
                case Wait(until=until):
                    await race(sleep_until(until), signal(ORDER))
                case Ask(about=about):
                    await self._ask(acts, position, about)
                case Again():
                    position = tried_again(position)
                case Do(item=key, attempt=attempt):
                    record = await self._do(acts, position, key, attempt, facts.at)
                    position = moved(release.plan, position, record, facts.at)
                case Promote():
                    record = await self._step(acts, "promote", acts.promote)
                    position = moved(release.plan, position, record, facts.at)
                case Watch():
                    record = await self._step(acts, "watch", lambda: acts.watch(position))  # noqa: B023 - awaited here
                    position = moved(release.plan, position, record, facts.at)
                case LetGo():
                    record = await self._step(acts, "let_go", acts.let_go)
                    position = moved(release.plan, position, record, facts.at)
                case TakeBack():
                    record = await self._take_back(acts, act)
                    position = moved(release.plan, position, record, facts.at)
                case Retire(quarantines=quarantines):
                    record = await self._retire(acts, position, quarantines=quarantines)
                    position = moved(release.plan, position, record, facts.at)

    # --- facts ----------------------------------------------------------------------------------------------

    async def _facts(
        self, acts: Acts, position: Position, orders: Callable[[int], Awaitable[Sequence[Order]]]
    ) -> Facts:
        async def facts() -> Facts:
            router, intake, problems = await self._read(acts)
            return Facts(
                at=self._env.clock.now(),
                epoch=self._authority.epoch,
                router=router,
                intake=intake,
                orders=tuple(await orders(position.seen)),
                problems=problems,
            )

        return await step(facts, name=FACTS, effect=Effect.PURE, identity=position.seen)

    async def _read(self, acts: Acts) -> tuple[int | None, int | None, tuple[str, ...]]:
        """What both planes say; None, with the words, of one that stays silent."""
        end = self._env.clock.monotonic() + READ_SECONDS
        while True:
            try:
                there = await acts.dial.read()
                return there.router, there.intake, ()
            except Unavailable as error:
                if self._env.clock.monotonic() >= end:
                    return None, None, (str(error),)
            await self._env.clock.sleep(1.0)

    async def _orders(self, run_id: RunId, seen: int) -> Sequence[Order]:
        inbox = await self._own.inbox(run_id)
        sent = [msgspec.json.decode(each.value, type=Order) for each in inbox if each.name == ORDER]
        return sent[seen:]

    async def _ask(self, acts: Acts, position: Position, about: str) -> None:
        if position.split:
            await self._step(acts, KEEP, lambda: acts.keep_split(position))
        else:
            await signal(ORDER, about=about)

    # --- acts -----------------------------------------------------------------------------------------------

    async def _do(self, acts: Acts, position: Position, key: str, attempt: int, at: datetime) -> Record:
        item = next(each for each in acts.release.plan.items if each.key == key)
        position = begun(position, item, at)
        return await self._step(
            acts, item_step(item), lambda: acts.do(item, attempt, position), item=key, attempt=attempt
        )

    async def _take_back(self, acts: Acts, act: TakeBack) -> Record:
        async def back() -> Finding:
            got = await traffic_back(self._env, self._authority, acts.dial)
            seconds = (self._env.clock.now() - act.decided_at).total_seconds()
            return replace(got, facts={**got.facts, "seconds": seconds})

        decision: dict[str, Plain] = {
            "quarantines": act.quarantines,
            "automatic": act.automatic,
            "by": act.who,
            "why": act.reason[:1000],
        }
        return await self._step(acts, "take_back", back, decision=decision)

    async def _retire(self, acts: Acts, position: Position, *, quarantines: bool) -> Record:
        async def retire() -> Finding:
            await self._env.clock.sleep(RETRY_SECONDS * position.retire_tries)
            return await leave(
                self._env,
                self._authority,
                acts.release,
                began=position.cutover_began,
                quarantines=quarantines,
            )

        return await self._step(acts, "retire", retire)

    async def _end(self, release: Release, position: Position, act: End) -> Outcome:
        async def end() -> Outcome:
            facts = {"release": release.plan.release, "outcome": act.outcome, "reason": act.reason[:1000]}
            self._env.audit.append("controller", "release.ended", facts)
            seconds = position.taken_back.facts.get("seconds") if position.taken_back else None
            return Outcome(
                outcome=act.outcome,
                reason=act.reason,
                rollback_seconds=float(seconds) if isinstance(seconds, int | float) else None,
                unknown=act.outcome == "refused" and position.unknown,
            )

        return await step(end, effect=Effect.IDEMPOTENT, retry=ONCE)

    async def _step(
        self,
        acts: Acts,
        name: str,
        body: Callable[[], Awaitable[Finding]],
        *,
        item: str = "",
        attempt: int = 1,
        decision: Mapping[str, Plain] = MappingProxyType({}),
    ) -> Record:
        """One act as a kernel step. It never raises: what it could not find out is inconclusive, in its words.

        What was decided is kept with what was found, whatever that is.
        """

        async def perform() -> Record:
            began = self._env.clock.now()
            self._note(acts, f"{name} begun", attempt=attempt)
            finding = scrubbed(await self._guarded(body))
            got = Measurement(
                verdict=finding.verdict,
                evidence=finding.evidence,
                began=began,
                ended=self._env.clock.now(),
                facts={**finding.facts, **decision},
                judgement=finding.judgement,
            )
            self._note(
                acts,
                f"{name} {got.verdict.value}",
                attempt=attempt,
                evidence=got.evidence[:1000],
                **got.facts,
            )
            return Record(act=name, item=item, attempt=attempt, got=got)

        identity: Any = [name, item, attempt]
        return await step(
            perform, name=name, effect=Effect.IDEMPOTENT, retry=ONCE, identity=identity, into=Record
        )

    async def _guarded(self, body: Callable[[], Awaitable[Finding]]) -> Finding:
        """Acts are absolute, so what a target did not answer, or refused for its epoch, is simply done again.

        For a refused epoch a higher one is taken, if nobody else has.
        """
        patience = Patience(self._env.clock)
        while True:
            try:
                await self._authority.require()
                return await body()
            except (Fenced, Unavailable) as error:
                if not patience.bears():
                    return failed(str(error)) if isinstance(error, Fenced) else unknown(error)
                if isinstance(error, Fenced):
                    await self._authority.retake()
                else:
                    await self._env.clock.sleep(RETRY_SECONDS)
            except TakenBack as error:
                return failed(str(error))
            except TimeoutError:
                return unknown(TimeoutError("it took longer than it may"))
            except Exception as error:  # noqa: BLE001 - whatever a measurement raises is no verdict
                return unknown(error)

    def _note(self, acts: Acts, action: str, **facts: Plain) -> None:
        told: dict[str, Plain] = {"release": acts.release.plan.release, "epoch": self._authority.epoch}
        self._env.audit.append("controller", f"release.{action}".replace(" ", "."), {**told, **facts})


def decode_outcome(raw: msgspec.Raw) -> Outcome:
    return msgspec.json.decode(raw, type=Outcome)


def zero_for(plan: Plan, now: datetime) -> datetime:
    """T+0 of a release that starts now: its first item is due at once."""
    first = min((item.at for item in plan.items), default=0.0)
    return now - timedelta(seconds=min(first, 0.0))
