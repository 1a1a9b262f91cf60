"""A capped counter: what a step may use up is reserved in the transaction that opens it, and settled by its outcome.

So a cap holds over any number of workers, children and crashes: nothing is begun that could exceed it. What was
reserved by an attempt that nobody heard of again counts as used up, since it may have been.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

Amounts = Mapping[str, int]
"""How much of each unit. Whole numbers: what has fractions is counted in smaller units."""

OVER_CAP: Final = "over_cap"
"""The code of a step that failed because it would have exceeded a cap; it was not entered."""


class Cap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """At most `most` of a unit are used up by all that count on `counter`, altogether or `per_day` (UTC)."""

    counter: str
    unit: str
    most: int
    per_day: bool = False

    def name(self, now: datetime) -> str:
        """The counter's row: one for each unit, and for each day where it counts by the day."""
        day = f"/{now.astimezone(UTC):%Y-%m-%d}" if self.per_day else ""
        return f"{self.counter}/{self.unit}{day}"


class Charge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of one counter. With `most` it is refused if reserved and spent would then exceed that."""

    name: str
    unit: str
    reserved: int = 0
    spent: int = 0
    most: int | None = None


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """A counter as it stands."""

    name: str
    reserved: int = 0
    spent: int = 0

    def after(self, charge: Charge) -> Count:
        return Count(
            name=self.name, reserved=self.reserved + charge.reserved, spent=self.spent + charge.spent
        )

    def exceeded_by(self, charge: Charge) -> bool:
        """Whether the charge would take more than is left. One that gives back never does."""
        asked = charge.reserved + charge.spent
        return charge.most is not None and asked > 0 and self.reserved + self.spent + asked > charge.most


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step uses up: at `most`, and what its result tells that it was. `failed`: what an attempt that raised
    used up; None where that cannot be told, and the whole reservation then counts. `caps`: beside the run's own."""

    most: Amounts
    used: Callable[[Any], Amounts]
    failed: Callable[[Exception], Amounts | None] = lambda _: None
    caps: tuple[Cap, ...] = ()


def reservation(caps: Sequence[Cap], amounts: Amounts, now: datetime) -> tuple[Charge, ...]:
    """What opening a step asks of the counters. Where two caps count on one counter the lower one holds."""
    charges: dict[str, Charge] = {}
    for cap in caps:
        amount = amounts.get(cap.unit, 0)
        if amount <= 0:
            continue
        name = cap.name(now)
        before = charges.get(name)
        most = cap.most if before is None or before.most is None else min(cap.most, before.most)
        charges[name] = Charge(name=name, unit=cap.unit, reserved=amount, most=most)
    return tuple(charges.values())


def settlement(reserved: Sequence[Charge], used: Amounts | None) -> tuple[Charge, ...]:
    """What the outcome gives back and what it spent, on the counters of the reservation; all of it where `used` is
    unknown."""
    return tuple(
        Charge(
            name=each.name,
            unit=each.unit,
            reserved=-each.reserved,
            spent=each.reserved if used is None else used.get(each.unit, 0),
        )
        for each in reserved
    )
