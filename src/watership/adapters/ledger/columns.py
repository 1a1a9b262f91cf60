"""How values stand in columns: times as microseconds, structures as JSON, a run as one row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from watership.durable.counters import Cap
from watership.durable.events import Entry, Failure, load
from watership.durable.ids import DeploymentId, Key, RunId, SignalId, WorkerId
from watership.durable.run import Origin, Run, Signal, Waiting
from watership.durable.states import RunState
from watership.fleet.flags import Flag, FlagChange
from watership.fleet.intake import IntakeState, Weights

Row = tuple[Any, ...]
"""What the driver returns; the functions here are where it becomes typed."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NULL = msgspec.Raw(b"null")
_encode = msgspec.json.encode
_waits = msgspec.json.Decoder(tuple[Waiting, ...])
_caps = msgspec.json.Decoder(tuple[Cap, ...])
_origin = msgspec.json.Decoder(Origin)
_failure = msgspec.json.Decoder(Failure)
_weights = msgspec.json.Decoder(Weights)
_paused = msgspec.json.Decoder(tuple[str, ...])
_flag = msgspec.json.Decoder(Flag)


def micros(when: datetime) -> int:
    return (when - _EPOCH) // _MICROSECOND


def micros_or_null(when: datetime | None) -> int | None:
    return None if when is None else (when - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


def moment_or_none(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


BIRTH = (
    "id",
    "program",
    "tenant",
    "principal",
    "pool",
    "priority",
    "conversation",
    "parent",
    "parent_key",
    "depth",
    "reply_to",
    "created_at",
    "caps",
    "deadline",
    "origin",
)
"""Columns that never change."""

PLACE = (
    "state",
    "deployment",
    "wake_at",
    "lease_owner",
    "lease_until",
    "epoch",
    "cancel_requested",
    "expired",
    "waits",
    "result",
    "failure",
    "successor",
)
"""Columns that change with the run's state; most indexes stand on them."""

PROGRESS = ("seq", "inbox", "claims", "updated_at")
"""Columns that change with every append."""

WIDTH = len(BIRTH + PLACE + PROGRESS)
"""How many columns that is: what a statement asks for besides stands after them."""

RUN = ", ".join(f"runs.{column}" for column in BIRTH + PLACE + PROGRESS)
"""What `run_of` takes."""


def birth_of(run: Run) -> Row:
    return (
        run.id,
        run.program,
        run.tenant,
        run.principal,
        run.pool,
        run.priority,
        run.conversation,
        run.parent,
        run.parent_key,
        run.depth,
        run.reply_to,
        micros(run.created_at),
        _encode(run.caps) if run.caps else None,
        micros_or_null(run.deadline),
        None if run.origin is None else _encode(run.origin),
    )


def place_of(run: Run) -> Row:
    return (
        run.state.value,
        run.deployment,
        micros_or_null(run.wake_at),
        run.lease_owner,
        micros_or_null(run.lease_until),
        run.epoch,
        run.cancel_requested,
        run.expired,
        _encode(run.waits) if run.waits else None,
        None if run.result == _NULL else bytes(run.result),
        None if run.failure is None else _encode(run.failure),
        run.successor,
    )


def progress_of(run: Run) -> Row:
    return (run.seq, run.inbox, run.claims, micros(run.updated_at))


def run_of(row: Row, run_input: bytes | None = None) -> Run:
    """The run of a row of RUN; without its input when that was not asked for."""
    return Run(
        id=RunId(row[0]),
        program=row[1],
        input=_NULL if run_input is None else msgspec.Raw(run_input),
        tenant=row[2],
        principal=row[3],
        pool=row[4],
        priority=row[5],
        conversation=row[6],
        parent=None if row[7] is None else RunId(row[7]),
        parent_key=None if row[8] is None else Key(row[8]),
        depth=row[9],
        reply_to=row[10],
        created_at=moment(row[11]),
        caps=() if row[12] is None else _caps.decode(row[12]),
        deadline=moment_or_none(row[13]),
        origin=None if row[14] is None else _origin.decode(row[14]),
        state=RunState(row[15]),
        deployment=DeploymentId(row[16]),
        wake_at=moment_or_none(row[17]),
        lease_owner=None if row[18] is None else WorkerId(row[18]),
        lease_until=moment_or_none(row[19]),
        epoch=row[20],
        cancel_requested=bool(row[21]),
        expired=bool(row[22]),
        waits=() if row[23] is None else _waits.decode(row[23]),
        result=_NULL if row[24] is None else msgspec.Raw(row[24]),
        failure=None if row[25] is None else _failure.decode(row[25]),
        successor=None if row[26] is None else RunId(row[26]),
        seq=row[27],
        inbox=row[28],
        claims=row[29],
        updated_at=moment(row[30]),
    )


def entry_of(run_id: RunId, row: Row) -> Entry:
    """From seq, epoch, at, version, event."""
    return Entry(run_id=run_id, seq=row[0], epoch=row[1], at=moment(row[2]), event=load(row[3], row[4]))


def signal_of(run_id: RunId, row: Row) -> Signal:
    """From number, id, name, value, at."""
    return Signal(
        run_id=run_id,
        number=row[0],
        id=SignalId(row[1]),
        name=row[2],
        value=msgspec.Raw(row[3]),
        at=moment(row[4]),
    )


def intake_of(row: Row) -> IntakeState:
    """From weights, epoch, until, last_safe, readonly, paused."""
    return IntakeState(
        weights=_weights.decode(row[0]),
        epoch=row[1],
        until=moment_or_none(row[2]),
        last_safe=None if row[3] is None else _weights.decode(row[3]),
        readonly=bool(row[4]),
        paused=() if row[5] is None else _paused.decode(row[5]),
    )


def intake_row(state: IntakeState) -> Row:
    return (
        _encode(state.weights),
        state.epoch,
        micros_or_null(state.until),
        None if state.last_safe is None else _encode(state.last_safe),
        state.readonly,
        _encode(state.paused) if state.paused else None,
    )


def flag_of(body: bytes) -> Flag:
    return _flag.decode(body)


def flag_row(flag: Flag) -> Row:
    """Name and body."""
    return flag.name, _encode(flag)


def change_of(row: Row) -> FlagChange:
    """From number, name, at, by, reason, before, after."""
    number, name, at, by, reason, before, after = row
    return FlagChange(
        number=number,
        name=name,
        at=moment(at),
        by=by,
        reason=reason,
        before=None if before is None else flag_of(before),
        after=flag_of(after),
    )


def change_row(change: FlagChange) -> Row:
    before = None if change.before is None else _encode(change.before)
    at, after = micros(change.at), _encode(change.after)
    return change.number, change.name, at, change.by, change.reason, before, after
