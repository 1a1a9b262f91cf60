"""Agents over HTTP: what they are, and whether they are paused. A paused one's messages are taken, and wait."""

from __future__ import annotations

from collections.abc import Mapping

from watership.agents.definition import fingerprint
from watership.agents.messages import Card
from watership.api.answer import Answer, reply
from watership.api.endpoint import Call, Endpoint
from watership.api.shapes import AgentList, AgentView, PauseBody, PauseView
from watership.errors import NotFound
from watership.fleet.flags import FLAGS_TOPIC, PAUSE, Flag, pause_flag
from watership.fleet.identity import OPERATOR, READER


async def list_agents(call: Call) -> Answer:
    paused = await _paused(call)
    agents = tuple(_view(call, card, paused) for card in call.service.messages.cards())
    return reply(AgentList(data=agents, next=None, total_count=len(agents)))


async def show_agent(call: Call) -> Answer:
    return reply(_view(call, _card(call), await _paused(call)))


async def pause_agent(call: Call) -> Answer:
    return await _switch(call, on=True)


async def resume_agent(call: Call) -> Answer:
    return await _switch(call, on=False)


async def _switch(call: Call, *, on: bool) -> Answer:
    """Pauses or resumes. One that is so already keeps whoever made it so, when and why."""
    card, reason = _card(call), call.read(PauseBody).reason if call.body else ""
    paused = await _paused(call)
    if (card.name in paused) is not on:
        wanted = Flag(name=pause_flag(card.name), on=on, by=call.identity.person, reason=reason)
        stands = await call.service.flags.set_flag(wanted)
        paused = {card.name: stands} if stands.on else {}
        call.service.bell.ring([FLAGS_TOPIC])
        event = "agent paused" if on else "agent resumed"
        call.service.observer.note(event, agent=card.name, by=stands.by, reason=reason)
    return reply(_view(call, card, paused))


async def _paused(call: Call) -> Mapping[str, Flag]:
    """The flags of the programs that are paused, as they stand in the store."""
    flags = await call.service.flags.flags()
    return {flag.name.removeprefix(PAUSE): flag for flag in flags if flag.name.startswith(PAUSE) and flag.on}


def _card(call: Call) -> Card:
    # A mistyped name must not look like an agent that was paused.
    name, cards = call.path["name"], call.service.messages.cards()
    for card in cards:
        if card.name == name:
            return card
    known = ", ".join(sorted(card.name for card in cards)) or "none"
    raise NotFound(f"There is no agent {name!r}.", fix=f"Agents: {known}.")


def _view(call: Call, card: Card, paused: Mapping[str, Flag]) -> AgentView:
    definition = call.service.messages.definition(card.name)
    flag = paused.get(card.name)
    pause = None if flag is None else PauseView(by=flag.by, at=flag.updated_at, reason=flag.reason)
    return AgentView(
        name=card.name,
        description=card.description,
        kind=card.kind,
        input_schema=dict(card.input_schema),
        conversation=card.conversation,
        pool=card.pool,
        priority=card.priority,
        within_seconds=card.within_seconds,
        paused=pause,
        fingerprint=fingerprint(definition),
        definition=dict(definition),
    )


def directory_endpoints() -> list[Endpoint]:
    """Everything under /api/v1/agents."""
    return [
        Endpoint(
            method="GET",
            path="/api/v1/agents",
            scope=READER,
            serve=list_agents,
            about="List the agents that take messages, and which of them are paused.",
            gives=AgentList,
        ),
        Endpoint(
            method="GET",
            path="/api/v1/agents/{name}",
            scope=READER,
            serve=show_agent,
            about="Show an agent, and who paused it, if somebody did.",
            gives=AgentView,
        ),
        _act("pause", "Pause an agent: its messages are taken, and no run of it is begun or taken up."),
        _act("resume", "Let the runs of an agent that was paused go on."),
    ]


def _act(verb: str, about: str) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/api/v1/agents/{{name}}:{verb}",
        also=(f"/api/v1/agents/{{name}}/{verb}",),
        scope=OPERATOR,
        serve=pause_agent if verb == "pause" else resume_agent,
        about=about,
        takes=PauseBody,
        gives=AgentView,
    )
