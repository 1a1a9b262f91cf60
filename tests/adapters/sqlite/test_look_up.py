"""What a transaction looks up beforehand does not hide what happens in it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from watership.adapters.sqlite.store import MANY, SQLiteStore
from watership.durable.events import StepDone
from watership.durable.ids import DeploymentId, EntryId, Key, RunId, WorkerId
from watership.durable.writes import Append, Claim, Done, Duplicate, Submit, Submitted, Write, Yield

HERE = DeploymentId("here")


def submits(count: int) -> list[Submit]:
    return [
        Submit(run_id=RunId(f"r{number}"), program="p", input=msgspec.Raw(b"1"), deployment=HERE)
        for number in range(count)
    ]


def claim() -> Claim:
    return Claim(
        worker=WorkerId("w"), deployment=HERE, pool="default", limit=9, lease_seconds=9.0, poison_limit=9
    )


def step_done(run: str, entry: str, *, epoch: int = 1, leave: bool = False) -> Append:
    event = StepDone(key=Key(f"{entry}/0"), name=entry, identity="", value=msgspec.Raw(b"1"))
    then = Yield() if leave else None
    return Append(entry_id=EntryId(entry), run_id=RunId(run), epoch=epoch, events=(event,), then=then)


async def test_an_append_given_twice_in_one_transaction_is_written_once(tmp_path: Path) -> None:
    async with await SQLiteStore.open(tmp_path / "w.db") as store:
        await store.write([*submits(MANY), claim()])
        # The claim in between makes the store write down what it has gathered, and forget that it has it.
        batch: list[Write] = [step_done("r0", "a", leave=True), claim(), step_done("r0", "a"), *submits(MANY)]
        first, _, again, *_ = (await store.write(batch)).outcomes
        assert (first, again) == (Done(), Duplicate())
        assert len(await store.journal(RunId("r0"))) == 1


async def test_appends_that_were_committed_are_found_among_many_new_ones(tmp_path: Path) -> None:
    async with await SQLiteStore.open(tmp_path / "w.db") as store:
        await store.write([*submits(MANY), claim()])
        await store.write([step_done("r0", "a")])
        batch = [step_done(f"r{number}", "a") for number in range(MANY)]
        outcomes = (await store.write(batch)).outcomes
        assert outcomes == (Duplicate(), *[Done()] * (MANY - 1))


async def test_a_run_submitted_twice_in_one_transaction_exists_once(tmp_path: Path) -> None:
    async with await SQLiteStore.open(tmp_path / "w.db") as store:
        outcomes = (await store.write([*submits(MANY), *submits(MANY)])).outcomes
        existing = [outcome.existing for outcome in outcomes if isinstance(outcome, Submitted)]
        assert existing == [False] * MANY + [True] * MANY
