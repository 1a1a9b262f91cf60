"""Answering: an answer is let in by who gives it and what they saw, and stands once."""

from __future__ import annotations

import hashlib
from typing import Literal, Protocol

import msgspec

from watership.agents.people.fitting import Misfit, misfit
from watership.agents.people.question import (
    APPROVAL,
    SAW_BYTES,
    Approval,
    Question,
    Reply,
    question_of,
    seen_of,
)
from watership.durable.codec import encode
from watership.durable.committer import refusal
from watership.durable.ids import EntryId, Key, SignalId
from watership.durable.ports import Runs
from watership.durable.run import Run, Signal, Waiting, answer_signal
from watership.durable.writes import Deliver, Duplicate, Outcome, RefuseAnswer, Refused, Write
from watership.errors import BadInput, Conflict, NotAllowed
from watership.fleet.identity import WRITER, Identity


class NotWaiting(Conflict):
    """An answer came for a run that waits for none, or for another one."""

    code = "not_waiting"


class AlreadyAnswered(Conflict):
    """Somebody else answered the same question with other words, and was first."""

    code = "already_answered"


class SeenOtherwise(Conflict):
    """An answer was given to something else than what is asked."""

    code = "seen_otherwise"


class WrongAnswer(BadInput):
    """An answer that is not of the kind that is asked for; `where` is the field, empty for the answer as a whole."""

    code = "wrong_answer"

    def __init__(self, wrong: Misfit) -> None:
        at = f" at `{wrong.where}`" if wrong.where else ""
        super().__init__(
            f"The answer does not fit{at}: {wrong.reason}.",
            fix="The run goes on waiting; `answer` in what is asked is the JSON schema of the value.",
        )
        self.where = wrong.where


class NotYours(NotAllowed):
    """Somebody answered who may not; the journal has it."""

    code = "not_yours"


class Writer(Protocol):
    """What commits a write; the committer is one."""

    async def write(self, write: Write) -> Outcome: ...


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it is given: by whom, to what, and by what way."""

    value: msgspec.Raw
    identity: Identity
    seen: str | None
    via: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Whose answer stands, and whether it did before."""

    by: str
    existing: bool = False


class _Kept(msgspec.Struct, frozen=True):
    """An answer as the inbox holds it, whatever it answers; `saw` is the question as it was shown."""

    by: str = ""
    seen: str = ""
    granted: bool | None = None
    value: msgspec.Raw = msgspec.Raw(b"null")
    saw: Question | None = None

    @property
    def meaning(self) -> object:
        """What makes it the same answer as another one: not who gave it, nor what they noted."""
        return canonical(self.value) if self.granted is None else self.granted


class _ApprovalBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    granted: bool
    note: str = ""


class Answers:
    """Lets answers in. One question has one answer: what names it in the inbox is the question, not who answers."""

    def __init__(self, committer: Writer, runs: Runs) -> None:
        self._committer = committer
        self._runs = runs

    async def give(self, run: Run, named: str | None, given: Given) -> Standing:
        """Take an answer to what `run` asks, or find the equal one that stands. Raises what keeps it out."""
        try:
            waiting = the_wait(run, "signal", named or _key_of(run, given.seen))
        except NotWaiting:
            before = await self._answer_to(run, named, given.seen)
            if before is None:
                raise
            return _standing(run, before, given)
        if given.seen not in (None, seen_of(run.id, waiting)):
            before = await self._answer_to(run, None, given.seen)
            if before is not None:
                return _standing(run, before, given)
        question = question_of(waiting)
        if question is None:
            given.identity.require(WRITER)
        elif objection := question.may.objection(given.identity, run.principal):
            await self._refuse(run, waiting, given.identity, objection)
        check_seen(run, waiting, given.seen)
        return await self._deliver(run, waiting, given)

    async def standing(self, run: Run, seen: str) -> str | None:
        """Who answered what was seen; None while nobody has."""
        before = await self._answer_to(run, None, seen)
        return None if before is None else _kept(before).by

    async def _deliver(self, run: Run, waiting: Waiting, given: Given) -> Standing:
        deliver = Deliver(
            signal_id=SignalId(derived_id(run.id, waiting.key, "answer")),
            run_id=run.id,
            name=answer_signal(waiting.key),
            value=kept(run, waiting, given),
            wait=waiting.key,
        )
        outcome = await self._committer.write(deliver)
        match outcome:
            case Refused(code="not_waiting", reason=reason):
                raise NotWaiting(
                    reason, fix="See what it waits for with `watership run show`, and try again."
                )
            case Refused():
                raise refusal(outcome)
            case Duplicate():
                before = await self._answer_to(run, waiting.key, None)
                assert before is not None, "the inbox knows this answer"
                return _standing(run, before, given)
            case _:
                return Standing(by=given.identity.person)

    async def _refuse(self, run: Run, waiting: Waiting, identity: Identity, objection: str) -> None:
        """Say no, and keep it where people look: once for each who tries, so that nobody fills a journal with it."""
        refuse = RefuseAnswer(
            entry_id=EntryId(derived_id(run.id, waiting.key, "refused", identity.person)),
            run_id=run.id,
            key=waiting.key,
            by=identity.person,
            reason=f"{objection}.",
        )
        outcome = await self._committer.write(refuse)
        told = "" if isinstance(outcome, Refused) else " The run's journal has that it was tried."
        raise NotYours(f"{objection}.{told}", fix="Have somebody answer who may, with a token of their own.")

    async def _answer_to(self, run: Run, named: str | None, seen: str | None) -> Signal | None:
        """The answer that stands to the question at the key `named`, or to what was `seen`."""
        wanted = None if named is None else SignalId(derived_id(run.id, named, "answer"))
        for signal in await self._runs.inbox(run.id):
            if signal.id == wanted:
                return signal
            if seen and signal.name.startswith(answer_signal(Key(""))) and _kept(signal).seen == seen:
                return signal
        return None


