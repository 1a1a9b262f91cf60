"""The front desk of the agents: messages start runs; people cancel, answer and signal them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from watership.agents.account import Account, account, limits_of, whole_journal
from watership.agents.budget import Budget
from watership.agents.definition import Definition
from watership.agents.forks import Fork, caps_of
from watership.agents.people.answering import (
    Answers,
    Given,
    NotWaiting,
    Standing,
    canonical,
    check_seen,
    derived_id,
    the_wait,
)
from watership.agents.people.question import APPROVAL, QUESTION
from watership.agents.until import NO_END, Until, least
from watership.durable import Cap
from watership.durable.codec import fingerprint
from watership.durable.committer import refusal
from watership.durable.events import Decision
from watership.durable.forking import place, prefix
from watership.durable.ids import EntryId, Key, NewId, RunId, SignalId
from watership.durable.ports import RunFilter, RunPage, Runs
from watership.durable.run import Origin, Run, answer_signal, child_signal
from watership.durable.writes import (
    Answer,
    Cancel,
    Dedup,
    Deliver,
    Duplicate,
    Outcome,
    Refused,
    Retry,
    Submit,
    Submitted,
    WhenBusy,
    Write,
)
from watership.errors import BadInput, NotFound
from watership.fleet.identity import WRITER, Identity

NOTHING: Final = msgspec.Raw(b"null")

NAME_CHARACTERS: Final = 200
"""Conversations and signals are names for people, not places for data."""

RESERVED: Final = (child_signal(RunId("")), answer_signal(Key("")), APPROVAL)
"""Signals that begin so are a child's end or a person's answer; only the kernel and `answer` send them.

