"""The intake decides, in the transaction that submits a run, which deployment gets it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from watership.durable.ids import DeploymentId
from watership.durable.run import Run
from watership.errors import BadInput

BUCKETS = 10_000
"""Weights are placed with a resolution of 0.01 %."""

Weights = dict[DeploymentId, int]
"""Shares in per cent; they sum to 100."""


class IntakeState(msgspec.Struct, frozen=True, kw_only=True):
    """The one row that says where new runs go. It is a dead-man's switch while `until` is set:

    after `until`, by the store's clock, `last_safe` is in force, whoever forgot to confirm.
    """

    weights: Weights
    epoch: int = 0
    until: datetime | None = None
    last_safe: Weights | None = None
    readonly: bool = False
    paused: tuple[str, ...] = ()
    """Programs of which no run is claimed, in the order of their names: see `flags.PAUSE`."""


class Intake(Protocol):
    """Reads and sets the row. Lives in the runs' database, so that a submission reads it in its transaction."""

    async def read(self) -> IntakeState: ...

    async def now(self) -> datetime:
        """The store's clock, by which `until` is judged."""

    async def set_weights(
        self,
        weights: Weights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: Weights | None = None,
    ) -> IntakeState:
        """Put `weights` in force; with `hold_seconds` the switch is armed for that long.

        Raises Fenced when `epoch` is lower than the row's; an equal or higher one is stored with the weights.
        """

    async def set_readonly(self, readonly: bool, *, by: str = "watership", epoch: int | None = None) -> None:
        """While it is on, submissions are refused (ReadOnly) and workers claim nothing; accepted runs are kept.

        A release says its `epoch`, and is refused (Fenced) when it is lower than the row's; a person says none.

        What changes it stands in the record of the flag ENABLE_READ_ONLY, as done by `by`.
        """


def check_weights(weights: Weights) -> Weights:
    """`weights`, if each is within 0..100 and they sum to 100; BadInput otherwise."""
    if any(not 0 <= weight <= 100 for weight in weights.values()) or sum(weights.values()) != 100:
        shares = ", ".join(f"{name} {weight} %" for name, weight in weights.items())
        raise BadInput(f"Weights must be within 0 and 100 and sum to 100; got {shares or 'none'}.")
    return weights


def effective(state: IntakeState, now: datetime) -> Weights:
    """The weights in force at `now`: the last safe ones once the switch has run out."""
    if state.until is not None and now >= state.until and state.last_safe is not None:
        return state.last_safe
    return state.weights


def holds_back(paused: Sequence[str], run: Run) -> bool:
    """Whether nobody may claim the run because its program is paused. One that was asked to end may be: it is to undo
    what it did."""
    return run.program in paused and not run.cancel_requested


def place(weights: Weights, key: str) -> DeploymentId | None:
    """The deployment for `key` (a conversation's or a run's id), by a stable hash; None if nothing has weight.

    Deployments take their share of the hash range in the order of their ids, so that raising one share moves
    only the keys that must move.
    """
    bucket = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % BUCKETS
    edge = 0
    for deployment in sorted(weights):
        edge += weights[deployment] * BUCKETS // 100
        if bucket < edge:
            return deployment
    return None
