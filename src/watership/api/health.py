"""Health is asked anew for every answer: each component is probed, and what was not probed is not ok."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final, Literal

import msgspec

from watership.api.answer import Answer, reply
from watership.api.endpoint import Call, Endpoint
from watership.api.given import COMPONENTS, PUBLIC, Census, Probe, Service
from watership.errors import BadInput, Unavailable, WatershipError
from watership.fleet.identity import ADMIN

WORDS: Final = 200
"""Characters of a failed probe's reason that are shown."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`database`, `rabbitmq` and `redis` are "ok" just when a round trip succeeded; else why not.

    `status` is "degraded" while only what is not vital fails: accepted runs are kept, and requests are served.

    `adapters` says what stands behind each name. `uptime` is in seconds.
    """

    status: Literal["ok", "degraded", "failed"]
    timestamp: datetime
    version: str
    uptime: int
    database: str
    rabbitmq: str
    redis: str
    build: str
    deployment: str
    slot: str
    adapters: dict[str, str]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service stands. `readonly`: new work is refused, accepted runs are kept."""

    readonly: bool
    timestamp: datetime
    version: str
    deployment: str
    slot: str
    started: bool
    draining: bool
    epoch: int
    """Of the intake: it rises with every decision about where new runs go."""


class Live(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["ok", "degraded", "starting", "draining", "failed"]
    components: dict[str, str] = {}


class SetReadonly(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    readonly: bool


async def probe_all(service: Service) -> dict[str, str]:
    """What each component says, all asked at once: "ok", or why not."""
    names = list(dict.fromkeys((*COMPONENTS, *service.probes)))
    answers = await asyncio.gather(
        *(_ask(service.probes.get(name), service.limits.probe_seconds) for name in names)
    )
    return dict(zip(names, answers, strict=True))


async def _ask(probe: Probe | None, seconds: float) -> str:
    if probe is None:
        return "not configured"
    patience = asyncio.timeout(seconds)
    try:
        async with patience:
            await probe()
    except WatershipError as error:
        return f"failed: {error.message}"[:WORDS]
    except Exception as error:  # noqa: BLE001 - whatever a probe raises is the component's state, not ours
        # A probe may raise a TimeoutError of its own, long before our patience ends.
        if patience.expired():
            return f"no answer within {seconds:g} s"
        # A driver's words may hold an address or a password; its class does not.
        return f"failed: {type(error).__name__}"
    return "ok"


def judge(service: Service, components: dict[str, str]) -> Literal["ok", "degraded", "failed"]:
    """What the components' answers mean together: a vital one that fails, fails the whole."""
    failed = {name for name, answer in components.items() if answer != "ok"}
    if failed & (service.vital | (service.probes.keys() - set(COMPONENTS))):
        return "failed"
    return "degraded" if failed else "ok"


def probe_endpoints() -> list[Endpoint]:
    """What an orchestrator of containers and Prometheus ask."""
    return [
        _probe("/livez", livez, "The process answers; nothing else is asked."),
        _probe("/readyz", readyz, "The service can take requests now."),
        _probe("/startupz", startupz, "The service has started."),
        _probe("/metrics", metrics, "Metrics in Prometheus' text format.", gives=None),
    ]


def health_endpoint(started_at: float) -> Endpoint:
    """What a process says of itself, its build too. `started_at` is on the clock's monotonic scale."""

    async def health(call: Call) -> Answer:
        components = await probe_all(call.service)
        state = judge(call.service, components)
        facts = call.service.facts
        told = Health(
            status=state,
            timestamp=call.service.clock.now(),
            version=facts.version,
            uptime=int(call.service.clock.monotonic() - started_at),
            database=components["database"],
            rabbitmq=components["rabbitmq"],
            redis=components["redis"],
            build=facts.build,
            deployment=facts.deployment,
            slot=facts.slot,
            adapters=dict(call.service.adapters),
        )
        extra = {name: answer for name, answer in components.items() if name not in COMPONENTS}
        return reply({**msgspec.to_builtins(told), **extra}, 503 if state == "failed" else 200)

    return Endpoint(
        method="GET",
        path="/health",
        also=("/api/v1/health",),
        scope=PUBLIC,
        serve=health,
        about="Probe every component and say what was found.",
        gives=Health,
        query=None,
    )


def health_endpoints(started_at: float) -> list[Endpoint]:
    """Probes, switches and metrics."""
    return [
        health_endpoint(started_at),
        Endpoint(
            method="GET",
            path="/status",
            also=("/api/v1/status",),
            scope=PUBLIC,
            serve=status,
            about="Say whether the service takes new work.",
            gives=Status,
            query=None,
        ),
        Endpoint(
            method="POST",
            path="/admin/readonly",
            scope=ADMIN,
            serve=set_readonly,
            about="Turn read-only on (no body) or to what the body says.",
            takes=SetReadonly,
            gives=Status,
        ),
        *probe_endpoints(),
    ]


def _probe(path: str, serve: object, about: str, gives: type | None = Live) -> Endpoint:
    return Endpoint(
        method="GET",
        path=path,
        scope=PUBLIC,
        serve=serve,  # type: ignore[arg-type]
        about=about,
        gives=gives,
        query=None,
    )


async def status(call: Call) -> Answer:
    return reply(await _status(call.service))


async def _status(service: Service) -> Status:
    intake = await service.intake.read()
    return Status(
        readonly=intake.readonly,
        timestamp=service.clock.now(),
        version=service.facts.version,
        deployment=service.facts.deployment,
        slot=service.facts.slot,
        started=service.lifecycle.started,
        draining=service.lifecycle.draining.is_set(),
        epoch=intake.epoch,
    )


async def set_readonly(call: Call) -> Answer:
    """No body turns it on: the switch of an emergency needs no quoting. A body is read, whatever type it claims."""
    wanted = call.read(SetReadonly).readonly if call.body else True
    await call.service.intake.set_readonly(wanted, by=call.identity.person)
    told = await _status(call.service)
    if told.readonly is not wanted:
        raise Unavailable("Read-only was set and reads back differently.", fix="Ask /status, and try again.")
    call.service.observer.note("read-only set", readonly=wanted, by=call.identity.person)
    return reply(told)


async def livez(call: Call) -> Answer:
    """Touches nothing: a dependency that fails must not get this process killed too."""
    return reply(Live(status="ok"))


async def startupz(call: Call) -> Answer:
    started = call.service.lifecycle.started
    return reply(Live(status="ok" if started else "starting"), 200 if started else 503)


async def readyz(call: Call) -> Answer:
    lifecycle = call.service.lifecycle
    if lifecycle.draining.is_set():
        return reply(Live(status="draining"), 503)
    if not lifecycle.started:
        return reply(Live(status="starting"), 503)
    components = await probe_all(call.service)
    state = judge(call.service, components)
    return reply(Live(status=state, components=components), 503 if state == "failed" else 200)


async def metrics(call: Call) -> Answer:
    if call.service.exposition is None:
        raise BadInput("This service keeps no metrics.")
    clock = call.service.clock
    began = clock.monotonic()
    census = await _census(call.service)
    took = None if census is None else clock.monotonic() - began
    kind, text = call.service.exposition(census, took)
    return Answer(text, media=kind)


async def _census(service: Service) -> Census | None:
    """How many runs there are; None, and not zero, when the store does not say."""
    try:
        async with asyncio.timeout(service.limits.probe_seconds):
            return await service.runs.census()
    except (TimeoutError, Unavailable) as error:
        service.observer.note("census failed", error=type(error).__name__)
        return None
