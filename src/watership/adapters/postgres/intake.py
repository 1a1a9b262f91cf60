"""The intake's row on PostgreSQL: read by the database's clock, changed while nobody pins by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from watership.adapters.ledger import flags as ledger_flags
from watership.adapters.ledger import intake
from watership.adapters.ledger.columns import intake_of, moment
from watership.adapters.postgres.flags import FlagSheet, change_flags
from watership.adapters.postgres.links import Links
from watership.adapters.postgres.sheet import Sheet
from watership.adapters.postgres.statements import NOW
from watership.errors import Fenced
from watership.fleet.intake import IntakeState, Weights

_INTAKE = f"SELECT weights, epoch, until, last_safe, readonly, paused, {NOW} FROM intake"  # noqa: S608
T = TypeVar("T")


class PostgresIntake:
    """Intake."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def read(self) -> IntakeState:
        async with self._links.reading.session() as db:
            row = await db.fetchrow(_INTAKE)
        state, now = intake_of(row), moment(row[6])
        if intake.has_tripped(state, now if self._links.clock is None else self._links.clock.now()):
            return await self._change(intake.current)
        return state

    async def now(self) -> datetime:
        if self._links.clock is not None:
            return self._links.clock.now()
        async with self._links.reading.session() as db:
            return moment(await db.fetchval(f"SELECT {NOW}"))

    async def set_weights(
        self,
        weights: Weights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: Weights | None = None,
    ) -> IntakeState:
        outcome = await self._change(
            lambda sheet, now: intake.set_weights(
                sheet, now, weights, epoch=epoch, hold_seconds=hold_seconds, last_safe=last_safe
            )
        )
        if isinstance(outcome, Fenced):
            raise outcome
        return outcome

    async def set_readonly(self, readonly: bool, *, by: str = "watership", epoch: int | None = None) -> None:
        def change(sheet: Sheet, now: datetime, flags: FlagSheet) -> None:
            intake.require(sheet, now, epoch)
            ledger_flags.set_readonly(flags, sheet, now, readonly, by)

        await change_flags(self._links, change)

    async def _change(self, change: Callable[[Sheet, datetime], T]) -> T:
        return await change_flags(self._links, lambda sheet, now, _: change(sheet, now), loads=False)
