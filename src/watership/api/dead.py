"""Runs that gave up: list them, let them try again, end them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from watership.agents.dead_letters import GAVE_UP, DeadLetter
from watership.api.agents import PAGE, PAGE_MOST, act, parse_states
from watership.api.answer import Answer, reply
from watership.api.endpoint import Call, Endpoint
from watership.api.shapes import Links, Page, links
from watership.durable.events import Failure
from watership.durable.ids import RunId
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.errors import BadInput
from watership.fleet.identity import OPERATOR, READER


class DeadLetterView(msgspec.Struct, frozen=True, kw_only=True):
    """`first_error` is the oldest that the journal shows, `last_error` why it gave up."""

    run_id: str
    agent: str
    state: RunState
    deployment: str
    gave_up_at: datetime
    first_error: Failure | None
    last_error: Failure | None
    links: Links


class DeadLetterList(Page[DeadLetterView], frozen=True):
    pass


async def list_dead(call: Call) -> Answer:
    limit = call.number("limit", PAGE, most=PAGE_MOST)
    if not limit:
        raise BadInput(f"limit must be a whole number from 1 to {PAGE_MOST}.")
    states = parse_states(call.query.get("state")) or GAVE_UP
    if not states & GAVE_UP:
        raise BadInput("Only runs that gave up are here.", fix=f"States: {', '.join(sorted(GAVE_UP))}.")
    page = await call.service.dead.list(
        call.identity, states=states, limit=limit, after=call.query.get("after")
    )
    data = tuple(_view(letter) for letter in page.letters)
    return reply(DeadLetterList(data=data, next=page.next, total_count=page.total_count))


async def requeue(call: Call, run_id: RunId) -> Run:
    return await call.service.dead.requeue(run_id, call.identity)


async def discard(call: Call, run_id: RunId) -> Run:
    return await call.service.dead.discard(run_id, call.identity)


def dead_endpoints() -> list[Endpoint]:
    """Everything under /api/v1/dead-letters."""
    return [
        Endpoint(
            method="GET",
            path="/api/v1/dead-letters",
            scope=READER,
            serve=list_dead,
            about="List the runs that gave up, with their first error.",
            gives=DeadLetterList,
            query=frozenset({"limit", "after", "state"}),
        ),
        act("/api/v1/dead-letters", "requeue", OPERATOR, requeue, "Let a run that gave up try again."),
        act("/api/v1/dead-letters", "discard", OPERATOR, discard, "End a stopped run for good."),
    ]


def _view(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView(
        run_id=letter.run_id,
        agent=letter.program,
        state=letter.state,
        deployment=letter.deployment,
        gave_up_at=letter.gave_up_at,
        first_error=letter.first_error,
        last_error=letter.last_error,
        links=links(letter.run_id),
    )
