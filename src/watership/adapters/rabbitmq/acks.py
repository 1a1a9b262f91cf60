"""Acknowledgements of one channel: gathered for one turn of the loop, and said with as few frames as can be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from aiormq.abc import AbstractChannel

from watership.adapters.rabbitmq.calls import Lost, call
from watership.adapters.rabbitmq.supervisor import Supervisor
from watership.durable.ports import Observer


class Frame(msgspec.Struct, frozen=True):
    """One acknowledgement: of `tag`, or of everything up to it."""

    tag: int
    multiple: bool


def frames(outstanding: dict[int, bool]) -> Sequence[Frame]:
    """The acknowledgements that say what is settled among `outstanding` (tag → settled, in the order of arrival).

    `multiple` says "this one and all before it": right for as long as nothing unsettled stands before.
    """
    together, alone, unbroken = 0, [], True
    for tag, settled in outstanding.items():
        unbroken = unbroken and settled
        if unbroken:
            together = tag
        elif settled:
            alone.append(Frame(tag, False))
    return [Frame(together, True), *alone] if together else alone


class Acks:
    """Of one channel; it ends with it."""

    def __init__(self, channel: AbstractChannel, supervisor: Supervisor, observer: Observer) -> None:
        self._channel = channel
        self._supervisor = supervisor
        self._observer = observer
        self._outstanding: dict[int, bool] = {}
        self._refused: list[tuple[int, bool]] = []
        self._flush: asyncio.Task[None] | None = None

    def expect(self, tag: int) -> None:
        """A delivery is here and will be settled or rejected."""
        self._outstanding[tag] = False

    def settle(self, tag: int) -> None:
        """The delivery has served its purpose. Twice is once."""
        if tag in self._outstanding:
            self._outstanding[tag] = True
            self._soon()

    def reject(self, tag: int) -> None:
        """The delivery cannot be used, by anybody: to the dead letters with it."""
        self._refuse(tag, again=False)

    def give_back(self, tag: int) -> None:
        """The delivery is to come again, to whoever is able."""
        self._refuse(tag, again=True)

    async def close(self) -> None:
        """Say what is still to be said, and give the rest back."""
        while self._flush is not None and not self._flush.done():
            await self._flush
        try:
            await self._supervisor.close_channel(self._channel)
        except Lost as error:
            self._observer.note("acknowledgement lost", reason=str(error))

    def _refuse(self, tag: int, *, again: bool) -> None:
        if self._outstanding.pop(tag, None) is not None:
            self._refused.append((tag, again))
            self._soon()

    def _soon(self) -> None:
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._say(), name="acknowledgements")

    async def _say(self) -> None:
        """Runs in the next turn of the loop, when what belongs together has been settled."""
        try:
            while self._refused or any(self._outstanding.values()):
                # First, or "everything up to" would take them along.
                refused, self._refused = self._refused, []
                for tag, again in refused:
                    await call("refusing", self._channel.basic_nack(tag, requeue=again, wait=False))
                said = frames(self._outstanding)
                self._outstanding = {tag: False for tag, settled in self._outstanding.items() if not settled}
                for frame in said:
                    await call(
                        "acknowledging", self._channel.basic_ack(frame.tag, frame.multiple, wait=False)
                    )
        except Lost as error:
            self._observer.note("acknowledgement lost", reason=str(error))
