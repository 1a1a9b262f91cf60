"""An optimistic transaction is one statement: it is decided here, over what is remembered, and verified as it writes.

Nearly every append is to a run that this process executes, and nearly every submission meets the weights that the
last one met. So nothing is read before it is written: the ledger decides over the rows as they are remembered, and the
statement writes only where they still are so. One round trip instead of four. What cannot be decided so, or comes out
otherwise than as written, is left to a transaction that locks and reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from watership.adapters.ledger import Transaction
from watership.adapters.postgres.attempt import Guessed, attempt
from watership.adapters.postgres.flush import flush_unlocked
from watership.adapters.postgres.letters import letter_of, letter_row
from watership.adapters.postgres.loading import Connection
from watership.adapters.postgres.needs import NotLoaded
from watership.adapters.postgres.remembered import Memory
from watership.adapters.postgres.sheet import Sheet
from watership.adapters.postgres.transaction import written_of
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.durable.writes import (
    Append,
    Finish,
    Outcome,
    Park,
    Stop,
    Submit,
    Write,
    Written,
    Yield,
)


@dataclass(slots=True)
class Draft:
    """What was decided without a question: the outcomes of the first writes of a list, and the rows behind them."""

    sheet: Sheet
    tx: Transaction
    outcomes: list[Outcome] = field(default_factory=list)
    submitted: list[RunId] = field(default_factory=list)


def draft(writes: Sequence[Write], memory: Memory, now: datetime) -> Draft:
    """Decide what can be, up to the first write that cannot."""
    sheet = Sheet(sure=False)
    if memory.intake is not None and memory.intake.until is None:
        sheet.intakes.append(memory.intake)
    found = Draft(sheet, Transaction(sheet, now))
    for write in writes:
        outcome = _decide(found, write, memory)
        if outcome is None:
            break
        found.outcomes.append(outcome)
    return found


def _decide(found: Draft, write: Write, memory: Memory) -> Outcome | None:
    """What comes of the write if all is as remembered; None if it is to be left."""
    match write:
        case Append(children=(), then=None | Park() | Yield() | Stop() | Finish(successor=None)):
            known = memory.runs.latest(write.run_id)
            if known is None:
                return None
            found.sheet.know(*known)
        case Submit(conversation=None, dedup=None):
            found.sheet.injections[write.run_id] = None  # the statement looks
        case _:
            return None
    try:
        outcome = attempt(found.sheet, found.tx, write)
    except (NotLoaded, Guessed):
        return None
    if isinstance(write, Submit):
        found.submitted.append(write.run_id)
    return outcome


async def write_draft(
    db: Connection, found: Draft, memory: Memory, tell: frozenset[RunState] | None
) -> Written:
    """Write what was decided; committed when it returns. Fails as `flush_unlocked` does, with nothing written."""
    letter = letter_of(found.sheet, found.tx, tell) if tell is not None else None
    row = None if letter is None else letter_row(letter, found.tx.now)
    flushed = await flush_unlocked(db, found.sheet, row, found.submitted)
    memory.clock.note(flushed.at)
    return written_of(found.tx, found.outcomes, letter, flushed.number)


def joined(first: Written, then: Written) -> Written:
    """Two transactions as one answer."""
    return Written(
        outcomes=first.outcomes + then.outcomes,
        woken=first.woken | then.woken,
        touched=first.touched | then.touched,
        posted=first.posted + then.posted,
    )
