"""One caller asks so often in a minute, and no more: a person of a tenant, over all processes that share counters."""

from __future__ import annotations

from typing import Final

from watership.api.given import Service
from watership.fleet.identity import Identity
from watership.fleet.limit import RateLimited

WINDOW_SECONDS: Final = 60.0


async def within_rate(service: Service, caller: Identity) -> None:
    """Count one request of `caller`. Raises RateLimited, saying when there is room again."""
    limit = service.limits.requests_per_minute
    if not limit or service.limiter is None:
        return
    # Neither a tenant nor a person has a slash in its name, so that no two callers are counted as one.
    key = f"{caller.tenant}/{caller.person}"
    allowance = await service.limiter.take(key, limit=limit, seconds=WINDOW_SECONDS)
    if not allowance.allowed:
        raise RateLimited(
            f"{caller.person} asks more than {limit:,} times in a minute.",
            fix="Wait as long as Retry-After says; an operator raises limits.requests_per_minute.",
            retry_after=allowance.retry_after,
        )
