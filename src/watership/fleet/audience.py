"""An audience is who watches runs at this moment, in any process: what nobody watches need not be told."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Self

import msgspec

from watership.durable.clock import Clock
from watership.durable.ids import RunId
from watership.fleet.fanout import GAP, Ear, Fanout

TOPIC: Final = "audience"

TELL_SECONDS: Final = 10.0
"""How often a process says again which runs are watched in it."""

LAPSE_SECONDS: Final = 35.0
"""How long a run counts as watched after somebody said so: three of its sayings may get lost."""

WATCHED: Final = 10_000
"""Runs that are known as watched; of more the ones that were told of first are forgotten, and told no tokens."""

NAMED: Final = 100
"""Runs in one message: their names fit into it with room to spare."""


class _Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """`runs` are watched. `anew`: by somebody who has seen nothing yet. `ask`: whoever watches is to say so."""

    runs: tuple[RunId, ...] = ()
    anew: bool = False
    ask: bool = False


_decoder = msgspec.msgpack.Decoder(_Word)
_encode = msgspec.msgpack.Encoder().encode

Welcome = Callable[[RunId], None]


class Audience:
    """One for a process. Open it, and close it. What is lost on the way costs tokens, and never an event."""

    def __init__(self, fanout: Fanout, clock: Clock) -> None:
        self._fanout = fanout
        self._clock = clock
        self._here: Counter[RunId] = Counter()
        self._known: OrderedDict[RunId, float] = OrderedDict()
        self._welcomes: list[Welcome] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_hearing(), name="audience")
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    @contextmanager
    def watching(self, run_id: RunId) -> Iterator[None]:
        """Somebody in this process watches the run inside the block, and has seen nothing of it."""
        self._here[run_id] += 1
        self._say(_Word(runs=(run_id,), anew=True))
        try:
            yield
        finally:
            self._here[run_id] -= 1
            if not self._here[run_id]:
                del self._here[run_id]

    def watched(self, run_id: RunId) -> bool:
        """Whether somebody watches the run, as far as is known here."""
        until = self._known.get(run_id)
        return until is not None and until > self._clock.monotonic()

    @contextmanager
    def welcoming(self, welcome: Welcome) -> Iterator[None]:
        """Inside the block `welcome` is told of each run that somebody begins to watch, anywhere."""
        self._welcomes.append(welcome)
        try:
            yield
        finally:
            self._welcomes.remove(welcome)

    async def _keep_hearing(self) -> None:
        async with self._fanout.listen(TOPIC) as ear:
            self._say(_Word(ask=True))
            while True:
                await self._hear_until(ear, self._clock.monotonic() + TELL_SECONDS)
                self._tell()

    async def _hear_until(self, ear: Ear, until: float) -> None:
        while (left := until - self._clock.monotonic()) > 0:
            message = await ear.next(left)
            if message is None:
                return
            self._hear(message)

    def _hear(self, message: bytes) -> None:
        if message == GAP:
            # Something may have been missed: who watches, or who asked.
            self._say(_Word(ask=True))
            self._tell()
            return
        try:
            word = _decoder.decode(message)
        except msgspec.DecodeError:  # of a later version; what it would have told is tokens
            return
        if word.ask:
            self._tell()
        for run_id in word.runs:
            self._note(run_id)
            if word.anew:
                for welcome in self._welcomes:
                    welcome(run_id)

    def _note(self, run_id: RunId) -> None:
        now = self._clock.monotonic()
        self._known[run_id] = now + LAPSE_SECONDS
        self._known.move_to_end(run_id)
        while len(self._known) > WATCHED or next(iter(self._known.values())) <= now:
            self._known.popitem(last=False)

    def _tell(self) -> None:
        runs: Sequence[RunId] = tuple(self._here)
        for first in range(0, len(runs), NAMED):
            self._say(_Word(runs=tuple(runs[first : first + NAMED])))

    def _say(self, word: _Word) -> None:
        self._fanout.publish(TOPIC, _encode(word))
