"""Rows of two tables compared without regard to their order: how many has the one and not the other."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable

import msgspec

from watership.adapters.files.backups import Contents
from watership.releases.readiness.restoring import TableLoss


def state_of(contents: Contents) -> str:
    """What tells contents from any others."""
    return hashlib.sha256(msgspec.json.encode(contents, order="sorted")).hexdigest()


def apart(now: Iterable[int], then: Iterable[int]) -> TableLoss:
    """What two sorted rows of checksums do not share, each counted as often as it is there."""
    one, other = iter(now), iter(then)
    a, b = next(one, None), next(other, None)
    lost = back = 0
    while a is not None or b is not None:
        if b is None or (a is not None and a < b):
            lost, a = lost + 1, next(one, None)
        elif a is None or b < a:
            back, b = back + 1, next(other, None)
        else:
            a, b = next(one, None), next(other, None)
    return TableLoss(lost=lost, back=back)


async def apart_in_streams(now: AsyncIterator[int], then: AsyncIterator[int]) -> TableLoss:
    """The same of two that come from servers, of which neither is held as a whole."""
    a, b = await anext(now, None), await anext(then, None)
    lost = back = 0
    while a is not None or b is not None:
        if b is None or (a is not None and a < b):
            lost, a = lost + 1, await anext(now, None)
        elif a is None or b < a:
            back, b = back + 1, await anext(then, None)
        else:
            a, b = await anext(now, None), await anext(then, None)
    return TableLoss(lost=lost, back=back)
