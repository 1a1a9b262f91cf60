"""One transaction: lock and read what its writes name, let the ledger decide, flush; and again where that may help."""

from __future__ import annotations

from collections.abc import Sequence

from watership.adapters.ledger import Transaction
from watership.adapters.postgres.attempt import Guessed, attempt
from watership.adapters.postgres.flush import flush
from watership.adapters.postgres.letters import letter_of, letter_row
from watership.adapters.postgres.loading import Connection, Loader
from watership.adapters.postgres.locks import (
    INTAKE_KEY,
    conversation_key,
    lock_exclusively,
    lock_shared,
    request_key,
)
from watership.adapters.postgres.naming import Names, names
from watership.adapters.postgres.needs import ChildrenNeed, NotLoaded
from watership.adapters.postgres.remembered import Memory
from watership.adapters.postgres.sheet import Sheet
from watership.durable.clock import Clock
from watership.durable.outbox import Letter, Posted
from watership.durable.states import RunState
from watership.durable.writes import Outcome, Write, Written


async def write(
    db: Connection,
    writes: Sequence[Write],
    memory: Memory,
    *,
    clock: Clock | None,
    tell: frozenset[RunState] | None,
    sure: bool,
) -> tuple[Written, Sheet]:
    """Everything from BEGIN up to COMMIT, which the caller sends; with the rows as they then stand.

    `tell`: the states that a store with an outbox tells of; None in one without.
    """
    sheet = Sheet(sure=sure)
    loader = Loader(db, sheet, clock, memory)
    await _read_ahead(db, loader, names(writes, memory.births), sure=sure)
    tx = Transaction(sheet, loader.now())
    outcomes = [await _apply(db, loader, sheet, tx, write, sure=sure) for write in writes]
    letter = letter_of(sheet, tx, tell) if tell is not None else None
    number = await flush(db, sheet, None if letter is None else letter_row(letter, tx.now))
    return written_of(tx, outcomes, letter, number), sheet


def written_of(
    tx: Transaction, outcomes: Sequence[Outcome], letter: Letter | None, number: int | None
) -> Written:
    posted = () if letter is None or number is None else (Posted(number=number, letter=letter),)
    return Written(
        outcomes=tuple(outcomes), woken=frozenset(tx.woken), touched=frozenset(tx.touched), posted=posted
    )


async def _read_ahead(db: Connection, loader: Loader, named: Names, *, sure: bool) -> None:
    """Begin. Locks that wait come first, in one order; rows that are taken only if they are free come last."""
    steps = ["BEGIN"]
    if named.intake:
        steps.append(lock_shared(INTAKE_KEY))
    keys = [conversation_key(*it) for it in named.conversations] + [request_key(*it) for it in named.requests]
    if keys:
        steps.append(lock_exclusively(keys))
    await db.execute("; ".join(steps))
    members = []
    if named.intake or keys:
        members = await loader.read_facts(
            named.submissions, list(named.requests), list(named.conversations), intake=named.intake
        )
    # Submissions are mostly new: they are looked for only when that turned out wrong.
    wanted = list(named.runs | dict.fromkeys(members) | dict.fromkeys(named.submissions if sure else ()))
    if wanted or not named.intake:
        await loader.lock_runs(wanted)
    if named.counters:
        await loader.lock_counts(list(named.counters))
    if named.told:
        await loader.lock_free(list(named.told))
    for (deployment, pool), limit in named.scans.items():
        await loader.scan(deployment, pool, limit)


async def _apply(
    db: Connection, loader: Loader, sheet: Sheet, tx: Transaction, write: Write, *, sure: bool
) -> Outcome:
    """What the ledger says to one write, once everything that it asks for is loaded."""
    try:
        while True:
            try:
                return attempt(sheet, tx, write)
            except NotLoaded as missing:
                if isinstance(missing.need, ChildrenNeed) and sheet.dirty:
                    await flush(db, sheet)  # they are counted in the database
                await loader.load(missing.need)
            except Guessed:
                sheet.sure = True  # now look
    finally:
        sheet.sure = sure


def remember(memory: Memory, sheet: Sheet) -> None:
    """After the commit: what the database now holds of this."""
    memory.runs.note(sheet.remembered())
    if sheet.intakes:
        memory.intake = sheet.intakes[-1]
    for run_id in sheet.complete:  # submitted or claimed here: by us they will be ended
        memory.births.note(sheet.now[run_id])
