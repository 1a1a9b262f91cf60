"""The switchboard decides for each request which slot and which instance gets it, and obeys epochs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace

from watership.adapters.proxy import kept
from watership.adapters.proxy.instance import Instance
from watership.adapters.proxy.kept import Kept, Moment
from watership.adapters.proxy.smooth import Rotation
from watership.adapters.proxy.traffic import Traffic
from watership.durable.clock import Clock, SystemClock
from watership.errors import BadInput, Conflict, Fenced
from watership.fleet.deployment import Slot
from watership.releases.ports import RouterState, SlotWeights, TrafficTick

PAUSE_SECONDS = 60.0
"""The longest pause: clients give up before that."""


class Line:
    """One slot: its instances, what is in flight, what it did."""

    def __init__(self, slot: Slot, since: int) -> None:
        self.slot = slot
        self.instances: tuple[Instance, ...] = ()
        self.active = 0
        self.traffic = Traffic(since)
        self._next = 0
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()

    def choose(self, spurned: Iterable[Instance] = ()) -> Instance | None:
        """The next healthy instance in turn, other than those that just failed."""
        count = len(self.instances)
        for offset in range(count):
            found = self.instances[(self._next + offset) % count]
            if found.healthy and found not in spurned:
                self._next = (self._next + offset + 1) % count
                return found
        return None

    @property
    def healthy(self) -> int:
        return sum(instance.healthy for instance in self.instances)

    def enter(self) -> None:
        self.active += 1
        self._idle.clear()

    def leave(self) -> None:
        self.active -= 1
        if self.active == 0:
            self._idle.set()

    async def drained(self, seconds: float) -> int:
        """Wait until nothing is in flight, `seconds` at most; how many requests still are."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            pass
        return self.active


