"""The agent beside HAProxy: it keeps what the router was told, makes HAProxy obey, and goes on looking."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from msgspec.structs import replace

from watership.adapters.files.replace import replace_file
from watership.adapters.haproxy.configuration import seating
from watership.adapters.haproxy.log import RequestLog
from watership.adapters.haproxy.runtime import Runtime, Sight
from watership.adapters.haproxy.seats import HOLD, checked, orders, seated, shares
from watership.adapters.helm.answering import answered
from watership.adapters.helm.calls import RouterCall
from watership.adapters.helm.helm import Helm
from watership.adapters.helm.traffic import Traffic
from watership.adapters.http.readiness import READY_PATH
from watership.adapters.unixline.calls import CallServer
from watership.durable.clock import Clock
from watership.durable.ports import Observer
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.ports import PATIENCE_SECONDS, RouterState, SlotWeights, Waited

LOOK_SECONDS: Final = 0.25
"""Between two looks: after a reload or a restart HAProxy obeys again within this and a few milliseconds."""

TRIES: Final = 4
"""Looks and orders for one change before HAProxy counts as not obeying: the first order suffices, as a rule."""

FIRST_LOOK_SECONDS: Final = 1.0
"""HAProxy looks at a new seat within half a second, and a healthy instance answers at once."""

PAUSE_STEP: Final = 0.5
"""Seconds by which HAProxy's end of a pause may differ from ours before it is told again."""

DRAIN_SECONDS: Final = 0.05
"""Between two looks at what is still in flight."""


class HaproxyHelm(Helm):
    """A helm whose facts are what HAProxy showed last."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        super().__init__(path, clock)
        self.sight: Sight | None = None
        self._began = self._clock.now()
        self._pid = 0
        self._counting = 0

    def saw(self, sight: Sight) -> int:
        """Take in a look; how many lines of HAProxy's log were lost since the last one."""
        before, self.sight = self.sight, sight
        if sight.pid != self._pid:
            self._pid = sight.pid
            self._began = self._clock.now() - timedelta(seconds=sight.uptime)
            return 0
        return sight.dropped - before.dropped if before else 0

    def healthy(self, slot: Slot) -> int:
        seats = self.sight.seats if self.sight else ()
        wanted = self.state.targets.get(slot, ())
        return sum(
            seat.healthy for seat in seats if seat.slot is slot and not seat.parked and seat.address in wanted
        )

    def active(self, slot: Slot) -> int:
        return sum(seat.active for seat in (self.sight.seats if self.sight else ()) if seat.slot is slot)

    def waited(self) -> Waited | None:
        """Of the process in which the pause began: what another one held is not known."""
        return self.sight.pause.waited if self.sight and self.sight.pid == self._counting else None

    def counts_from_here(self) -> None:
        """A pause has begun, in the process that was seen last."""
        self._counting = self._pid

    def began(self) -> datetime:
        return self._began

    def follow(self) -> None:
        """The agent obeys right after each change, and looks again all the time."""


