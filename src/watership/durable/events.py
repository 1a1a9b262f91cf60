"""Journal events: what a run has done, as tagged values, with upcasters for the shapes of older releases.

A journal holds outcomes, never inputs: the run's own input stands on the run, and only an `unsafe` step
records its arguments, because people must see them when it is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from watership.durable.counters import Charge
from watership.durable.ids import Key, RunId, SignalId, WorkerId

Decision = Literal["done", "retry", "fail"]


class Failure(msgspec.Struct, frozen=True):
    """Why something failed: the exception's class, its words, and a stable code where there is one."""

    kind: str
    message: str
    code: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened in a run, at `key`. `VERSION` rises when a shape changes; see UPCASTERS."""

    VERSION: ClassVar[int] = 1
    key: Key


class StepStarted(Event, frozen=True, kw_only=True, tag="step_started"):
    """An unsafe step, or one that uses something up, is about to be entered. Without a result after it an unsafe
    one is in doubt, and what any of them may use up, at `most`, counts as used up."""

    name: str
    identity: str
    attempt: int
    arguments: msgspec.Raw = msgspec.Raw(b"null")
    most: dict[str, int] = {}
    """What it may use up, by unit; `reserved` stands on the counters of the run's caps."""
    reserved: tuple[Charge, ...] = ()


class StepDone(Event, frozen=True, kw_only=True, tag="step_done"):
    """A step returned. `drift` hashes what may change harmlessly, such as a prompt's words."""

    name: str
    identity: str
    value: msgspec.Raw
    attempt: int = 1
    drift: str = ""
    used: dict[str, int] = {}
    """What the step used up, by unit."""
    topic: str = ""
    """Under which the value is told to whoever listens to a broker; empty: it is the run's own affair."""


class StepFailed(Event, frozen=True, kw_only=True, tag="step_failed"):
    """A step raised on its last attempt."""

    name: str
    identity: str
    failure: Failure
    attempt: int = 1
    used: dict[str, int] = {}


class StepRetried(Event, frozen=True, kw_only=True, tag="step_retried"):
    """A step raised and will be entered again at `due`."""

    name: str
    identity: str
    failure: Failure
    attempt: int
    due: datetime
    used: dict[str, int] = {}


class StepAnswered(Event, frozen=True, kw_only=True, tag="step_answered"):
    """Somebody decided what became of a step in doubt."""

    decision: Decision
    by: str
    value: msgspec.Raw = msgspec.Raw(b"null")


class AnswerRefused(Event, frozen=True, kw_only=True, tag="answer_refused"):
    """Somebody who may not was not let answer what is asked at `key`. It changes nothing: it is there to be found."""

    by: str
    reason: str


class Restarted(Event, frozen=True, kw_only=True, tag="restarted"):
    """Another worker took the run from `worker`, whose lease ran out: what was under way there is begun again."""

    worker: WorkerId


class Drifted(Event, frozen=True, kw_only=True, tag="drifted"):
    """A replay found the same step with other harmless content. For the replay gate; never a failure."""

    before: str
    after: str


class TimerSet(Event, frozen=True, kw_only=True, tag="timer_set"):
    due: datetime


class TimerFired(Event, frozen=True, kw_only=True, tag="timer_fired"):
    pass


class SignalTaken(Event, frozen=True, kw_only=True, tag="signal_taken"):
    """The wait at `key` consumed signal `number` of the run's inbox."""

    name: str
    signal_id: SignalId
    number: int
    value: msgspec.Raw


class ChildStarted(Event, frozen=True, kw_only=True, tag="child_started"):
    child: RunId
    program: str
    identity: str


class Learned(Event, frozen=True, kw_only=True, tag="learned"):
    """What the run's input brought along from the run that started it, in the programs' words. Its first event."""

    words: tuple[str, ...]


class Won(Event, frozen=True, kw_only=True, tag="won"):
    """The branch numbered `winner` ended first in the race (or before the timeout, which is -1) at `key`."""

    winner: int


class Enough(Event, frozen=True, kw_only=True, tag="enough"):
    """The branches numbered `ended`, in this order, were enough for the call at `key`; the others were dropped."""

    ended: tuple[int, ...]


class Forked(Event, frozen=True, kw_only=True, tag="forked"):
    """The first event of a fork: what follows was done by `run`, up to its entry `at`, and is recalled from there."""

    run: RunId
    at: int


class Finished(Event, frozen=True, kw_only=True, tag="finished"):
    """The run's last event."""

    state: str
    result: msgspec.Raw = msgspec.Raw(b"null")
    failure: Failure | None = None
    successor: RunId | None = None
    learned: tuple[str, ...] | None = None
    """What goes along with the result, see `learn`; None: it was not written down."""


AnyEvent = (
    StepStarted
    | StepDone
    | StepFailed
    | StepRetried
    | StepAnswered
    | AnswerRefused
    | Restarted
    | Drifted
    | TimerSet
    | TimerFired
    | SignalTaken
    | ChildStarted
    | Learned
    | Won
    | Enough
    | Forked
    | Finished
)

KINDS: Mapping[str, type[AnyEvent]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        StepStarted,
        StepDone,
        StepFailed,
        StepRetried,
        StepAnswered,
        AnswerRefused,
        Restarted,
        Drifted,
        TimerSet,
        TimerFired,
        SignalTaken,
        ChildStarted,
        Learned,
        Won,
        Enough,
        Forked,
        Finished,
    )
}

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""(kind, version) → what turns that shape into the next version's. `tests/histories` holds one journal of each."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An event in its place: the `seq`-th of its run (from 1), written under `epoch`."""

    run_id: RunId
    seq: int
    epoch: int
    at: datetime
    event: AnyEvent


def kind_of(event: AnyEvent) -> str:
    """The tag under which an event is stored."""
    return str(type(event).__struct_config__.tag)


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def dump(event: AnyEvent) -> tuple[int, bytes]:
    """The version and the bytes to store."""
    return type(event).VERSION, _encoder.encode(event)


def load(version: int, body: bytes) -> AnyEvent:
    """The event that was stored, lifted through the upcasters when its shape is an older one."""
    if version == 1 and not UPCASTERS:
        return _decoder.decode(body)
    # By way of bytes: raw values inside of an event come out of nothing else.
    return _decoder.decode(_encoder.encode(lift(version, msgspec.json.decode(body), KINDS, UPCASTERS)))


def lift(
    version: int,
    shape: dict[str, Any],
    kinds: Mapping[str, type[Event]],
    upcasters: Mapping[tuple[str, int], Upcaster],
) -> dict[str, Any]:
    """`shape`, which was written at `version` of its kind, as its kind's version of today."""
    kind = str(shape["type"])
    while version < kinds[kind].VERSION:
        shape = upcasters[kind, version](shape)
        version += 1
    return shape
