"""The agent of a rule of AWS: it keeps what the router was told, has the rule show it, and goes on looking."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

from msgspec.structs import replace

from watership.adapters.aws.balancer import Balancer
from watership.adapters.aws.sight import DELAY_SECONDS, Mark, Sight, checked, orders
from watership.adapters.helm.answering import answered
from watership.adapters.helm.calls import RouterCall, Ticks, Totals
from watership.adapters.helm.helm import Helm
from watership.adapters.helm.kept import Kept, Moment
from watership.adapters.helm.traffic import Traffic
from watership.adapters.unixline.calls import CallServer
from watership.durable.clock import Clock
from watership.durable.ports import Observer
from watership.errors import BadInput, Conflict, Unavailable, WatershipError
from watership.fleet.deployment import Slot
from watership.releases.ports import PATIENCE_SECONDS, RouterState, SlotWeights

LOOK_SECONDS: Final = 3.0
"""Between two looks. AWS counts calls, and a rule changes when somebody changes it."""

FRESH_SECONDS: Final = 0.5
"""What was seen so long ago is what there is, for who merely reads; no act is confirmed by it."""

TRIES: Final = 4
"""Looks and orders for one change before AWS counts as not obeying: the first order suffices, as a rule."""

OBEY_SECONDS: Final = 6.0
"""For all tries: who called waits for ten."""


class AwsHelm(Helm):
    """A helm whose facts are what AWS showed last."""

    can_hold = False

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.follows = not path.exists()
        """Nobody has told this agent anything since another one acted: what is there is then what is wanted.

        An agent that kept to what it saw in the midst of another's change would undo the rest of it.
        """
        super().__init__(path, clock)
        self.sight: Sight | None = None
        self._began = self._clock.now()

    def adopt(self, sight: Sight) -> bool:
        """Take over what is done past us: by an agent before us, or by one elsewhere under a higher epoch.

        Whether anything was. Whoever comes with a lower epoch from then on is refused.
        """
        self.follows = self.follows or sight.mark.epoch > self.state.epoch
        if not self.follows:
            return False
        said = sight.mark
        there = Kept(
            weights=sight.weights,
            epoch=said.epoch,
            targets={slot: tuple(sight.addresses(slot)) for slot in Slot},
            # By the wall clock: it was set by another machine's.
            until=Moment(said.until, 0.0, "") if said.until else None,
            last_safe=said.last_safe,
        )
        if there == self.state:
            return False
        self._put(there)
        return True

    def lead(self) -> None:
        """Somebody told us something, and it was taken: from now on what is kept here is what is wanted."""
        self.follows = False

    async def keep(self) -> None:
        """What another agent does is its own to keep."""
        if not self.follows:
            await super().keep()

    def trip_if_due(self) -> bool:
        fired = super().trip_if_due()
        if fired:
            self.lead()
        return fired

    @property
    def mark(self) -> Mark:
        state = self.state
        return Mark(
            epoch=state.epoch, until=state.until.wall if state.until else None, last_safe=state.last_safe
        )

    def seconds_left(self) -> float | None:
        """Until the dead-man's switch fires; None while it is not armed."""
        until = self.state.until
        return None if until is None else until.seconds_left(self._now())

    def healthy(self, slot: Slot) -> int:
        wanted = self.state.targets.get(slot, ())
        return sum(each in wanted for each in self.sight.healthy(slot)) if self.sight else 0

    def active(self, slot: Slot) -> None:
        """AWS tells nobody what is in flight."""

    def began(self) -> datetime:
        return self._began

    def waited(self) -> None:
        """It holds nobody."""

    def follow(self) -> None:
        """The agent has the rule follow right after each change, and looks again all the time."""


