"""The states of a run and the moves between them: code, tests and the diagram read this one table."""

from __future__ import annotations

from enum import StrEnum

from watership.errors import Conflict


class RunState(StrEnum):
    """Where a run stands. Each state but the terminal ones has somebody, or something, that moves it on."""

    QUEUED = "queued"  # behind another run of its conversation; that run's end moves it on
    READY = "ready"  # any worker of its deployment may claim it
    RUNNING = "running"  # one worker holds its lease
    WAITING = "waiting"  # parked on timers, signals or children; holds no worker
    IN_DOUBT = "in_doubt"  # an unsafe step began and has no result; a person decides
    STOPPED = "stopped"  # it diverged, is poison or outgrew a bound; a person decides
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = RunState
MOVES: dict[RunState, frozenset[RunState]] = {
    _S.QUEUED: frozenset({_S.READY, _S.FAILED, _S.CANCELLED}),
    _S.READY: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED}),
    _S.RUNNING: frozenset(
        {_S.READY, _S.RUNNING, _S.WAITING, _S.IN_DOUBT, _S.STOPPED, _S.SUCCEEDED, _S.FAILED, _S.CANCELLED}
    ),
    _S.WAITING: frozenset({_S.READY, _S.RUNNING, _S.CANCELLED}),
    _S.IN_DOUBT: frozenset({_S.READY, _S.CANCELLED}),
    _S.STOPPED: frozenset({_S.READY, _S.FAILED, _S.CANCELLED}),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}
"""RUNNING → RUNNING is a claim that takes over an expired lease. What no worker holds may fail, by its deadline."""

TERMINAL = frozenset(state for state, moves in MOVES.items() if not moves)
OPEN = frozenset(set(RunState) - TERMINAL)


class IllegalMove(Conflict):
    """A run was asked to go where its state does not lead."""

    code = "illegal_move"

    def __init__(self, state: RunState, to: RunState) -> None:
        super().__init__(f"A run that is {state} cannot become {to}.")
        self.state = state
        self.to = to


def move(state: RunState, to: RunState) -> RunState:
    """`to`, if the table allows it; IllegalMove otherwise."""
    if to not in MOVES[state]:
        raise IllegalMove(state, to)
    return to
