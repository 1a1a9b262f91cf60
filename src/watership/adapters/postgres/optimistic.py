"""An optimistic transaction is one statement: it is decided here, over what is remembered, and verified as it writes.

Nearly every append is to a run that this process executes, nearly every submission meets the weights that the last one
met, and a run that the broker told of is told to one worker alone. So nothing is locked before it is written: the
ledger decides over the rows as they were seen last, and the statement writes only where they still are so. One round
trip instead of four (two for a claim). What cannot be decided so is left to a transaction that locks and reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from watership.adapters.ledger import Transaction
from watership.adapters.postgres.attempt import Guessed, attempt
from watership.adapters.postgres.flush import flush_unlocked
from watership.adapters.postgres.letters import letter_of, letter_row
from watership.adapters.postgres.loading import Connection, Loader
from watership.adapters.postgres.needs import NotLoaded
from watership.adapters.postgres.remembered import Memory
from watership.adapters.postgres.sheet import Sheet
from watership.adapters.postgres.transaction import written_of
from watership.durable.clock import Clock
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.durable.writes import (
    Append,
    Claim,
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
    """What was decided without a lock: the outcomes of the first writes of a list, and the rows behind them."""

    sheet: Sheet
    tx: Transaction
    outcomes: list[Outcome] = field(default_factory=list)
    by_intake: bool = False
    """Whether the intake's row had a part in it."""
    submitted: list[RunId] = field(default_factory=list)


async def draft(db: Connection, writes: Sequence[Write], memory: Memory, clock: Clock | None) -> Draft | None:
    """Decide what can be, up to the first write that cannot; None if there is nothing.

    It looks only at runs that a broker told of, which nobody here remembers: at all of them at once, with the intake's
    row and the time, so that one draft rests on one row and one time, and a lease begins by the database's own clock.
    """
    sheet = Sheet(sure=False)
    loader = Loader(db, sheet, clock, memory)
    told = [run_id for write in writes if isinstance(write, Claim) for run_id in write.runs or ()]
    if told:
        await loader.see(told)
        now = loader.now()
    else:
        sheet.intakes.extend([] if memory.intake is None else [memory.intake])
        reckoned = memory.clock.now() if clock is None else clock.now()
        if reckoned is None:
            return None
        now = reckoned
    found = decide(sheet, writes, memory, now)
    return found if found.outcomes else None


def decide(sheet: Sheet, writes: Sequence[Write], memory: Memory, now: datetime) -> Draft:
    """What comes of the first writes, over what the sheet and the memory hold."""
    found = Draft(sheet, Transaction(sheet, now))
    for write in writes:
        outcome = _decide(found, write, memory)
        if outcome is None:
            break
        found.outcomes.append(outcome)
    return found


def _decide(found: Draft, write: Write, memory: Memory) -> Outcome | None:
    """What comes of the write if all is as it was seen last; None if that cannot be told."""
    sheet = found.sheet
    match write:
        case Append(
            children=(),
            charges=(),
            dropped=(),
            then=None | Park() | Yield() | Stop() | Finish(successor=None),
        ):
            known = memory.runs.latest(write.run_id)
            if known is None:
                return None
            sheet.know(*known)
        case Submit(conversation=None, dedup=None) if _is_settled(sheet):
            sheet.injections[write.run_id] = None  # the statement looks
        case Claim(runs=tuple()) if _is_settled(sheet):
            pass
        case _:
            return None
    try:
        outcome = attempt(sheet, found.tx, write)
    except (NotLoaded, Guessed):
        return None
    if isinstance(write, Submit):
        found.submitted.append(write.run_id)
    found.by_intake |= not isinstance(write, Append)
    return outcome


def _is_settled(sheet: Sheet) -> bool:
    """Whether the intake's row is known, and no time changes it: when a switch runs out is the database's to tell."""
    return bool(sheet.intakes) and sheet.intake().until is None


async def write_draft(
    db: Connection, found: Draft, memory: Memory, clock: Clock | None, tell: frozenset[RunState] | None
) -> Written:
    """Write what was decided; committed when it returns. Fails as `flush_unlocked` does, with nothing written."""
    now = found.tx.now
    letter = letter_of(found.sheet, found.tx, tell) if tell is not None else None
    flushed = await flush_unlocked(
        db,
        found.sheet,
        None if letter is None else letter_row(letter, now),
        submitted=found.submitted if found.by_intake else None,
        decided_at=now if clock is None else None,
    )
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
