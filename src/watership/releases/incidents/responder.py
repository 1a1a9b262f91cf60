"""The responder goes along with a release: what is an alarm of it opens an incident, and people are told in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from watership.releases.auditing.audit import Entry
from watership.releases.environment import Environment
from watership.releases.incidents.alarm import Alarm, WindowFailed, WindowUnmet, alarms_in
from watership.releases.incidents.response import Response, Tell
from watership.releases.order import Release
from watership.releases.plan import Plan
from watership.releases.readiness.aftercare import last_of, promoted_at
from watership.releases.readiness.attendant import Look
from watership.releases.readiness.records import Record
from watership.releases.verdict import Verdict

LOOK_SECONDS: Final = 5.0
"""Little beside the quarter of an hour that a level has."""

RESPONDER: Final = "responder"

Pages = Callable[[], Sequence[Entry]]
"""The entries of the audit among which alarms are, or more."""


class Responder:
    """Looks while its release runs; the escalation of an incident that outlives it goes on with whoever looks next."""

    def __init__(
        self, env: Environment, release: Release, response: Response, *, look: Look, pages: Pages, tell: Tell
    ) -> None:
        self._env = env
        self._release = release
        self._response = response
        self._look = look
        self._pages = pages
        self._tell = tell

    async def look_once(self) -> None:
        """Records that cannot be trusted keep nobody from the other alarms; they are told of as a trouble of ours.

        So is whoever could not be told: both at once are a group.
        """
        found, troubles = self.paged(), list[Exception]()
        try:
            found += await self.unmet()
        except Exception as error:  # noqa: BLE001 - raised below, once the others were told
            troubles.append(error)
        try:
            await self._response.look(found, self._tell)
        except ExceptionGroup as group:
            troubles.append(group)
        if troubles:
            raise ExceptionGroup("The responder has troubles of its own.", troubles)

    def paged(self) -> list[Alarm]:
        """What the audit says."""
        name = self._release.plan.release
        return alarms_in([entry for entry in self._pages() if entry.facts.get("release") == name])

    async def unmet(self) -> list[Alarm]:
        """What the records of the windows after the deployment say."""
        promoted = promoted_at(await self._look())
        if promoted is None:
            return []
        plan = self._release.plan
        records = await self._env.records.all(plan.release)
        return window_alarms(plan, records, promoted=promoted, now=self._env.clock.now())


def window_alarms(plan: Plan, records: Sequence[Record], *, promoted: datetime, now: datetime) -> list[Alarm]:
    """The points of windows after the deployment that failed lately, or of which nothing is known at the end."""
    found: list[Alarm] = []
    for window in plan.validations:
        begins, ends = (
            promoted + timedelta(seconds=seconds * plan.overrides.clock_factor)
            for seconds in (window.begins, window.ends)
        )
        for point in window.points:
            if point.check is None:
                continue
            last = last_of(f"{window.id}/{point.id}", records, since=begins)
            if last is not None and last.got.verdict is Verdict.FAILED:
                failed = WindowFailed(
                    release=plan.release, window=window.id, point=point.id, text=point.text, got=last.got
                )
                found.append(failed)
            elif now > ends and (last is None or not last.got.passed):
                unmet = WindowUnmet(
                    release=plan.release,
                    window=window.id,
                    point=point.id,
                    text=point.text,
                    words=last.got.evidence if last is not None else "it was never measured",
                    at=ends,
                )
                found.append(unmet)
    return found
