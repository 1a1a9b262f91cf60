"""The promises of an SLA are looked at while a release runs: one that is missed, or soon will be, opens an incident."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from watership.durable.clock import Clock
from watership.errors import Unavailable
from watership.releases.incidents.alarm import Promised, broken
from watership.releases.incidents.response import Response
from watership.releases.service.sla import Compliance
from watership.releases.verdict import Verdict

PROMISES: Final = "promises"

LOOK_SECONDS: Final = 300.0
"""A budget is minutes of a month; whoever keeps the metrics is asked for whole months each time."""

PATIENCE_SECONDS: Final = 30.0
"""What one look may take, the last one of a release that ends too; an answer takes a few seconds."""

Assess = Callable[[], Awaitable[Sequence[Compliance]]]
"""Every objective of the SLA as it stands now."""


class Promises:
    """Looks beside the responder, which tells people: metrics that are slow to come delay nobody's call."""

    def __init__(self, release: str, response: Response, assess: Assess, clock: Clock) -> None:
        self._release = release
        self._response = response
        self._assess = assess
        self._clock = clock
        self._since: Mapping[str, datetime] = {}

    async def look_once(self) -> None:
        """Open what is due. Raises Unavailable where nothing is known of the SLA."""
        found = await self._assessed()
        self._since = since(self._since, found, self._clock.now())
        await self._response.open_due(
            [
                Promised(found=each, at=self._since[each.id], release=self._release)
                for each in found
                if each.id in self._since
            ]
        )
        unknown = [each.reason for each in found if each.verdict is Verdict.INCONCLUSIVE]
        if unknown and not any(each.verdict in (Verdict.PASSED, Verdict.FAILED) for each in found):
            raise Unavailable(f"Nothing is known of the SLA: {unknown[0]}.", fix="watership health --sla")

    async def _assessed(self) -> Sequence[Compliance]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._assess()
        except TimeoutError:
            raise Unavailable(
                f"The SLA was not known within {PATIENCE_SECONDS:g} s.", fix="watership health --sla"
            ) from None


def since(before: Mapping[str, datetime], found: Sequence[Compliance], now: datetime) -> dict[str, datetime]:
    """Since when each promise is broken. Only one that is known to be kept again was mended.

    A month goes on being missed when the service is restored: whoever closes that incident is not called again for it.
    """
    kept = {each.id for each in found if each.verdict is Verdict.PASSED and not broken(each)}
    return {
        **{name: at for name, at in before.items() if name not in kept},
        **{each.id: before.get(each.id, now) for each in found if broken(each)},
    }
