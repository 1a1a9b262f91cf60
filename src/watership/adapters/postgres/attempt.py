"""An attempt applies one write to a sheet: kept whole, or taken back whole."""

from __future__ import annotations

from watership.adapters.ledger import Transaction
from watership.adapters.ledger.transaction import apply
from watership.adapters.postgres.needs import NotLoaded
from watership.adapters.postgres.sheet import Sheet
from watership.durable.writes import Outcome, Refused, Submit, Submitted, Write, WriteFenced


class Guessed(Exception):  # it never leaves the store, which then looks
    """The outcome rests on a guess that no flush will verify: that the write is not known yet."""


def attempt(sheet: Sheet, tx: Transaction, write: Write) -> Outcome:
    """Apply the write. Raises NotLoaded or Guessed, with nothing changed."""
    sheet.guessed = False
    sheet.submitting = write.run_id if isinstance(write, Submit) and not sheet.sure else None
    # Whom it wakes is noted apart, and forgotten with the rest when it is taken back.
    trial = Transaction(sheet, tx.now)
    try:
        outcome = apply(trial, write)
    except NotLoaded:
        sheet.undo.take_back()
        raise
    if sheet.guessed and not _made(outcome):
        # What is known already is a duplicate before it is anything else.
        sheet.undo.take_back()
        raise Guessed
    sheet.undo.keep()
    tx.woken |= trial.woken
    tx.touched |= trial.touched
    tx.roused |= trial.roused
    return outcome


def _made(outcome: Outcome) -> bool:
    """Whether something was made under the write's own id: then the flush finds out if that was there already."""
    if isinstance(outcome, Submitted):
        return not (outcome.existing or outcome.injected)
    return not isinstance(outcome, Refused | WriteFenced)
