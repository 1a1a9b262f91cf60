"""A budget says what may be used up at most; it becomes caps, which the kernel holds over children and crashes."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from watership.durable.counters import Cap, Cost
from watership.durable.ids import RunId
from watership.durable.run import Run
from watership.errors import BadInput

MICRO: Final = 1_000_000
"""Money is counted in millionths of a US dollar: a token costs a few of them, or a few hundredths."""

MONEY: Final = "microdollars"
TOKENS: Final = "tokens"
TURNS: Final = "turns"
TOOL_CALLS: Final = "tool_calls"


class Budget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is None is not limited. `usd`: by the price of each model call, input and output. `tokens`: of both.
    `turns`: model calls. `seconds`: until its deadline, from when it was accepted, waits included; children end no
    later."""

    usd: float | None = None
    tokens: int | None = None
    turns: int | None = None
    tool_calls: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            most = getattr(self, name)
            if most is not None and not 0 < most < 10**12:
                raise BadInput(
                    f"A budget of {most} {name} allows nothing, or everything.", fix="Give more than 0."
                )

    def caps(self, counter: str, *, per_day: bool = False) -> tuple[Cap, ...]:
        """The caps that count on `counter`, altogether or by the day (UTC)."""
        limits = {
            MONEY: None if self.usd is None else micros(self.usd),
            TOKENS: self.tokens,
            TURNS: self.turns,
            TOOL_CALLS: self.tool_calls,
        }
        return tuple(
            Cap(counter=counter, unit=unit, most=most, per_day=per_day)
            for unit, most in limits.items()
            if most is not None
        )


_ONE_CALL: Final = {TOOL_CALLS: 1}


def cost_of_call(caps: Iterable[Cap]) -> Cost | None:
    """Of a tool's call. It is counted where somebody limits calls; elsewhere it is not opened for it."""
    counted = tuple(cap for cap in caps if cap.unit == TOOL_CALLS)
    return Cost(_ONE_CALL, lambda _: _ONE_CALL, caps=counted) if counted else None


HOUSE: Final = "house:"
"""Begins the counters on which the runs count that whoever runs the agents limits, whichever agent it is."""

NOTHING_SAID: Final = Budget()


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent says of itself: for each run, with the children of that run; and for all its runs of a day."""

    agent: str
    per_run: Budget = NOTHING_SAID
    per_day: Budget = NOTHING_SAID

    def __post_init__(self) -> None:
        if self.per_day.seconds is not None:
            raise BadInput(
                f"The daily budget of agent {self.agent!r} limits seconds.",
                fix="Limit the seconds of each run.",
            )

    def caps(self, run: RunId) -> tuple[Cap, ...]:
        own = self.per_run.caps(f"run:{run}/{self.agent}")
        return own + self.per_day.caps(f"agent:{self.agent}", per_day=True)

    def of_run(self, run: Run) -> tuple[Cap, ...]:
        """The caps of a run of this agent. One that the agent itself started, or that carries on for it, is under the
        budget of the run that it began with."""
        begun = any(
            cap.counter.startswith("run:") and cap.counter.endswith(f"/{self.agent}") for cap in run.caps
        )
        return self.per_day.caps(f"agent:{self.agent}", per_day=True) if begun else self.caps(run.id)


def house_caps(
    run: Run, *, usd_per_run: float, usd_per_tenant_and_day: float, usd_per_day: float
) -> tuple[Cap, ...]:
    """What whoever runs the agents allows each run, tenant and day; 0 is no limit.

    A run that another one started has the first of these from that one.
    """
    begun = any(cap.counter.startswith(HOUSE) for cap in run.caps)
    limits = (
        (0.0 if begun else usd_per_run, f"{HOUSE}{run.id}", False),
        (usd_per_tenant_and_day, f"tenant:{run.tenant}", True),
        (usd_per_day, "all", True),
    )
    return tuple(
        cap
        for usd, counter, per_day in limits
        if usd
        for cap in Budget(usd=usd).caps(counter, per_day=per_day)
    )


def micros(usd: float) -> int:
    """Dollars in millionths. By way of their text: 0.1 is a tenth of a dollar, and not a little more."""
    return int(Decimal(str(usd)) * MICRO)


def dollars(amount: int) -> str:
    """Millionths as dollars, for people: $0.0123."""
    return f"${Decimal(amount) / MICRO:,.4f}"
