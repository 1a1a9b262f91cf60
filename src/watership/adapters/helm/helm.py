"""A helm holds what a router was told: targets, weights, a pause, an epoch and the dead-man's switch."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from watership.adapters.helm import kept
from watership.adapters.helm.kept import Kept, Moment
from watership.durable.clock import Clock, SystemClock
from watership.errors import BadInput, Conflict, Fenced
from watership.fleet.deployment import Slot
from watership.releases.ports import PATIENCE_SECONDS, RouterState, SlotWeights, Waited

PAUSE_SECONDS = 60.0
"""The longest pause: clients give up before that."""


class Helm(ABC):
    """Changing is serialized, and refused to lower epochs; what follows the helm is a router of some technology.

    A change is on the disk before it is in force and confirmed; a revert of the dead-man's switch is in force
    at once and written after, since a restart past `until` reverts again by itself.
    """

    can_hold: ClassVar[bool] = True
    """Whether it knows how to pause."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()
        self._boot = kept.boot_id()
        self._changing = asyncio.Lock()
        self.state = self._saved = kept.load(path)

    # What a router adds.

    @abstractmethod
    def healthy(self, slot: Slot) -> int:
        """How many of the slot's instances the router itself finds healthy."""

    @abstractmethod
    def active(self, slot: Slot) -> int | None:
        """Requests in flight; None where the router does not tell."""

    @abstractmethod
    def waited(self) -> Waited | None:
        """What the last pause came to."""

    @abstractmethod
    def began(self) -> datetime:
        """When the router's process began."""

    @abstractmethod
    def follow(self) -> None:
        """The state is another now: put it in force, at once or soon."""

    # For the controller.

    def read(self) -> RouterState:
        self.trip_if_due()
        state = self.state
        return RouterState(
            weights=state.weights,
            epoch=state.epoch,
            targets={slot: state.targets.get(slot, ()) for slot in Slot},
            healthy={slot: self.healthy(slot) for slot in Slot},
            active={slot: count for slot in Slot if (count := self.active(slot)) is not None},
            paused=self.paused,
            writes_only=self.paused and state.writes_only,
            can_hold=self.can_hold,
            waited=self.waited(),
            until=state.until.wall if state.until else None,
            last_safe=state.last_safe,
            started_at=self.began(),
        )

    async def retarget(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> None:
        """Other addresses for the slot; each stands once, in the order given."""
        named = {slot: tuple(dict.fromkeys(addresses))}
        async with self._changing:
            self._put(
                await self._written(
                    lambda state: replace(state, epoch=self._checked(epoch), targets=state.targets | named)
                )
            )

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
            self._put(
                await self._written(
                    lambda state: replace(
                        state,
                        weights=self._raisable(weights),
                        epoch=self._checked(epoch),
                        until=self._moment(hold_seconds) if hold_seconds is not None else None,
                        last_safe=last_safe,
                    )
                )
            )
        return self.read()

    async def pause(
        self,
        *,
        seconds: float,
        epoch: int,
        writes_only: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        if not 0 < seconds <= PAUSE_SECONDS:
            raise BadInput(f"A pause lasts more than 0 and at most {PAUSE_SECONDS:g} s; got {seconds:g}.")
        if not 0 < patience <= PAUSE_SECONDS:
            raise BadInput(f"A request is held for at most {PAUSE_SECONDS:g} s; got {patience:g}.")
        async with self._changing:
            until = self._moment(seconds)
            self._put(
                await self._written(
                    lambda state: replace(
                        state,
                        epoch=self._checked(epoch),
                        paused_until=until,
                        writes_only=writes_only,
                        patience=patience,
                    )
                )
            )

    async def resume(self, *, epoch: int) -> None:
        async with self._changing:
            self._put(
                await self._written(
                    lambda state: replace(state, epoch=self._checked(epoch), paused_until=None)
                )
            )

    async def take(self, epoch: int) -> None:
        """Obey this epoch from now on, and none below it."""
        async with self._changing:
            self._put(await self._written(lambda state: replace(state, epoch=self._checked(epoch))))

    @property
    def paused(self) -> bool:
        until = self.state.paused_until
        return until is not None and not until.passed(self._now())

    @property
    def pause_left(self) -> float:
        """Seconds until a pause ends by itself; 0 when none is in force."""
        until = self.state.paused_until
        return max(0.0, until.seconds_left(self._now())) if until is not None else 0.0

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

    def _raisable(self, weights: SlotWeights) -> SlotWeights:
        for slot, weight in weights.items():
            if weight > self.state.weights.get(slot, 0) and not self.healthy(slot):
                known = ", ".join(self.state.targets.get(slot, ())) or "none"
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
        self.follow()

    def _now(self) -> Moment:
        return Moment(self._clock.now(), self._clock.monotonic(), self._boot)

    def _moment(self, seconds: float) -> Moment:
        now = self._now()
        return Moment(now.wall + timedelta(seconds=seconds), now.since_boot + seconds, now.boot)


def check_weights(weights: SlotWeights) -> SlotWeights:
    """All slots with their weights, if each is within 0..100 and they sum to 100; BadInput otherwise."""
    if any(not 0 <= weight <= 100 for weight in weights.values()) or sum(weights.values()) != 100:
        shares = ", ".join(f"{slot} {weight} %" for slot, weight in weights.items())
        raise BadInput(f"Weights must be within 0 and 100 and sum to 100; got {shares or 'none'}.")
    return {slot: weights.get(slot, 0) for slot in Slot}
