"""Known outcomes: the program has gone on from them already, and the store does not hold them yet.

They are held for a moment, for the company of the write that comes next; then they are under way, until they land.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum

from watership.durable.events import AnyEvent

LINGER_TICKS = 32
"""Turns of the event loop that an outcome waits for company: a program that returns is heard of after one to four, an
agent's loop comes to its next step or its end after eleven to twenty-four, mostly. Turns, not milliseconds: a loaded
loop has long turns, and needs the company most."""


class Phase(Enum):
    """Where the known outcomes of a run are."""

    NONE = "none"
    HELD = "held"
    FLYING = "flying"
    BROKEN = "broken"  # refused: the program has gone on from what never was


MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.NONE: frozenset({Phase.HELD}),
    Phase.HELD: frozenset({Phase.HELD, Phase.FLYING}),
    Phase.FLYING: frozenset({Phase.NONE, Phase.BROKEN}),
    Phase.BROKEN: frozenset(),
}
"""None is held while others fly: so one write at most has known outcomes, and all of them have one fate."""


class Known:
    """The known outcomes of one run. `send` is called when those that are held have had no company: it takes them."""

    __slots__ = ("_held", "_landing", "_linger", "_send", "phase")

    def __init__(self, send: Callable[[], None]) -> None:
        self.phase = Phase.NONE
        self._send = send
        self._held: list[AnyEvent] = []
        self._landing: list[asyncio.Future[None]] = []
        self._linger: asyncio.Handle | None = None

    def hold(self, outcome: AnyEvent) -> None:
        """Keep an outcome back until it is taken, for so many turns of the loop at most."""
        self._become(Phase.HELD)
        self._held.append(outcome)
        if self._linger is None:
            self._wait_for_company(LINGER_TICKS)

    def take(self) -> tuple[AnyEvent, ...]:
        """All that are held, in order, for the write that is being sent: they are under way now."""
        if self.phase is not Phase.HELD:
            return ()
        self._become(Phase.FLYING)
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        held = tuple(self._held)
        self._held.clear()
        return held

    def land(self, *, broken: bool = False) -> None:
        """Those that were under way are committed, or never will be: `broken` if the store has refused them."""
        self._become(Phase.BROKEN if broken else Phase.NONE)
        landing, self._landing = self._landing, []
        for each in landing:
            if not each.done():
                each.set_result(None)

    async def landed(self) -> bool:
        """Return once none is under way: whether the program may go on, because none was refused."""
        if self.phase is Phase.FLYING:
            landing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._landing.append(landing)
            await landing
        return self.phase is not Phase.BROKEN

    def _become(self, phase: Phase) -> None:
        assert phase in MOVES[self.phase], f"known outcomes that are {self.phase.value} become {phase.value}"
        self.phase = phase

    def _wait_for_company(self, ticks: int) -> None:
        if ticks:
            self._linger = asyncio.get_running_loop().call_soon(self._wait_for_company, ticks - 1)
        else:
            self._send()
