"""A transaction applies writes in order and collects whom to wake once it is committed.

A write decides before it changes anything: what is refused has touched no row, so no savepoints are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from watership.adapters.ledger.append import append
from watership.adapters.ledger.change import Transaction
from watership.adapters.ledger.claim import claim
from watership.adapters.ledger.decide import decide
from watership.adapters.ledger.inbox import deliver
from watership.adapters.ledger.presence import bury, hand_over, rehome, renew
from watership.adapters.ledger.rows import Rows
from watership.adapters.ledger.submit import submit
from watership.durable.writes import (
    Answer,
    Append,
    Bury,
    Cancel,
    Claim,
    Deliver,
    Expire,
    HandOver,
    Outcome,
    RefuseAnswer,
    Rehome,
    Renew,
    Retry,
    Submit,
    Write,
    Written,
)

__all__ = ["Transaction", "commit"]


def commit(rows: Rows, writes: Sequence[Write], now: datetime) -> Written:
    """Apply `writes` to `rows`; whoever called opens and commits the transaction around it."""
    tx = Transaction(rows, now)
    outcomes = tuple(apply(tx, write) for write in writes)
    return Written(outcomes=outcomes, woken=frozenset(tx.woken), touched=frozenset(tx.touched))


def apply(tx: Transaction, write: Write) -> Outcome:
    match write:
        case Append():
            return append(tx, write)
        case Submit():
            return submit(tx, write)
        case Claim():
            return claim(tx, write)
        case Deliver():
            return deliver(tx, write)
        case Cancel() | Expire() | Answer() | RefuseAnswer() | Retry():
            return decide(tx, write)
        case Renew():
            return renew(tx, write)
        case Bury():
            return bury(tx, write)
        case Rehome():
            return rehome(tx, write)
        case HandOver():
            return hand_over(tx, write)
        case _:
            assert_never(write)
