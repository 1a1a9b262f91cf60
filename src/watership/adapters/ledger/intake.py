"""The intake's row: read under its dead-man's switch, set under its epoch."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from watership.adapters.ledger.rows import BookRows
from watership.errors import Fenced
from watership.fleet.intake import IntakeState, Weights, check_weights


def has_tripped(state: IntakeState, now: datetime) -> bool:
    """Whether the switch ran out: nobody confirmed the weights in time."""
    return state.until is not None and state.last_safe is not None and now >= state.until


def current(rows: BookRows, now: datetime) -> IntakeState:
    """The row in force. Whoever first sees that the switch ran out writes it down, under a raised epoch,
    so that a controller that comes back late is fenced."""
    state = rows.intake()
    if has_tripped(state, now):
        assert state.last_safe is not None
        state = replace(state, weights=state.last_safe, until=None, epoch=state.epoch + 1)
        rows.put_intake(state)
    return state


def set_weights(
    rows: BookRows,
    now: datetime,
    weights: Weights,
    *,
    epoch: int,
    hold_seconds: float | None,
    last_safe: Weights | None,
) -> IntakeState | Fenced:
    """The row as set, or why not, as a value: a trip that was seen on the way is committed all the same.

    Armed without `last_safe`, what was safe before stays so: the armed row's, else the weights it replaces.
    """
    check_weights(weights)
    if last_safe:
        check_weights(last_safe)
    state = current(rows, now)
    if epoch < state.epoch:
        return Fenced("The intake", held=epoch, current=state.epoch)
    until = None
    if hold_seconds is not None:
        until = now + timedelta(seconds=hold_seconds)
        last_safe = last_safe or (state.last_safe if state.until is not None else state.weights)
    state = replace(
        state,
        weights=dict(weights),
        epoch=epoch,
        until=until,
        last_safe=dict(last_safe) if last_safe else None,
    )
    rows.put_intake(state)
    return state


def require(rows: BookRows, now: datetime, epoch: int | None) -> None:
    """Raises Fenced for an epoch below the row's. None is a person's word, which no epoch is above."""
    state = current(rows, now)
    if epoch is not None and epoch < state.epoch:
        raise Fenced("The intake", held=epoch, current=state.epoch)


def set_readonly(rows: BookRows, now: datetime, readonly: bool) -> None:
    rows.put_intake(replace(current(rows, now), readonly=readonly))


def set_paused(rows: BookRows, now: datetime, program: str, paused: bool) -> None:
    """From its commit on nobody claims a run of the program, or everybody may again."""
    state = current(rows, now)
    others = (each for each in state.paused if each != program)
    rows.put_intake(replace(state, paused=tuple(sorted([*others, program] if paused else others))))
