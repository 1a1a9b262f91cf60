"""An office: a stage with a front desk, and people with roles who answer what its runs ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec

from tests.agents.stage import GREEN, Stage, on_stage, raw
from watership import App
from watership.agents.messages import Answered, Messages
from watership.agents.people.question import seen_of
from watership.durable.events import AnyEvent
from watership.durable.ids import RunId, seeded_ids
from watership.durable.run import Waiting
from watership.durable.writes import Submit
from watership.fleet.identity import Identity

REQUESTER = "rita"
"""Who starts the runs."""


class Office:
    """People, each with a token of their own, before the desk of one stage."""

    def __init__(self, stage: Stage, app: App) -> None:
        self.stage = stage
        self.app = app
        self.desk = Messages(stage.committer, stage.store, app.directory, seeded_ids(3))

    def person(self, name: str, *roles: str) -> Identity:
        until = self.stage.clock.now() + timedelta(days=300)
        return Identity(person=name, tenant="default", roles=frozenset(roles), expires_at=until)

    async def start(self, program: str, value: object = None, run_id: str = "run") -> RunId:
        """A run that the requester started, worked on until it stands still."""
        submit = Submit(
            run_id=RunId(run_id), program=program, input=raw(value), principal=REQUESTER, deployment=GREEN
        )
        await self.stage.committer.submit(submit)
        await self.work()
        return RunId(run_id)

    async def work(self) -> None:
        await self.stage.work(self.app.programs)

    async def asked(self, run_id: RunId) -> Waiting:
        (waiting,) = (await self.stage.run(run_id)).waits
        return waiting

    async def seen(self, run_id: RunId) -> str:
        return seen_of(run_id, await self.asked(run_id))

    async def answer(
        self, run_id: RunId, by: Identity, value: object = True, *, seen: str | None = None
    ) -> Answered:
        """Their answer, to what is asked now or to what they saw before."""
        shown = await self.seen(run_id) if seen is None else seen
        return await self.desk.answer(run_id, by, value=raw(value), seen=shown)

    async def result(self, run_id: RunId) -> object:
        await self.work()
        value: object = await self.stage.result(run_id)
        return value

    async def events(self, run_id: RunId, kind: type[AnyEvent]) -> list[AnyEvent]:
        return [event for event in await self.stage.events(run_id) if isinstance(event, kind)]


def in_office(app: App, play: Callable[[Office], Awaitable[None]]) -> None:
    """Play in virtual time, with the agents of `app`."""

    async def main(stage: Stage) -> None:
        await play(Office(stage, app))

    on_stage(main)


def about(waiting: Waiting) -> dict[str, object]:
    value: dict[str, object] = msgspec.json.decode(waiting.about)
    return value