def the_wait(run: Run, kind: Literal["answer", "signal"], named: str | None) -> Waiting:
    """The one wait of that kind that `named` means; NotWaiting or BadInput says what to do otherwise."""
    there = [one for one in run.waits if one.kind == kind]
    if not there:
        raise _nothing_to_answer(run, kind)
    if named is None and len(there) == 1:
        return there[0]
    found = [one for one in there if named in {one.key, one.name}]
    if len(found) == 1:
        return found[0]
    keys = ", ".join(str(one.key) for one in there)
    if not found and named is not None:
        raise NotWaiting(f"Run {run.id} does not wait for {named}.", fix=f"It waits for: {keys}.")
    raise BadInput(f"Run {run.id} waits for several answers.", fix=f"Name one in `wait`: {keys}.")


def _key_of(run: Run, seen: str | None) -> Key | None:
    """The key of the wait that asks what was seen."""
    return next((one.key for one in run.waits if seen is not None and seen_of(run.id, one) == seen), None)


def check_seen(run: Run, waiting: Waiting, seen: str | None) -> None:
    """Raises unless `seen` is the fingerprint of what is asked. Approvals and questions are not answered without."""
    current = seen_of(run.id, waiting)
    if seen is None and question_of(waiting) is not None:
        raise BadInput(
            "The answer does not say what it is an answer to.",
            fix="Send the `seen` that stands beside the question in `waits`.",
        )
    if seen is not None and seen != current:
        raise SeenOtherwise(
            f"Run {run.id} asks something else at {waiting.key} than what this answer was given to.",
            fix=f"Look at it again: what is asked now has the fingerprint {current}.",
        )


def kept(run: Run, waiting: Waiting, given: Given) -> msgspec.Raw:
    """The answer as the run gets it: who gave it is known, never told, and what they saw stands beside it."""
    question = question_of(waiting)
    person, seen = given.identity.person, given.seen or ""
    answer: Approval | Reply
    if waiting.name == APPROVAL:
        body = _approval(given.value)
        answer = Approval(body.granted, person, body.note, seen, given.via)
    elif question is not None:
        _check_fits(question, given.value)
        answer = Reply(given.value, person, seen, given.via)
    else:
        return given.value
    fields = msgspec.structs.asdict(answer)
    if question is not None and len(bytes(waiting.about)) <= SAW_BYTES:
        fields["saw"] = waiting.about
    return encode({name: value for name, value in fields.items() if value != ""}, "the answer")


def _check_fits(question: Question, value: msgspec.Raw) -> None:
    """Raises WrongAnswer, with the field, for a value that is not of the kind that is asked for."""
    wrong = misfit(question.answer or {}, msgspec.json.decode(value))
    if wrong is not None:
        raise WrongAnswer(wrong)


def _approval(value: msgspec.Raw) -> _ApprovalBody:
    """The approval that `value` gives: true, false, or with a note."""
    try:
        given = msgspec.json.decode(value, type=bool | _ApprovalBody)
    except msgspec.DecodeError as reason:
        raise BadInput(
            f"This answer is no approval: {reason}.",
            fix='Send {"value": {"granted": true, "note": "…"}}, or false.',
        ) from None
    return _ApprovalBody(given) if isinstance(given, bool) else given


def _standing(run: Run, before: Signal, given: Given) -> Standing:
    """The answer that stands, if this one means the same; else it comes too late."""
    first = _kept(before)
    if first.saw is not None and (objection := first.saw.may.objection(given.identity, run.principal)):
        raise NotYours(f"{objection}. It has been answered by now.")
    meant = canonical(given.value) if first.granted is None else _approval(given.value).granted
    if meant != first.meaning:
        by = f" by {first.by}" if first.by else ""
        raise AlreadyAnswered(f"What run {run.id} asked has been answered already{by}, differently.")
    return Standing(by=first.by, existing=True)


def _kept(signal: Signal) -> _Kept:
    """The answer in a signal. One to a plain signal is its bare value."""
    try:
        found = msgspec.json.decode(signal.value, type=_Kept)
    except msgspec.DecodeError:
        return _Kept(value=signal.value)
    return found if found.by else _Kept(value=signal.value)


def _nothing_to_answer(run: Run, kind: Literal["answer", "signal"]) -> NotWaiting:
    if run.ended:
        return NotWaiting(f"Run {run.id} has ended ({run.state}); there is nothing left to answer.")
    if kind == "signal" and any(one.kind == "answer" for one in run.waits):
        return NotWaiting(
            f"Run {run.id} is in doubt about a step.", fix='Send a `decision`: "done", "retry" or "fail".'
        )
    if kind == "answer" and any(one.kind == "signal" for one in run.waits):
        return NotWaiting(
            f"Run {run.id} waits for an answer and is in no doubt.", fix="Send a `value`, no `decision`."
        )
    return NotWaiting(
        f"Run {run.id} is {run.state} and waits for no answer now.",
        fix="See what it waits for with `watership run show`, and try again.",
    )


def canonical(value: msgspec.Raw) -> bytes:
    """`value` in the one spelling that equal values share."""
    return bytes(encode(msgspec.json.decode(value), "an answer"))


def derived_id(*parts: str) -> str:
    """The id that these parts always give."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
