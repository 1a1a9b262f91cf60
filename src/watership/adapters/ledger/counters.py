"""Counters are charged: all charges of an append together, or none of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watership.adapters.ledger.change import Transaction
from watership.durable.counters import OVER_CAP, Charge, Count
from watership.durable.writes import Refused


def charged(tx: Transaction, charges: Sequence[Charge]) -> tuple[Iterable[Count], Refused | None]:
    """The counters as the charges would leave them, made one after the other; or why they may not be made."""
    # In one order of names, whatever the order of the charges: so that no two transactions wait for each other.
    counts = {name: tx.rows.count(name) for name in sorted({each.name for each in charges})}
    for each in charges:
        before = counts[each.name]
        if before.exceeded_by(each):
            return (), _over_cap(before, each)
        counts[each.name] = before.after(each)
    return counts.values(), None


def _over_cap(before: Count, charge: Charge) -> Refused:
    return Refused(
        code=OVER_CAP,
        reason=f"{charge.name} is capped at {charge.most:,}: {before.spent:,} are spent and {before.reserved:,} "
        f"reserved, and this could take {charge.reserved + charge.spent:,}.",
    )