class AwsAgent:
    """A Router of this process, and its control socket: `async with AwsAgent(…) as agent`.

    A call is confirmed once AWS itself shows what it asked for; Unavailable if it does not, and the next look tries
    again. What AWS cannot do is refused: it holds no requests, and counts none by the second.
    """

    def __init__(
        self,
        state: Path,
        *,
        balancer: Balancer,
        observer: Observer,
        control: Path | None = None,
        clock: Clock | None = None,
        look_seconds: float = LOOK_SECONDS,
        drain_seconds: float = DELAY_SECONDS,
    ) -> None:
        self.helm = AwsHelm(state, clock)
        self.address = ""
        self._balancer = balancer
        self._observer = observer
        self._control = control
        self._look_seconds = look_seconds
        self._drain_seconds = drain_seconds
        self._acting = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._seen_at = 0.0
        self._silent = False

    async def __aenter__(self) -> Self:
        self.address = await self._balancer.entrance()
        await self._look()
        await self.helm.keep()
        await self._obey()
        if self._control is not None:
            server: CallServer[RouterCall] = CallServer(self._control, RouterCall, self._answer)
            await self._stack.enter_async_context(server)
        self._looking = asyncio.create_task(self._look_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)
        await self._stack.aclose()

    # The router.

    @property
    def traffic(self) -> Mapping[Slot, Traffic]:
        """None: see `ticks` of whoever keeps the metrics."""
        return {}

    async def read(self) -> RouterState:
        """What AWS shows, as of half a second ago at most."""
        if self.helm.trip_if_due():
            await self._obey()
        sight = self.helm.sight
        if sight is None or asyncio.get_running_loop().time() - self._seen_at > FRESH_SECONDS:
            sight = await self._look()
        return self._told(sight)

    async def set_targets(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> None:
        """New ones are registered before old ones are let go; AWS takes some of its health checks to find one well."""
        addresses = checked(addresses)
        sight = await self._look()
        await self.helm.retarget(slot, addresses, epoch=epoch)
        self.helm.lead()
        await self._obey(sight)

    async def set_weights(
        self,
        weights: SlotWeights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: SlotWeights | None = None,
    ) -> RouterState:
        sight = await self._look()  # who is healthy decides whether a slot may be raised
        await self.helm.set_weights(weights, epoch=epoch, hold_seconds=hold_seconds, last_safe=last_safe)
        self.helm.lead()
        return self._told(await self._obey(sight))

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int | None:
        """Wait as long as a target that is let go is waited for, `seconds` at most: nobody tells when it is empty."""
        sight = await self._look()
        await self.helm.take(epoch)
        self.helm.lead()
        await self._obey(sight)
        await asyncio.sleep(min(seconds, self._drain_seconds))
        return None

    async def pause(
        self,
        *,
        seconds: float,
        epoch: int,
        writes_only: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> NoReturn:
        await self._look()
        await self.helm.take(epoch)
        raise BadInput(
            "A load balancer of AWS cannot hold requests.",
            fix="Let the service refuse writes with 503 and Retry-After, as its read-only mode does.",
        )

    async def resume(self, *, epoch: int) -> None:
        """Nothing is held, ever."""
        await self._look()
        await self.helm.take(epoch)

    # Having AWS obey.

    async def _look(self) -> Sight:
        sight = await self._balancer.look()
        self.helm.sight, self._seen_at = sight, asyncio.get_running_loop().time()
        if self.helm.follows and sight.strangers:
            raise Conflict(
                f"The rule sends to {', '.join(sight.strangers)}, which is no slot's target group.",
                fix="Let it forward to the two slots' target groups alone.",
            )
        if self.helm.adopt(sight):
            self._observer.note("router adopted", epoch=sight.mark.epoch, weights=dict(sight.weights))
        return sight

    async def _obey(self, sight: Sight | None = None) -> Sight:
        """Give orders until AWS shows what is wanted; what it shows then. Raises Unavailable.

        `sight`: of just now, before the change, so that only what comes of the orders has to be looked at.
        """
        if self._acting.locked():
            sight = None  # it will be another one by the time it is our turn
        async with self._acting:
            deadline = asyncio.get_running_loop().time() + OBEY_SECONDS
            objection = ""
            for _ in range(TRIES):
                sight = sight or await self._look()
                state = self.helm.state
                lacking = list(
                    orders(sight, weights=state.weights, targets=state.targets, mark=self.helm.mark)
                )
                if not lacking:
                    return sight
                sight = None
                if asyncio.get_running_loop().time() > deadline:
                    break
                try:
                    for order in lacking:
                        await self._balancer.order(order)
                except Unavailable as error:
                    objection = str(error)  # it may have been done all the same: look again
            raise Unavailable(
                f"AWS does not show what it is told: {objection or 'it shows something else each time'}"
            )

    async def _look_on(self) -> None:
        """Look all the time: after a revert, or somebody's own orders, the rule is put right."""
        while True:
            left = self.helm.seconds_left()
            await asyncio.sleep(
                max(0.05, min(self._look_seconds, self._look_seconds if left is None else left))
            )
            try:
                self.helm.trip_if_due()
                sight = await self._look()
                before = self._lacks(sight)
                await self.helm.keep()
                if before:
                    await self._obey(sight)
            except (WatershipError, OSError) as error:
                if not self._silent:
                    self._observer.note("router does not obey", why=str(error))
                self._silent = True
                continue
            if before or self._silent:
                self._observer.note("router put right", weights=dict(self.helm.state.weights))
            self._silent = False

    def _lacks(self, sight: Sight) -> bool:
        state = self.helm.state
        return any(orders(sight, weights=state.weights, targets=state.targets, mark=self.helm.mark))

    def _told(self, sight: Sight) -> RouterState:
        """The state with what AWS shows in place of what was asked: weights, targets, and whose word holds."""
        state = self.helm.read()
        return replace(
            state,
            weights=sight.weights,
            targets={slot: _ordered(sight.addresses(slot), state.targets.get(slot, ())) for slot in Slot},
        )

    async def _answer(self, call: RouterCall) -> object:
        match call:
            case Ticks() | Totals():
                raise Unavailable(
                    "AWS does not count requests by the second: what the slots do, it does not tell.",
                    fix="Name who keeps the metrics: [environment] prometheus.",
                )
            case _:
                return await answered(self, call, now=0)


def _ordered(shown: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """AWS lists targets in an order of its own; ours, where we know them."""
    return tuple(
        sorted(shown, key=lambda each: (list(known).index(each) if each in known else len(known), each))
    )
