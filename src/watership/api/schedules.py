"""Schedules as clients see them: what starts runs by itself, and when next."""

from __future__ import annotations

from itertools import islice
from typing import Final

from watership.agents.schedule import Schedule
from watership.api.answer import Answer, reply
from watership.api.endpoint import Call, Endpoint
from watership.api.shapes import ScheduleList, ScheduleView
from watership.fleet.identity import READER

WINDOWS: Final = 3
"""Windows that are told ahead."""


def schedule_endpoints() -> list[Endpoint]:
    return [
        Endpoint(
            method="GET",
            path="/api/v1/schedules",
            scope=READER,
            serve=list_schedules,
            about="List what starts runs by itself, with the windows that come next.",
            gives=ScheduleList,
        )
    ]


async def list_schedules(call: Call) -> Answer:
    views = [await _view(call, each) for each in call.service.schedules]
    return reply(ScheduleList(data=tuple(views), next=None, total_count=len(views)))


async def _view(call: Call, schedule: Schedule) -> ScheduleView:
    now = call.service.clock.now()
    before = schedule.before(now)
    latest = None if before is None else await call.service.runs.get(schedule.run_id(before))
    return ScheduleView(
        name=schedule.name,
        agent=schedule.agent,
        cron=schedule.cron,
        zone=schedule.zone,
        input=schedule.input,
        grace_seconds=schedule.grace_seconds,
        every_window=schedule.every_window,
        overlap=schedule.overlap,
        next=tuple(islice(schedule.after(now), WINDOWS)),
        latest_run=None if latest is None else latest.id,
    )
