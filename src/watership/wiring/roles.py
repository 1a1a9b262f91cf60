"""The roles of a process: serve answers HTTP, work executes runs, dev does both."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from msgspec import to_builtins

from watership.adapters.files.builds import FILE, read_build
from watership.adapters.openfeature import provided
from watership.adapters.processes.presence import Presence, announce
from watership.adapters.structlog.observer import Fanout, StructlogObserver
from watership.agents.app import App
from watership.agents.budget import house_caps
from watership.agents.dead_letters import DeadLetters
from watership.agents.gatekeeper import Gatekeeper, looking
from watership.agents.messages import Gate, Messages
from watership.agents.permits import permits_of, use_permits
from watership.agents.scheduler import Scheduler, scheduling
from watership.agents.speech import Speaker, use_speaker
from watership.agents.throttle import Throttle, use_throttle
from watership.api.given import CustomRoute, Facts, Limits, Service
from watership.config import Config
from watership.durable.ids import DeploymentId, WorkerId
from watership.durable.ports import Runs
from watership.durable.run import DEFAULT_POOL
from watership.durable.scrubbing import keep_out
from watership.durable.worker import Worker, WorkerSettings
from watership.errors import BadInput
from watership.fleet.board import FlagBoard
from watership.fleet.hot import HotRuns, warming
from watership.fleet.identity import Tokens
from watership.fleet.turnstile import Quota
from watership.wiring.engines import mcp_servers, use_pydantic_ai
from watership.wiring.kernel import Kernel, open_kernel
from watership.wiring.process import stop_signals, urgently

if TYPE_CHECKING:
    # Loaded where they are used: a worker without an address answers nothing and is not measured by anybody.
    from watership.adapters.prometheus.observer import PrometheusObserver
    from watership.api.server import HttpServer

RANDOM_CHARACTERS = 16
"""Of a password in a URL, from which on it is taken for one that no ordinary text holds, and kept out of journals."""

STANDALONE = DeploymentId("local")
"""The deployment of processes that no release put anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where this process stands: its deployment, its slot, and what it is built of."""

    deployment: DeploymentId = STANDALONE
    slot: str = "green"
    version: str = "0"
    digest: str = "unbuilt"
    address: str | None = None

    def announce(self, state: str, address: str | None = None) -> None:
        """Tell the host agent, where there is one, how far this process is."""
        announce(
            Presence(
                pid=os.getpid(),
                state=state,  # type: ignore[arg-type]  # the three words of Presence
                address=address,
                digest=self.digest,
                version=self.version,
            )
        )


def place_of(app: App, source: Path | None, deployment: str | None, slot: str) -> Place:
    """The place of a process that runs `app`, whose build stands in the folder `source` if it has a build.toml."""
    version, build = app.version, "unbuilt"
    if source is not None and (source / FILE).is_file():
        found = read_build(source)
        version, build = found.version, found.digest
    return Place(
        deployment=DeploymentId(deployment) if deployment else STANDALONE,
        slot=slot,
        version=version,
        digest=build,
    )


async def serve(config: Config, app: App, place: Place) -> None:
    """Answer HTTP until a signal says stop; then drain."""
    place.announce("starting")
    metrics = _metrics(place)
    async with (
        _opened(config, place, metrics) as kernel,
        _server(config, app, place, kernel, metrics) as server,
    ):
        with stop_signals() as stop:
            place.announce("ready", server.url.removeprefix("http://"))
            await stop.asked.wait()
            place.announce("draining", server.url.removeprefix("http://"))
            server.begin_draining()
            with suppress(TimeoutError):
                async with asyncio.timeout(config.http.notice_seconds):
                    await stop.urgent.wait()
            await urgently(stop, server.drain(config.worker.drain_seconds), server.hurry)


async def work(config: Config, app: App, place: Place) -> None:
    """Execute runs until a signal says stop; then hand over what is left."""
    place.announce("starting")
    metrics = _metrics(place) if config.worker.http else None
    async with (
        _opened(config, place, metrics) as kernel,
        open_workers(config, app, place, kernel) as workers,
        _probes(config, app, place, kernel, metrics) as server,
    ):
        tasks = [asyncio.create_task(worker.run(), name=worker.id) for worker in workers]
        with stop_signals() as stop:
            place.announce("ready")
            async with scheduling(scheduler_of(app, place, kernel)):
                await _first(stop.asked.wait(), *tasks)
            place.announce("draining")
            if server is not None:
                server.begin_draining()
            drained = asyncio.gather(*(worker.drain(config.worker.drain_seconds) for worker in workers))
            await urgently(stop, drained, partial(_hurry, workers))
        await asyncio.gather(*tasks)


def _hurry(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.hurry()


async def develop(
    config: Config,
    app: App,
    place: Place,
    ready: Callable[[str], None],
    changed: Callable[[], Awaitable[object]],
) -> bool:
    """Everything in one process, until a signal (False) or a changed source file (True) ends it."""
    metrics = _metrics(place)
    async with (
        _opened(config, place, metrics) as kernel,
        _server(config, app, place, kernel, metrics) as server,
        open_workers(config, app, place, kernel) as workers,
    ):
        tasks = [asyncio.create_task(worker.run(), name=worker.id) for worker in workers]
        with stop_signals() as stop:
            ready(server.url)
            change = asyncio.ensure_future(changed())
            async with scheduling(scheduler_of(app, place, kernel)):
                await _first(stop.asked.wait(), change, *tasks)
            again = change.done()
            change.cancel()
            seconds = config.worker.drain_seconds
            drains = [server.drain(seconds), *(worker.drain(seconds) for worker in workers)]
            await urgently(stop, asyncio.gather(*drains), server.hurry)
        await asyncio.gather(*tasks)
        return again


@asynccontextmanager
async def open_workers(config: Config, app: App, place: Place, kernel: Kernel) -> AsyncIterator[list[Worker]]:
    """One worker for each pool that is worked for, with everything ready that its agents will need."""
    use_pydantic_ai()
    async with mcp_servers(kernel.clock), AsyncExitStack() as stack:
        stack.enter_context(throttling(config, kernel))
        use_speaker(Speaker(kernel.shared.fanout, kernel.shared.audience))
        limit(app, config)
        app.prepare()
        yield [
            Worker(
                id=WorkerId(f"{place.deployment}-{pool}-{kernel.new_id()[-10:]}"),
                deployment=place.deployment,
                pool=pool,
                programs=app.programs,
                committer=kernel.committer,
                runs=kernel.store,
                bell=kernel.bell,
                witness=kernel.witnesses(),
                clock=kernel.clock,
                new_id=kernel.new_id,
                observer=kernel.observer,
                settings=WorkerSettings(
                    slots=config.worker.slots,
                    lease_seconds=config.worker.lease_seconds,
                    sweep_seconds=kernel.sweep_seconds,
                ),
                wakeups=await stack.enter_async_context(
                    kernel.open_wakeups(place.deployment, pool, config.worker.slots)
                ),
            )
            for pool in pools_of(app, config.worker.agents)
        ]


@contextmanager
def throttling(config: Config, kernel: Kernel) -> Iterator[None]:
    """Have model calls keep to the quotas of the settings."""
    quotas = {name: Quota(**to_builtins(each)) for name, each in config.models.items()}
    before = use_throttle(
        Throttle(
            quotas,
            shared=kernel.shared.turnstile,
            own=kernel.shared.own_turnstile,
            clock=kernel.clock,
            observer=kernel.observer,
            new_id=kernel.new_id,
        )
    )
    try:
        yield
    finally:
        use_throttle(before)


def scheduler_of(app: App, place: Place, kernel: Kernel) -> Scheduler:
    """What starts the windows of the application's schedules, in every process that works."""
    return Scheduler(
        app.schedules,
        app.cards(),
        deployment=place.deployment,
        writer=kernel.committer,
        intake=kernel.store,
        clock=kernel.clock,
        observer=kernel.observer,
    )


