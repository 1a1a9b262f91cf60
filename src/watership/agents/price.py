"""A price is what a model's tokens cost; whoever gives one says since when it is known."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_UP, Decimal

import msgspec

from watership.errors import BadInput


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars for a million tokens. `cached`: of input that the provider had kept; as `input` where not given."""

    input: float
    output: float
    cached: float | None = None
    as_of: date | None = None

    def __post_init__(self) -> None:
        if min(self.input, self.output, self.cached or 0.0) < 0:
            raise BadInput("A price is not negative.")

    def of(self, *, input: int, output: int, cached: int = 0) -> int:
        """What these tokens cost, in millionths of a dollar, rounded up. `cached` are part of `input`."""
        fresh = _exact(self.input) * (input - cached)
        kept = _exact(self.input if self.cached is None else self.cached) * cached
        # Dollars for a million tokens are millionths of a dollar for one.
        return int((fresh + kept + _exact(self.output) * output).to_integral_value(rounding=ROUND_UP))


def _exact(price: float) -> Decimal:
    return Decimal(str(price))
