"""What a transaction locks before it reads: conversations and idempotency keys, and the intake's row."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b

_BYTES = 8
"""An advisory lock is named by 64 bits. Two things with one name only wait for each other."""


def _key(*parts: str) -> int:
    text = "\0".join(parts).encode()
    return int.from_bytes(blake2b(text, digest_size=_BYTES).digest(), "big", signed=True)


INTAKE_KEY = _key("intake")
"""Shared by whoever pins runs by the weights, exclusive for who changes them."""

SCHEMA_KEY = _key("schema")
SWEEPER_KEY = _key("sweeper")

APPLICATION_KEY = _key("application")
"""Of an application's own database: who takes a step of its schema holds it."""

REHEARSAL_KEY = _key("rehearsal")
"""The same: who has copied it for a rehearsal, until the copy is gone."""


def conversation_key(tenant: str, conversation: str) -> int:
    """Whoever adds a turn to a conversation, ends one or promotes the next, holds it."""
    return _key("conversation", tenant, conversation)


def request_key(scope: str, key: str) -> int:
    """Whoever looks an idempotency key up, to use it, holds it."""
    return _key("request", scope, key)


def worker_key(worker: str) -> int:
    """A worker's session holds it as long as it lives."""
    return _key("worker", worker)


def lock_shared(key: int) -> str:
    return f"SELECT pg_advisory_xact_lock_shared({key})"


def lock_exclusively(keys: Collection[int]) -> str:
    """Wait for these locks, in an order that all transactions keep."""
    listed = ",".join(map(str, sorted(set(keys))))
    return f"SELECT pg_advisory_xact_lock(key) FROM unnest('{{{listed}}}'::bigint[]) AS key"  # noqa: S608
