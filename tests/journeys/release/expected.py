"""What each version of the till answers, and the line that tells a version's work from the other's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

LIVE, NEXT = "2.0.5", "2.1.0"

PRICES: Final[Mapping[str, Callable[[int], dict[str, Any]]]] = {
    LIVE: lambda number: {"price": number % 97 + 1},
    NEXT: lambda number: {"price": (number % 97 + 1) * 100, "currency": "EUR"},
}


def is_price(told: Mapping[str, Any], number: int) -> bool:
    """Whether this is the answer of the version that it names."""
    version = str(told.get("version"))
    return version in PRICES and told == {"version": version, "number": number, **PRICES[version](number)}


def is_result(agent: str, told: Mapping[str, Any], number: int) -> bool:
    """Whether this is the result of the version that it names."""
    version = str(told.get("version"))
    if version not in PRICES:
        return False
    wanted: dict[str, Any] = {"version": version, "number": number}
    if agent == "order":
        price = PRICES[version](number)
        wanted["total"] = price.pop("price")
        wanted |= price
    return told == wanted


PARTS: Final[Mapping[str, frozenset[str]]] = {
    "order": frozenset({"order"}),
    "haul": frozenset({"begun", "ended"}),
    "errand": frozenset({"begun", "ended"}),
}
"""Agent → the lines that a run of it leaves in the books, each once."""