def limit(app: App, config: Config) -> None:
    """Have the agents keep to what the settings allow, beside what they say of themselves."""
    allowed = config.budget
    app.directory.house = partial(
        house_caps,
        usd_per_run=allowed.usd_per_run,
        usd_per_tenant_and_day=allowed.usd_per_tenant_and_day,
        usd_per_day=allowed.usd_per_day,
    )
    permitted = permits_of(config.policy.tools, config.policy.hosts)
    app.check_permits(permitted)
    use_permits(permitted)
    for name, value in secrets_of(config).items():
        if len(value) >= RANDOM_CHARACTERS:
            keep_out(name, value)


def secrets_of(config: Config) -> dict[str, str]:
    """What the settings hold that no run may tell: what tokens are signed with, and the passwords in URLs."""
    urls = {"store": config.store.url, "broker": config.broker.url, "cache": config.cache.url}
    passwords = {f"{name}.url": unquote(urlsplit(url).password or "") for name, url in urls.items()}
    return {"secret": config.secret} | passwords


def pools_of(app: App, agents: str) -> list[str]:
    """The pools of the agents named (with commas between), or of all. Raises BadInput for an unknown one."""
    cards = {card.name: card.pool for card in app.directory.cards()}
    if not agents.strip():
        return sorted({*cards.values(), DEFAULT_POOL})
    named = [name.strip() for name in agents.split(",") if name.strip()]
    unknown = [name for name in named if name not in cards]
    if unknown:
        raise BadInput(
            f"This application has no agent {unknown[0]!r}.",
            fix=f"Agents: {', '.join(sorted(cards)) or 'none'}.",
        )
    return sorted({cards[name] for name in named})


