"""The agents' authority: agents, messages, runs and workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from watership.agents.account import Account
from watership.agents.forks import Fork
from watership.agents.messages import NOTHING
from watership.agents.until import Until
from watership.api.answer import Answer, reply
from watership.api.directory import directory_endpoints
from watership.api.endpoint import Call, Endpoint
from watership.api.frames import Frame
from watership.api.shapes import (
    Accepted,
    AnswerBody,
    AnsweredView,
    CancelBody,
    MessageList,
    NewMessage,
    RunList,
    RunView,
    SignalBody,
    WorkerList,
    WorkerView,
    answered_view,
    links,
    message,
    view,
)
from watership.api.sockets import SocketStream, run_socket
from watership.api.streams import EventStream, run_events
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import RunFilter, RunPage
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import Submitted
from watership.errors import BadInput
from watership.fleet.identity import OPERATOR, READER, WRITER

PAGE: Final = 50
PAGE_MOST: Final = 200
"""Runs of one page: more would be too much for one answer, and nobody reads them."""

SEQ_MOST: Final = 10**12

Action = Callable[[Call, RunId], Awaitable[Run]]


async def send_message(call: Call) -> Answer:
    body = call.read(NewMessage)
    sent = await call.service.messages.send(
        body.agent,
        body.input,
        call.identity,
        conversation=body.conversation,
        key=call.key,
        budget=body.budget,
        until=Until(body.deadline, body.within),
    )
    return _accepted(sent)


async def fork_run(call: Call) -> Answer:
    fork = call.read(Fork)
    return _accepted(await call.service.messages.fork(_run_id(call), call.identity, fork, key=call.key))


def _accepted(sent: Submitted) -> Answer:
    accepted = Accepted(
        run_id=sent.run_id,
        deployment=sent.deployment,
        state=sent.state,
        existing=sent.existing,
        injected=sent.injected,
        paused=sent.paused,
        links=links(sent.run_id),
    )
    return reply(accepted, 202, {"Location": accepted.links.run})


async def list_messages(call: Call) -> Answer:
    page = await _page(call)
    return reply(
        MessageList(
            data=tuple(message(run) for run in page.runs), next=page.next, total_count=page.total_count
        )
    )


async def list_runs(call: Call) -> Answer:
    page = await _page(call)
    return reply(
        RunList(data=tuple(view(run) for run in page.runs), next=page.next, total_count=page.total_count)
    )


async def show_run(call: Call) -> Answer:
    return reply(view(await call.service.messages.get(_run_id(call), call.identity)))


async def account_of_run(call: Call) -> Answer:
    now = call.service.clock.now()
    return reply(await call.service.messages.account(_run_id(call), call.identity, now))


async def stream_run(call: Call) -> EventStream:
    after = _after(call)
    run = await call.service.messages.get(_run_id(call), call.identity)
    return run_events(call, run.id, after)


async def socket_run(call: Call) -> SocketStream:
    after = _after(call)
    run = await call.service.messages.get(_run_id(call), call.identity)
    return run_socket(call, run.id, after)


def _after(call: Call) -> int:
    """The entry of the journal behind which to begin."""
    # What the client's own machinery says about where it stopped goes before what stands in the address.
    after = call.number("after", 0, most=SEQ_MOST)
    if call.resume is not None:
        if not (call.resume.isascii() and call.resume.isdigit() and len(call.resume) <= 12):
            raise BadInput("Last-Event-ID is the number of an entry of the run's journal.")
        after = int(call.resume)
    return after


async def cancel_run(call: Call, run_id: RunId) -> Run:
    reason = call.read(CancelBody).reason if call.body else ""
    return await call.service.messages.cancel(run_id, call.identity, reason=reason)


async def answer_run(call: Call) -> Answer:
    body = call.read(AnswerBody)
    if body.decision is None and body.value is msgspec.UNSET:
        raise BadInput(
            "There is no answer in the body.",
            fix='Send {"value": …}, or {"decision": "done"|"retry"|"fail"}.',
        )
    value = NOTHING if isinstance(body.value, msgspec.UnsetType) else body.value
    answered = await call.service.messages.answer(
        _run_id(call), call.identity, wait=body.wait, decision=body.decision, value=value, seen=body.seen
    )
    return reply(answered_view(answered))


async def signal_run(call: Call, run_id: RunId) -> Run:
    body = call.read(SignalBody)
    value = NOTHING if isinstance(body.value, msgspec.UnsetType) else body.value
    return await call.service.messages.signal(run_id, call.identity, body.name, value, key=call.key)


async def retry_run(call: Call, run_id: RunId) -> Run:
    return await call.service.messages.retry(run_id, call.identity)


async def list_workers(call: Call) -> Answer:
    workers = tuple(
        WorkerView(
            id=worker.id,
            deployment=worker.deployment,
            pool=worker.pool,
            slots=worker.slots,
            leased=worker.leased,
            seen_at=worker.seen_at,
        )
        for worker in await call.service.runs.workers()
    )
    return reply(WorkerList(data=workers, next=None, total_count=len(workers)))


def _run_id(call: Call) -> RunId:
    return RunId(call.path["run_id"])


async def _page(call: Call) -> RunPage:
    limit = call.number("limit", PAGE, most=PAGE_MOST)
    if not limit:
        raise BadInput(f"limit must be a whole number from 1 to {PAGE_MOST}.")
    deployment, parent = call.query.get("deployment"), call.query.get("parent")
    which = RunFilter(
        states=parse_states(call.query.get("state")),
        program=call.query.get("agent"),
        deployment=None if deployment is None else DeploymentId(deployment),
        conversation=call.query.get("conversation"),
        parent=None if parent is None else RunId(parent),
    )
    return await call.service.messages.list(which, call.identity, limit=limit, after=call.query.get("after"))


def parse_states(text: str | None) -> frozenset[RunState] | None:
    if text is None:
        return None
    try:
        return frozenset(RunState(name) for name in text.split(","))
    except ValueError:
        raise BadInput("There is no such state.", fix=f"States: {', '.join(RunState)}.") from None


def act(
    collection: str, verb: str, scope: str, action: Action, about: str, *, takes: type | None = None
) -> Endpoint:
    """POST collection/{run_id}:verb, and with a slash for clients that cannot send a colon."""

    async def serve(call: Call) -> Answer:
        return reply(view(await action(call, _run_id(call))))

    return _verb(collection, verb, scope, serve, about, takes=takes, gives=RunView)


def _verb(
    collection: str,
    verb: str,
    scope: str,
    serve: Callable[[Call], Awaitable[Answer]],
    about: str,
    *,
    takes: type | None,
    gives: type,
    status: int = 200,
) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"{collection}/{{run_id}}:{verb}",
        also=(f"{collection}/{{run_id}}/{verb}",),
        scope=scope,
        serve=serve,
        about=about,
        takes=takes,
        gives=gives,
        status=status,
    )


_NARROWING = frozenset({"limit", "after", "state", "agent", "deployment", "conversation", "parent"})


def agent_endpoints() -> list[Endpoint]:
    """Everything under /api/v1 that concerns agents."""
    return [*directory_endpoints(), *_message_endpoints(), *_run_endpoints(), *_steering_endpoints()]


def _message_endpoints() -> list[Endpoint]:
    return [
        Endpoint(
            method="POST",
            path="/api/v1/messages",
            scope=WRITER,
            serve=send_message,
            about="Send a message to an agent: starts a run, which is kept from the moment this answers.",
            takes=NewMessage,
            gives=Accepted,
            status=202,
        ),
        Endpoint(
            method="GET",
            path="/api/v1/messages",
            scope=READER,
            serve=list_messages,
            about="List messages, newest first.",
            gives=MessageList,
            query=_NARROWING,
        ),
    ]


def _run_endpoints() -> list[Endpoint]:
    """Of runs: to read and to follow."""
    return [
        Endpoint(
            method="GET",
            path="/api/v1/runs",
            scope=READER,
            serve=list_runs,
            about="List runs, newest first.",
            gives=RunList,
            query=_NARROWING,
        ),
        Endpoint(
            method="GET",
            path="/api/v1/runs/{run_id}",
            scope=READER,
            serve=show_run,
            about="Show a run.",
            gives=RunView,
        ),
        Endpoint(
            method="GET",
            path="/api/v1/runs/{run_id}/account",
            scope=READER,
            serve=account_of_run,
            about="What a run used up, what its replays did not pay again, and what is left of its caps.",
            gives=Account,
        ),
        Endpoint(
            method="GET",
            path="/api/v1/runs/{run_id}/events",
            scope=READER,
            serve=stream_run,
            about="Follow a run as server-sent events, its journal and what its models say; `Last-Event-ID` or "
            "`after` resumes.",
            query=frozenset({"after"}),
        ),
        Endpoint(
            method="GET",
            path="/api/v1/runs/{run_id}/ws",
            scope=READER,
            serve=socket_run,
            about="Follow a run over WebSocket: the same frames as its events, as JSON; `after` resumes.",
            gives=Frame,
            status=101,
            query=frozenset({"after"}),
            socket=True,
        ),
    ]


def _steering_endpoints() -> list[Endpoint]:
    """Of runs: to have them go on otherwise; and of the workers that execute them."""
    return [
        act("/api/v1/runs", "cancel", WRITER, cancel_run, "Ask a run to end.", takes=CancelBody),
        # Who may answer stands in what is asked; it may be somebody who writes nothing else.
        _verb(
            "/api/v1/runs",
            "answer",
            READER,
            answer_run,
            "Answer an approval, a question or a doubt.",
            takes=AnswerBody,
            gives=AnsweredView,
        ),
        act(
            "/api/v1/runs", "signal", WRITER, signal_run, "Put a signal into a run's inbox.", takes=SignalBody
        ),
        _verb(
            "/api/v1/runs",
            "fork",
            WRITER,
            fork_run,
            "Start a run that recalls a run up to a place, and does the rest anew.",
            takes=Fork,
            gives=Accepted,
            status=202,
        ),
        act("/api/v1/runs", "retry", OPERATOR, retry_run, "Let a stopped run go on."),
        Endpoint(
            method="GET",
            path="/api/v1/workers",
            scope=READER,
            serve=list_workers,
            about="List the workers that were heard of lately.",
            gives=WorkerList,
        ),
    ]