class HaproxyAgent:
    """A Router of this process, and its control socket: `async with HaproxyAgent(…) as agent`.

    `seating` is the file of HAProxy's configuration that the agent keeps in step with what is in force. A call is
    confirmed once HAProxy itself shows what it asked for; Unavailable if it does not, and the next look tries again.
    """

    def __init__(
        self,
        state: Path,
        *,
        runtime: Path,
        seating: Path,
        log: Path,
        observer: Observer,
        health: str = READY_PATH,
        control: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        since = int(time.time())
        self.helm = HaproxyHelm(state, clock)
        self.traffic = {slot: Traffic(since) for slot in Slot}
        self._runtime = Runtime(runtime)
        self._seating = seating
        self._health = health
        self._log = RequestLog(log, self.traffic, self._heavier)
        self._control = control
        self._observer = observer
        self._acting = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._silent = False

    async def __aenter__(self) -> Self:
        await self.helm.keep()
        await self._stack.enter_async_context(self._log)
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

    async def read(self) -> RouterState:
        if self.helm.trip_if_due():
            await self._obey()
        sight = await self._look()
        state = self.helm.read()
        chairs = seated(state.targets, state.weights, sight.seats)
        # What it shows counts, not what was asked: orders that would still be needed say that it does not obey.
        return replace(state, weights=shares(sight.seats)) if orders(chairs, sight.seats) else state

    async def set_targets(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> None:
        """Returns once HAProxy has looked at each new instance, or after a second: who does not answer takes longer."""
        await self.helm.retarget(slot, checked(addresses), epoch=epoch)
        await self._obey()
        deadline = asyncio.get_running_loop().time() + FIRST_LOOK_SECONDS
        while self.helm.healthy(slot) < len(set(addresses)) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(DRAIN_SECONDS)
            await self._look()
        await self._obey()  # as many as are healthy share the slot's weight

    async def set_weights(
        self,
        weights: SlotWeights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: SlotWeights | None = None,
    ) -> RouterState:
        await self._look()  # who is healthy decides whether a slot may be raised
        await self.helm.set_weights(weights, epoch=epoch, hold_seconds=hold_seconds, last_safe=last_safe)
        await self._obey()
        return self.helm.read()

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int:
        await self.helm.take(epoch)
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            await self._look()
            left = self.helm.active(slot)
            if not left or asyncio.get_running_loop().time() >= deadline:
                return left
            await asyncio.sleep(min(DRAIN_SECONDS, seconds))

    async def pause(
        self,
        *,
        seconds: float,
        epoch: int,
        writes_only: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        goes_on = self.helm.paused
        await self.helm.pause(seconds=seconds, epoch=epoch, writes_only=writes_only, patience=patience)
        await self._obey()
        if not goes_on:
            self.helm.counts_from_here()

    async def resume(self, *, epoch: int) -> None:
        await self.helm.resume(epoch=epoch)
        await self._obey()

    # Making HAProxy obey.

    async def _look(self) -> Sight:
        sight = await self._runtime.look()
        if lost := self.helm.saw(sight):
            self._observer.note("router log lost", lines=lost)
            for counted in self.traffic.values():
                counted.begin_again(int(time.time()))
        return sight

    async def _obey(self) -> int:
        """Give orders until HAProxy shows what is wanted; how many it took. Raises Unavailable."""
        async with self._acting:
            given = 0
            objections = ""
            for _ in range(TRIES):
                sight = await self._look()
                state = self.helm.state
                chairs = seated(state.targets, state.weights, sight.seats)
                wanted = [*orders(chairs, sight.seats), *self._hold(sight)]
                if not wanted:
                    seats = seating(chairs, health=self._health).encode()
                    await asyncio.to_thread(_keep, self._seating, seats)
                    return given
                given += len(wanted)
                objections = await self._runtime.order(wanted)
            raise Unavailable(
                f"HAProxy does not hold what it is told: {objections or 'it shows something else each time'}."
            )

    def _hold(self, sight: Sight) -> list[str]:
        """What HAProxy is to be told of a pause: how long first, and whom it holds then."""
        state, left, shown = self.helm.state, self.helm.pause_left, sight.pause
        writes = left > 0 and state.writes_only
        servers = {"all": (left > 0 and not writes, shown.all), "writes": (writes, shown.writes)}
        turned = [
            f"set server {HOLD}/{name} state {'ready' if wanted else 'maint'}"
            for name, (wanted, there) in servers.items()
            if wanted != there
        ]
        late = abs(shown.left - left) > PAUSE_STEP or (shown.left > 0) != (left > 0)
        return ([f"watership pause {left:.3f} {state.patience:g}"] if turned or late else []) + turned

    async def _look_on(self) -> None:
        """Look all the time: after a reload, a restart, a revert, or somebody's own orders HAProxy obeys again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.helm.trip_if_due()
                await self.helm.keep()
                given = await self._obey()
            except (Unavailable, OSError) as error:
                if not self._silent:
                    self._observer.note("router does not obey", why=str(error))
                self._silent = True
                continue
            if given or self._silent:
                self._observer.note("router put right", orders=given, weights=dict(self.helm.state.weights))
            self._silent = False

    async def _answer(self, call: RouterCall) -> object:
        return await answered(self, call, now=int(time.time()))

    def _heavier(self) -> Slot:
        weights = self.helm.state.weights
        return max(Slot, key=lambda slot: weights.get(slot, 0))


def _keep(path: Path, content: bytes) -> None:
    """Have this in the file; it is looked at four times a second, and written and flushed only where it differs."""
    if not path.exists() or path.read_bytes() != content:
        replace_file(path, content)
