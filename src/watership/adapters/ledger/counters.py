"""Counters are charged: all charges of an append together, or none of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from watership.adapters.ledger.change import Transaction
from watership.durable.counters import OVER_CAP, Charge, Count
from watership.durable.writes import Refused


def over_cap(tx: Transaction, charges: Sequence[Charge]) -> Refused | None:
    """Why the charges may not be made, one after the other as they stand."""
    for before, each in _counted(tx, charges):
        if before.exceeded_by(each):
            return Refused(
                code=OVER_CAP,
                reason=f"{each.name} is capped at {each.most:,}: {before.spent:,} are spent and {before.reserved:,} "
                f"reserved, and this could take {each.reserved + each.spent:,}.",
            )
    return None


def charge(tx: Transaction, charges: Sequence[Charge]) -> None:
    for before, each in _counted(tx, charges):
        tx.rows.put_count(before.after(each))


def _counted(tx: Transaction, charges: Sequence[Charge]) -> Iterator[tuple[Count, Charge]]:
    """Each charge with its counter as it is before it."""
    counts: dict[str, Count] = {}
    # In one order of names, whatever the order of the charges: so that no two transactions wait for each other.
    for name in sorted({each.name for each in charges}):
        counts[name] = tx.rows.count(name)
    for each in charges:
        yield counts[each.name], each
        counts[each.name] = counts[each.name].after(each)