@asynccontextmanager
async def _probes(
    config: Config, app: App, place: Place, kernel: Kernel, metrics: PrometheusObserver | None
) -> AsyncIterator[HttpServer | None]:
    """A worker's probes and metrics, where the configuration gives them an address."""
    if metrics is None:
        yield None
        return
    from watership.api.server import HttpServer

    host, _, port = config.worker.http.rpartition(":")
    if not port.isdigit():
        raise BadInput(f"worker.http is HOST:PORT, not {config.worker.http!r}.", fix="Say 127.0.0.1:9100.")
    service = replace(_service(config, app, place, kernel, metrics), probes_only=True)
    async with HttpServer(service, host=host or "127.0.0.1", port=int(port)) as server:
        yield server


def _metrics(place: Place) -> PrometheusObserver:
    from watership.adapters.prometheus.observer import PrometheusObserver

    return PrometheusObserver(version=place.version, deployment=place.deployment, slot=place.slot)


@asynccontextmanager
async def _opened(config: Config, place: Place, metrics: PrometheusObserver | None) -> AsyncIterator[Kernel]:
    """The kernel of a process that answers HTTP, and has `metrics`, or of a worker that does not."""
    logs = StructlogObserver(form=config.log.format, level=config.log.level)
    observer = logs if metrics is None else Fanout(logs, metrics)
    # A worker too: who watches a run is told by it what its models say.
    async with open_kernel(config, observer) as kernel:
        await _take_in(kernel, place)
        if config.readonly:
            await kernel.store.set_readonly(True, by="the configuration")
        async with FlagBoard(kernel.store, kernel.bell, kernel.clock, kernel.observer) as board:
            with provided(board):
                yield kernel


async def _take_in(kernel: Kernel, place: Place) -> None:
    """The first deployment of a store takes all new work; a later one takes what it is given."""
    state = await kernel.store.read()
    if not state.weights:
        state = await kernel.store.set_weights({place.deployment: 100}, epoch=state.epoch)
    if not state.weights.get(place.deployment):
        shares = {str(deployment): weight for deployment, weight in state.weights.items()}
        kernel.observer.note(
            "deployment takes no new work",
            deployment=place.deployment,
            weights=shares,
            fix="A release gives it some, or a person: watership intake set DEPLOYMENT=PERCENT",
        )


@asynccontextmanager
async def _server(
    config: Config, app: App, place: Place, kernel: Kernel, metrics: PrometheusObserver
) -> AsyncIterator[HttpServer]:
    from watership.api.server import HttpServer

    gatekeeper = Gatekeeper(
        kernel.store,
        kernel.store,
        kernel.clock,
        kernel.observer,
        seconds=config.limits.backlog_seconds,
        writes=lambda: kernel.committer.waiting,
        full=kernel.full,
    )
    hot = HotRuns(kernel.store, kernel.shared.cache, kernel.observer)
    service = _service(config, app, place, kernel, metrics, gate=gatekeeper, runs=hot)
    async with (
        looking(gatekeeper),
        warming(hot),
        kernel.open_inbox(service.messages),
        HttpServer(service, host=config.http.host, port=config.http.port) as server,
    ):
        yield server


def _service(
    config: Config,
    app: App,
    place: Place,
    kernel: Kernel,
    metrics: PrometheusObserver,
    *,
    gate: Gate | None = None,
    runs: Runs | None = None,
) -> Service:
    limit(app, config)
    messages = Messages(kernel.committer, runs or kernel.store, app.directory, kernel.new_id, gate)
    return Service(
        messages=messages,
        dead=DeadLetters(messages, kernel.committer, kernel.store, kernel.new_id),
        runs=kernel.store,
        bell=kernel.bell,
        intake=kernel.store,
        flags=kernel.store,
        clock=kernel.clock,
        new_id=kernel.new_id,
        observer=kernel.observer,
        facts=Facts(version=place.version, build=place.digest, deployment=place.deployment, slot=place.slot),
        probes=kernel.probes,
        adapters=kernel.adapters,
        vital=kernel.vital,
        tokens=None if config.open else Tokens(config.secret, kernel.clock),
        open=config.open,
        exposition=metrics.exposition,
        limits=Limits(requests_per_minute=config.limits.requests_per_minute),
        limiter=kernel.shared.limiter,
        fanout=kernel.shared.fanout,
        audience=kernel.shared.audience,
        schedules=app.schedules,
        routes=[CustomRoute(each.method, each.path, each.function) for each in app.routes],
    )


async def _first(*waits: Awaitable[object]) -> None:
    """Return when the first of `waits` is over; what it raised is raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[0].cancel()
    for task in done:
        if not task.cancelled():
            task.result()