class Switchboard:
    """Weights, epoch, targets, pause and dead-man's switch. Choosing is synchronous, changing is serialized.

    New weights come into force all at once, between two requests: no request finds the one slot lowered and the
    other not yet raised.

    A change is on the disk before it is in force and confirmed; a revert of the dead-man's switch is in force
    at once and written after, since a restart past `until` reverts again by itself.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()
        self._boot = kept.boot_id()
        self._changing = asyncio.Lock()
        self._rotation = Rotation()
        self._resumed = asyncio.Event()
        self.started_at = self._clock.now()
        self.state = self._saved = kept.load(path)
        since = int(time.time())
        self.lines = {slot: Line(slot, since) for slot in Slot}
        for slot, addresses in self.state.targets.items():
            self.lines[slot].instances = tuple(Instance(address) for address in addresses)
        self._show_pause()
        self.trip_if_due()

    # For each request.

    def pick(self, spurned: Sequence[Instance] = ()) -> tuple[Line, Instance | None]:
        """Where the next request goes; no instance when no slot that may take it has a healthy one.

        A slot with weight but without a healthy instance leaves its turn to the other one, if that one has
        weight or is what would be reverted to.
        """
        self.trip_if_due()
        slot = self._rotation.turn(self.state.weights)
        assert slot is not None, "weights sum to 100"
        lines = [self.lines[slot]]
        if self._may_stand_in(slot.other):
            lines.append(self.lines[slot.other])
        for line in lines:
            if (instance := line.choose(spurned)) is not None:
                return line, instance
        # Those that just failed are better than none: the failure may have been a race.
        return lines[0], lines[0].choose()

    def _may_stand_in(self, slot: Slot) -> bool:
        safe = self.state.last_safe or {}
        return self.state.weights.get(slot, 0) > 0 or safe.get(slot, 0) > 0

    @property
    def paused(self) -> bool:
        until = self.state.paused_until
        return until is not None and not until.passed(self._now())

    async def wait_resumed(self) -> None:
        """Return once no pause is in force."""
        while (until := self.state.paused_until) is not None:
            left = until.seconds_left(self._now())
            if left <= 0:
                return
            try:
                async with asyncio.timeout(left):
                    await self._resumed.wait()
            except TimeoutError:
                continue

    # For the controller.

    def read(self) -> RouterState:
        self.trip_if_due()
        state = self.state
        return RouterState(
            weights=state.weights,
            epoch=state.epoch,
            targets={slot: tuple(i.address for i in line.instances) for slot, line in self.lines.items()},
            healthy={slot: line.healthy for slot, line in self.lines.items()},
            active={slot: line.active for slot, line in self.lines.items()},
            paused=self.paused,
            until=state.until.wall if state.until else None,
            last_safe=state.last_safe,
            started_at=self.started_at,
        )

    async def set_targets(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> Sequence[Instance]:
        """Put the slot's addresses in force; the instances that are new. Known ones keep their health."""
        known = {instance.address: instance for instance in self.lines[slot].instances}
        chosen = tuple(known.get(address) or parse(address) for address in dict.fromkeys(addresses))
        async with self._changing:
            named = {slot: tuple(instance.address for instance in chosen)}
            self.state = await self._written(
                lambda state: replace(state, epoch=self._checked(epoch), targets=state.targets | named)
            )
            self.lines[slot].instances = chosen
        for gone in set(known.values()) - set(chosen):
            gone.close_idle(float("inf"))
        return [instance for instance in chosen if instance.address not in known]

    async def set_weights(
        self,
        weights: SlotWeights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: SlotWeights | None = None,
    ) -> RouterState:
        weights = check_weights(weights)
        last_safe = check_weights(last_safe) if last_safe is not None else None
        if hold_seconds is not None and (hold_seconds <= 0 or last_safe is None):
            raise BadInput("Holding needs a time above 0 s and the weights to return to.")
        async with self._changing:
            state = await self._written(
                lambda state: replace(
                    state,
                    weights=self._raisable(weights),
                    epoch=self._checked(epoch),
                    until=self._moment(hold_seconds) if hold_seconds is not None else None,
                    last_safe=last_safe,
                )
            )
            self._put(state)
        return self.read()

    async def pause(self, *, seconds: float, epoch: int) -> None:
        if not 0 < seconds <= PAUSE_SECONDS:
            raise BadInput(f"A pause lasts more than 0 and at most {PAUSE_SECONDS:g} s; got {seconds:g}.")
        async with self._changing:
            until = self._moment(seconds)
            self.state = await self._written(
                lambda state: replace(state, epoch=self._checked(epoch), paused_until=until)
            )
            self._show_pause()

    async def resume(self, *, epoch: int) -> None:
        async with self._changing:
            self.state = await self._written(
                lambda state: replace(state, epoch=self._checked(epoch), paused_until=None)
            )
            self._show_pause()

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int:
        async with self._changing:
            self.state = await self._written(lambda state: replace(state, epoch=self._checked(epoch)))
        return await self.lines[slot].drained(seconds)

    # For the watch over time.

    def trip_if_due(self) -> bool:
        """Revert to the last safe weights once the hold has run out; whether it did just now."""
        state = self.state
        if state.until is None or state.last_safe is None or not state.until.passed(self._now()):
            return False
        self._put(replace(state, weights=state.last_safe, epoch=state.epoch + 1, until=None, last_safe=None))
        return True

    async def keep(self) -> None:
        """Write the state as it stands, if that is not what was written: after a revert."""
        async with self._changing:
            if self._saved != self.state:
                await self._save(self.state)

    def note(self, slot: Slot, latency: float, *, failed: bool) -> None:
        """Count a request that has ended."""
        self.lines[slot].traffic.add(int(time.time()), latency, failed=failed)

    def ticks(self, *, after: int, until: int) -> dict[Slot, Sequence[TrafficTick]]:
        now = int(time.time())
        return {
            slot: line.traffic.ticks(after=after, until=until, now=now) for slot, line in self.lines.items()
        }

    def _raisable(self, weights: SlotWeights) -> SlotWeights:
        for slot, weight in weights.items():
            if weight > self.state.weights.get(slot, 0) and not self.lines[slot].healthy:
                known = ", ".join(i.address for i in self.lines[slot].instances) or "none"
                raise Conflict(
                    f"The router finds no healthy instance of {slot}, so its weight stays at "
                    f"{self.state.weights.get(slot, 0)} %. Instances: {known}.",
                    fix="Wait until GET /readyz of an instance answers 200, then set the weights again.",
                )
        return weights

    def _checked(self, epoch: int) -> int:
        self.trip_if_due()
        if epoch < self.state.epoch:
            raise Fenced("The router", held=epoch, current=self.state.epoch)
        return epoch

    async def _written(self, change: Callable[[Kept], Kept]) -> Kept:
        """What `change` makes of the present state, once it is on the disk; the caller puts it in force.

        Should the switch trip while the file is written, that counts, and the change is judged again.
        """
        while True:
            base = self.state
            wanted = change(base)
            await self._save(wanted)
            if self.state is base:
                return wanted
            await self._save(self.state)

    async def _save(self, state: Kept) -> None:
        await asyncio.to_thread(kept.save, self._path, state)
        self._saved = state

    def _put(self, state: Kept) -> None:
        self.state = state
        self._rotation.reset()

    def _show_pause(self) -> None:
        if self.state.paused_until is None:
            self._resumed.set()
        else:
            self._resumed.clear()

    def _now(self) -> Moment:
        return Moment(self._clock.now(), self._clock.monotonic(), self._boot)

    def _moment(self, seconds: float) -> Moment:
        now = self._now()
        return Moment(now.wall + timedelta(seconds=seconds), now.since_boot + seconds, now.boot)


def parse(address: str) -> Instance:
    """The instance at host:port; BadInput when it is not such an address."""
    try:
        return Instance(address)
    except ValueError as error:
        raise BadInput(f"{address!r} is not host:port.") from error


def check_weights(weights: SlotWeights) -> SlotWeights:
    """All slots with their weights, if each is within 0..100 and they sum to 100; BadInput otherwise."""
    if any(not 0 <= weight <= 100 for weight in weights.values()) or sum(weights.values()) != 100:
        shares = ", ".join(f"{slot} {weight} %" for slot, weight in weights.items())
        raise BadInput(f"Weights must be within 0 and 100 and sum to 100; got {shares or 'none'}.")
    return {slot: weights.get(slot, 0) for slot in Slot}
