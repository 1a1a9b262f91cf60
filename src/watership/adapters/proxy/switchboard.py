"""The switchboard decides for each request which slot and which instance gets it, as the helm says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from watership.adapters.helm.helm import Helm
from watership.adapters.helm.traffic import Traffic
from watership.adapters.proxy.instance import Instance
from watership.adapters.proxy.queue import Queue
from watership.adapters.proxy.smooth import Rotation
from watership.durable.clock import Clock
from watership.errors import BadInput
from watership.fleet.deployment import Slot
from watership.releases.ports import PATIENCE_SECONDS, Waited

HELD_COUNT = 1000
"""Requests held during a pause; each is one connection and at most a few hundred KiB."""


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


class Switchboard(Helm):
    """The helm of the embedded proxy. Choosing is synchronous.

    New weights come into force all at once, between two requests: no request finds the one slot lowered and the
    other not yet raised.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        super().__init__(path, clock)
        self._rotation = Rotation()
        self._turned: object = None
        self._resumed = asyncio.Event()
        self._queue = Queue()
        self._began = self._clock.now()
        since = int(time.time())
        self.lines = {slot: Line(slot, since) for slot in Slot}
        for slot, addresses in self.state.targets.items():
            self.lines[slot].instances = tuple(Instance(address) for address in addresses)
        self.follow()
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

    def holds(self, *, reads: bool) -> bool:
        """Whether a pause holds such a request now."""
        return self.paused and not (reads and self.state.writes_only)

    async def hold(self) -> str:
        """Wait for the end of a pause; what to say when that takes too long or too many wait, empty when it is over."""
        if self._queue.waiting >= HELD_COUNT:
            self._queue.turned_away()
            return "Requests are paused, and as many as can be held are waiting."
        came = self._queue.enter(self._clock.monotonic())
        try:
            async with asyncio.timeout(self.state.patience):
                await self._until_resumed()
        except TimeoutError:
            self._queue.turned_away()
            return "Requests are paused."
        finally:
            self._queue.leave(came, self._clock.monotonic())
        return ""

    async def _until_resumed(self) -> None:
        while (left := self.pause_left) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._resumed.wait()
            except TimeoutError:
                continue

    # For the controller.

    def healthy(self, slot: Slot) -> int:
        return self.lines[slot].healthy

    def active(self, slot: Slot) -> int:
        return self.lines[slot].active

    def waited(self) -> Waited | None:
        return self._queue.told()

    def began(self) -> datetime:
        return self._began

    def follow(self) -> None:
        if self._turned is not self.state.weights:
            self._turned = self.state.weights
            self._rotation.reset()
        if self.state.paused_until is None:
            self._resumed.set()
        else:
            self._resumed.clear()

    async def set_targets(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> Sequence[Instance]:
        """Put the slot's addresses in force; the instances that are new. Known ones keep their health."""
        known = {instance.address: instance for instance in self.lines[slot].instances}
        chosen = tuple(known.get(address) or parse(address) for address in dict.fromkeys(addresses))
        await self.retarget(slot, addresses, epoch=epoch)
        self.lines[slot].instances = chosen
        for gone in set(known.values()) - set(chosen):
            gone.close_idle(float("inf"))
        return [instance for instance in chosen if instance.address not in known]

    async def pause(
        self,
        *,
        seconds: float,
        epoch: int,
        writes_only: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        goes_on = self.paused
        await super().pause(seconds=seconds, epoch=epoch, writes_only=writes_only, patience=patience)
        if not goes_on:
            self._queue.begin()

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int:
        await self.take(epoch)
        return await self.lines[slot].drained(seconds)

    # For the watch over time.

    def note(self, slot: Slot, latency: float, *, failed: bool) -> None:
        """Count a request that has ended."""
        self.lines[slot].traffic.add(int(time.time()), latency, failed=failed)


def parse(address: str) -> Instance:
    """The instance at host:port; BadInput when it is not such an address."""
    try:
        return Instance(address)
    except ValueError as error:
        raise BadInput(f"{address!r} is not host:port.") from error
