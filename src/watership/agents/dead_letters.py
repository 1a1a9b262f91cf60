"""Dead letters are runs that gave up: a view over the store, with what it takes to let them try again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from watership.agents.forks import caps_of
from watership.agents.memory import begun_with
from watership.agents.messages import Messages, Writer
from watership.durable.committer import refusal
from watership.durable.events import Failure, StepFailed, StepRetried
from watership.durable.ids import EntryId, NewId, RunId
from watership.durable.ports import RunFilter, Runs
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import Cancel, Refused, Retry, Submit
from watership.errors import Conflict
from watership.fleet.identity import Identity

GAVE_UP: Final = frozenset({RunState.STOPPED, RunState.FAILED})
"""Stopped: it diverged, is poison or outgrew a bound. Failed: its program raised, retries and all."""

JOURNAL_LOOK: Final = 1000
"""Entries of a journal that are searched for the first error: later ones are further from the cause."""


class NotDead(Conflict):
    """The run has not given up, or nothing can be discarded of it."""

    code = "not_dead"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A run that gave up. `first_error` is the oldest error its journal shows: later ones often only follow from it."""

    run_id: RunId
    program: str
    state: RunState
    deployment: str
    gave_up_at: datetime
    first_error: Failure | None
    last_error: Failure | None


class DeadLetterPage(msgspec.Struct, frozen=True, kw_only=True):
    letters: tuple[DeadLetter, ...]
    next: str | None
    total_count: int


class DeadLetters:
    """Of one tenant at a time: whoever asks sees their own."""

    def __init__(self, messages: Messages, committer: Writer, runs: Runs, new_id: NewId) -> None:
        self._messages = messages
        self._committer = committer
        self._runs = runs
        self._new_id = new_id

    async def list(
        self,
        identity: Identity,
        *,
        states: frozenset[RunState] = GAVE_UP,
        limit: int,
        after: str | None = None,
    ) -> DeadLetterPage:
        """Newest runs first."""
        page = await self._messages.list(
            RunFilter(states=states & GAVE_UP), identity, limit=limit, after=after
        )
        letters = [await self._letter(run) for run in page.runs]
        return DeadLetterPage(letters=tuple(letters), next=page.next, total_count=page.total_count)

    async def requeue(self, run_id: RunId, identity: Identity) -> Run:
        """Let it try again: a stopped run goes on where it was; of a failed one a new run begins, with the same input.

        Asked again it gives the same run. Raises NotDead for a run that has not given up.
        """
        run = await self._dead(run_id, identity)
        if run.state is RunState.STOPPED:
            outcome = await self._committer.write(Retry(entry_id=EntryId(self._new_id()), run_id=run_id))
            if isinstance(outcome, Refused):
                raise refusal(outcome)
            return await self._messages.get(run_id, identity)
        submitted = await self._committer.submit(_again(run, identity, await begun_with(self._runs, run)))
        return await self._messages.get(submitted.run_id, identity)

    async def discard(self, run_id: RunId, identity: Identity) -> Run:
        """End a stopped run for good, after its compensations; a poisoned one without them, for it kills workers.

        A failed one has ended: it stays in the history and holds nothing.
        """
        run = await self._dead(run_id, identity)
        if run.state is RunState.FAILED:
            raise NotDead(
                f"Run {run_id} has failed, which is its end: there is nothing to discard.",
                fix="List what still can go on: watership dead list --state stopped",
            )
        ending = Cancel(run_id=run_id, reason=f"discarded by {identity.person}", at_once=run.poisoned)
        outcome = await self._committer.write(ending)
        if isinstance(outcome, Refused):
            raise refusal(outcome)
        return await self._messages.get(run_id, identity)

    async def _dead(self, run_id: RunId, identity: Identity) -> Run:
        run = await self._messages.get(run_id, identity)
        if run.state not in GAVE_UP:
            raise NotDead(f"Run {run_id} is {run.state}: it has not given up.", fix="watership dead list")
        return run

    async def _letter(self, run: Run) -> DeadLetter:
        entries = await self._runs.journal(run.id, limit=JOURNAL_LOOK)
        errors = [each.event.failure for each in entries if isinstance(each.event, StepRetried | StepFailed)]
        return DeadLetter(
            run_id=run.id,
            program=run.program,
            state=run.state,
            deployment=run.deployment,
            gave_up_at=run.updated_at,
            first_error=_first([*errors, run.failure]),
            last_error=run.failure,
        )


def _first(failures: Sequence[Failure | None]) -> Failure | None:
    return next((each for each in failures if each is not None), None)


def _again(run: Run, identity: Identity, learned: tuple[str, ...]) -> Submit:
    """The same message once more, under an id that says whose it repeats: twice is once."""
    repeated = hashlib.sha256(f"requeue\n{run.id}".encode()).hexdigest()[:32]
    return Submit(
        run_id=RunId(repeated),
        program=run.program,
        input=run.input,
        tenant=run.tenant,
        principal=identity.person,
        pool=run.pool,
        priority=run.priority,
        conversation=run.conversation,
        reply_to=run.reply_to,
        caps=caps_of(run, RunId(repeated)),
        learned=learned,
        # As much time as it had, anew.
        within_seconds=None if run.deadline is None else (run.deadline - run.created_at).total_seconds(),
        origin=None if run.origin is None else run.origin.anew(),
    )
