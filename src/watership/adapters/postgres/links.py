"""The links of a store to its database: who writes, and who only reads."""

from __future__ import annotations

from dataclasses import dataclass

from watership.adapters.postgres.pool import Pool
from watership.adapters.postgres.writer import Writer
from watership.durable.clock import Clock


@dataclass(frozen=True, slots=True)
class Links:
    """Without `clock` the time is the database's."""

    writing: Pool
    reading: Pool
    writer: Writer
    clock: Clock | None
