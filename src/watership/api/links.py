"""Links: made for one person and one question, shown to whoever follows them, and answered by a form.

Following a link changes nothing: programs that read mail follow them too.
"""

from __future__ import annotations

from watership.agents.people.links import Links
from watership.api.answer import Answer, reply
from watership.api.endpoint import Call, Endpoint
from watership.api.given import PUBLIC
from watership.api.page import LINK_PATH, answered_page, asked_page, form_value, problem_page
from watership.api.shapes import LinkBody, LinkView
from watership.durable.ids import RunId
from watership.errors import WatershipError
from watership.fleet.identity import READER


async def make_link(call: Call) -> Answer:
    body = call.read(LinkBody)
    token, link = await _links(call).issue(
        RunId(call.path["run_id"]),
        call.identity,
        person=body.person,
        roles=body.roles,
        minutes=body.minutes,
        wait=body.wait,
    )
    made = LinkView(
        path=LINK_PATH.format(token=token),
        person=link.identity.person,
        wait=link.key,
        seen=link.seen,
        expires_at=link.identity.expires_at,
    )
    return reply(made, 201)


async def follow_link(call: Call) -> Answer:
    try:
        return asked_page(await _links(call).show(call.path["token"]))
    except WatershipError as error:
        return problem_page(error)


async def answer_link(call: Call) -> Answer:
    try:
        links = _links(call)
        links.read(call.path["token"])  # before anything is said of a form
        return answered_page(await links.answer(call.path["token"], form_value(call.body)))
    except WatershipError as error:
        return problem_page(error)


def _links(call: Call) -> Links:
    service = call.service
    return Links(service.messages, service.tokens, service.clock)


def link_endpoints() -> list[Endpoint]:
    """Making a link, and the page behind it."""
    return [
        Endpoint(
            method="POST",
            path="/api/v1/runs/{run_id}:link",
            also=("/api/v1/runs/{run_id}/link",),
            scope=READER,
            serve=make_link,
            about="Make a link with which one person answers what a run asks: for oneself, or for others as an admin.",
            takes=LinkBody,
            gives=LinkView,
            status=201,
        ),
        Endpoint(
            method="GET",
            path=LINK_PATH,
            scope=PUBLIC,
            serve=follow_link,
            about="The page behind a link: what is asked. Changes nothing.",
        ),
        Endpoint(
            method="POST",
            path=LINK_PATH,
            scope=PUBLIC,
            serve=answer_link,
            about="Answer what the page behind a link asks, by its form.",
        ),
    ]