An approval sent as a plain signal could name anybody as the one who gave it.
"""


class Card(Protocol):
    """What is known of an agent; `AgentCard` is one."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def input_schema(self) -> Mapping[str, Any]: ...
    @property
    def conversation(self) -> WhenBusy: ...
    @property
    def pool(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def within_seconds(self) -> float | None: ...


class Directory(Protocol):
    """The agents of this build: who they are and what they take."""

    def cards(self) -> Sequence[Card]: ...

    def definition(self, agent: str) -> Definition:
        """What the agent is made of."""

    def validate(self, agent: str, raw: msgspec.Raw) -> msgspec.Raw:
        """`raw` as the agent's input. Raises BadInput, saying where it does not fit."""

    def caps(self, run: Run) -> tuple[Cap, ...]:
        """What the run's agent says that it may use up."""


class Writer(Protocol):
    """What commits a write; the committer is one."""

    async def submit(self, submit: Submit) -> Submitted: ...

    async def write(self, write: Write) -> Outcome: ...


class Gate(Protocol):
    """What lets a message in; the gatekeeper is one."""

    def admit(self) -> None:
        """Raises Unavailable when it is not let in."""


class Open:
    """A gate that lets everything in."""

    def admit(self) -> None: ...


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The run after an answer, and whose answer stands. `existing`: it stood before, and nothing was changed now."""

    run: Run
    by: str
    existing: bool


class Messages:
    """Every call is made by somebody: the runs of another tenant do not exist for them."""

    def __init__(
        self, committer: Writer, runs: Runs, directory: Directory, new_id: NewId, gate: Gate | None = None
    ) -> None:
        """`gate` refuses new messages when too much waits; without one all are let in."""
        self._committer = committer
        self._runs = runs
        self._directory = directory
        self._new_id = new_id
        self._gate = gate or Open()
        self._answers = Answers(committer, runs)

    async def send(
        self,
        agent: str,
        message: msgspec.Raw,
        identity: Identity,
        *,
        conversation: str | None = None,
        key: str | None = None,
        reply_to: str = "",
        budget: Budget | None = None,
        until: Until = NO_END,
    ) -> Submitted:
        """Start a run of `agent`; returns once it is committed. The same `key` again gives the same run.

        Raises Overdue, with when to come again, while too much waits: before anything is written.
        `reply_to` is where a broker sends the result, in that broker's own words. `budget` is of this run with its
        children, beside what its agent says, and so is `until`; a message that another run takes has none of its own.
        """
        card = self._card(agent)
        given = self._directory.validate(agent, message)
        self._gate.admit()
        run_id = RunId(self._new_id())
        request = [card.name, given, conversation] + ([] if budget is None else [msgspec.to_builtins(budget)])
        request += until.said()
        submit = Submit(
            run_id=run_id,
            program=card.name,
            input=given,
            tenant=identity.tenant,
            principal=identity.person,
            pool=card.pool,
            priority=card.priority,
            conversation=None if conversation is None else _name(conversation, "conversation"),
            when_busy=card.conversation,
            dedup=None if key is None else _dedup(key, identity, request),
            reply_to=reply_to,
            caps=() if budget is None else budget.caps(f"run:{run_id}"),
            deadline=until.deadline,
            within_seconds=least(_within(until, budget), card.within_seconds),
        )
        return await self._committer.submit(submit)

    async def fork(
        self, run_id: RunId, identity: Identity, fork: Fork, *, key: str | None = None
    ) -> Submitted:
        """Start a run that recalls what `run_id` had done up to a place, and does and pays for the rest itself.

        It stands beside the run's conversation, takes no part in it, and has the budget that the run began with.
        """
        run = await self.get(run_id, identity)
        card = self._card(fork.agent or run.program)
        given = self._directory.validate(card.name, fork.given(run))
        before = run.origin.variant if run.origin is not None and card.name == run.program else {}
        variant = before | fork.variant(card.kind)
        events = [entry.event for entry in await whole_journal(self._runs, run.id)]
        at = place(events, fork.at)
        recalled = prefix(run.id, events, at)
        self._gate.admit()
        forked = RunId(self._new_id())
        request = ["fork", run.id, at, card.name, given, variant]
        submit = Submit(
            run_id=forked,
            program=card.name,
            input=given,
            tenant=identity.tenant,
            principal=identity.person,
            pool=card.pool,
            priority=card.priority,
            dedup=None if key is None else _dedup(key, identity, request),
            caps=caps_of(run, forked),
            within_seconds=card.within_seconds,
            origin=Origin(run=run.id, at=at, entries=len(recalled), variant=variant),
            events=recalled,
        )
        return await self._committer.submit(submit)

    def cards(self) -> Sequence[Card]:
        """The agents that take messages."""
        return self._directory.cards()

    def definition(self, agent: str) -> Definition:
        """What one of them is made of."""
        return self._directory.definition(agent)

    def _card(self, agent: str) -> Card:
        cards = self._directory.cards()
        for card in cards:
            if card.name == agent:
                return card
        known = ", ".join(sorted(card.name for card in cards)) or "none"
        raise NotFound(f"There is no agent {agent!r}.", fix=f"Agents: {known}.")

    async def get(self, run_id: RunId, identity: Identity) -> Run:
        """The run. Raises NotFound when there is none, or when it is another tenant's."""
        run = await self._runs.get(run_id)
        if run is None or run.tenant != identity.tenant:
            raise NotFound(f"There is no run {run_id}.", fix="List them with `watership run list`.")
        return run

    async def account(self, run_id: RunId, identity: Identity, now: datetime) -> Account:
        """What the run used up, and what is left of its caps."""
        run = await self.get(run_id, identity)
        caps = run.caps + self._directory.caps(run)
        counts = await self._runs.counts([cap.name(now) for cap in caps])
        return account(await whole_journal(self._runs, run.id), run.epoch, limits_of(caps, counts, now))

    async def list(
        self, which: RunFilter, identity: Identity, *, limit: int, after: str | None = None
    ) -> RunPage:
        """The tenant's runs, newest first."""
        mine = msgspec.structs.replace(which, tenant=identity.tenant)
        return await self._runs.list(mine, limit=limit, after=after)

    async def cancel(self, run_id: RunId, identity: Identity, *, reason: str = "") -> Run:
        """Ask the run to end. Asking again, or for a run that was cancelled already, changes nothing."""
        await self.get(run_id, identity)
        await self._write(Cancel(run_id=run_id, reason=reason or f"asked by {identity.person}"))
        return await self.get(run_id, identity)

    async def retry(self, run_id: RunId, identity: Identity) -> Run:
        """Let a run that was stopped go on."""
        await self.get(run_id, identity)
        await self._write(Retry(entry_id=EntryId(self._new_id()), run_id=run_id))
        return await self.get(run_id, identity)

    async def answer(
        self,
        run_id: RunId,
        identity: Identity,
        *,
        wait: str | None = None,
        decision: Decision | None = None,
        value: msgspec.Raw = NOTHING,
        seen: str | None = None,
        via: str = "",
    ) -> Answered:
        """Answer what the run asks: an approval or a question with `value`, a step in doubt with `decision`.

        `wait` is the key or the name of what is answered; it may be left out when there is only one. `seen` is the
        fingerprint of what was asked, as it was shown; `via` tells by what way the answer came.
        """
        run = await self.get(run_id, identity)
        if decision is None:
            given = Given(value=value, identity=identity, seen=seen, via=via)
            answered = await self._answers.give(run, wait, given)
        else:
            identity.require(WRITER)
            waiting = the_wait(run, "answer", wait)
            check_seen(run, waiting, seen)
            doubt = Answer(
                entry_id=EntryId(self._new_id()),
                run_id=run_id,
                key=waiting.key,
                decision=decision,
                by=identity.person,
                value=value,
            )
            await self._write(doubt)
            answered = Standing(by=identity.person)
        return Answered(run=await self.get(run_id, identity), by=answered.by, existing=answered.existing)

    async def answered_by(self, run_id: RunId, identity: Identity, seen: str) -> str | None:
        """Who answered what was seen; None while nobody has."""
        return await self._answers.standing(await self.get(run_id, identity), seen)

    async def signal(
        self, run_id: RunId, identity: Identity, name: str, value: msgspec.Raw, *, key: str | None = None
    ) -> Run:
        """Put a signal into the run's inbox, whether it waits for it yet or not; once per `key`.

        Raises WriteRefused (`key_reused`) when the key stands for another name or value.
        """
        run = await self.get(run_id, identity)
        if _name(name, "signal").startswith(RESERVED) or name == QUESTION:
            words = "… or ".join(RESERVED)
            raise BadInput(f"Signals named {words}… or {QUESTION} are reserved; choose another name.")
        signal_id = self._new_id() if key is None else derived_id(run_id, identity.person, "signal", key)
        deliver = Deliver(signal_id=SignalId(signal_id), run_id=run_id, name=name, value=value)
        # A repetition whose first try was committed and not answered must be told so, however long ago the run ended.
        if run.ended and not await self._stands(deliver):
            raise NotWaiting(f"Run {run_id} has ended ({run.state}); nobody would read the signal.")
        if not run.ended and not await self._delivered(deliver):
            raise refusal(
                Refused(code="key_reused", reason="This idempotency key stands for another signal.")
            )
        return await self.get(run_id, identity)

    async def _delivered(self, deliver: Deliver) -> bool:
        """Whether the inbox holds this very signal, now or since an earlier try; False: another under its id."""
        if not isinstance(await self._write(deliver), Duplicate):
            return True
        return await self._stands(deliver)

    async def _stands(self, deliver: Deliver) -> bool:
        """Whether this very signal stands in the inbox."""
        inbox = await self._runs.inbox(deliver.run_id)
        first = next((one for one in inbox if one.id == deliver.signal_id), None)
        return (
            first is not None
            and first.name == deliver.name
            and canonical(first.value) == canonical(deliver.value)
        )

    async def _write(self, write: Cancel | Retry | Answer | Deliver) -> Outcome:
        outcome = await self._committer.write(write)
        if isinstance(outcome, Refused):
            raise refusal(outcome)
        return outcome


def _within(until: Until, budget: Budget | None) -> float | None:
    """In how many seconds the message says that its run is to end: the seconds of its budget are nothing else."""
    return Until(within=least(until.within, None if budget is None else budget.seconds)).within


def _dedup(key: str, identity: Identity, request: Sequence[object]) -> Dedup:
    # Neither a tenant nor a person has a slash in its name, so that no two scopes are spelt alike.
    scope = f"{identity.tenant}/{identity.person}/messages"
    return Dedup(scope=scope, key=key, request=fingerprint(_plain(request), "the message"))


def _plain(request: Sequence[object]) -> list[object]:
    """Raw JSON decoded, so that spaces and the order of names do not make another request."""
    return [msgspec.json.decode(part) if isinstance(part, msgspec.Raw) else part for part in request]


def _name(value: str, what: str) -> str:
    if not 0 < len(value) <= NAME_CHARACTERS or not value.isprintable():
        raise BadInput(f"The name of a {what} has 1 to {NAME_CHARACTERS} printable characters.")
    return value
