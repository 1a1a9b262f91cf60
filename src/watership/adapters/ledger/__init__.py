"""The ledger is what every write means, over plain rows, so that all stores on one machine mean the same."""

from __future__ import annotations

from watership.adapters.ledger.rows import Request, Rows
from watership.adapters.ledger.transaction import Transaction, commit

__all__ = ["Request", "Rows", "Transaction", "commit"]
