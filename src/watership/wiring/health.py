"""The health of an environment: who stands in a slot, and by what its SLA is judged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from watership.adapters.http.probe import HttpProbe
from watership.adapters.processes.usage import ProcessUsage
from watership.adapters.prometheus.readings import PrometheusReadings
from watership.config import Config
from watership.durable.clock import SystemClock
from watership.durable.ports import Runs
from watership.durable.states import RunState
from watership.errors import BadInput, NotFound, Unavailable
from watership.fleet.deployment import Deployment, DeploymentState, Slot
from watership.releases.book.quantity import spoken
from watership.releases.incidents.promises import Assess
from watership.releases.instruments import Instruments
from watership.releases.ports import Instance, RouterState
from watership.releases.service import sla
from watership.releases.service.dashboard import Board, Members, look
from watership.releases.service.readings import Measure, Readings, RouterReadings, assess
from watership.releases.service.sla import ONE_LOOK, Compliance, Gauge, Sla
from watership.wiring.embedded import SCHEME
from watership.wiring.environment import BEGIN, LocalEnvironment
from watership.wiring.instruments import ProjectInstruments
from watership.wiring.system import open_system

Place = Literal["live", "next", "blue", "green"]

STRANGE = "it is not of this environment, whose processes are known"


async def board_at(url: str) -> Board:
    """The dashboard of a service anywhere, which tells nothing of its processes."""
    if not url.startswith(("http://", "https://")):
        raise BadInput(f"{url!r} is no URL.", fix="--url http://HOST:PORT")
    members = Members(subject=url, serving={url: url.rstrip("/")}, silent=STRANGE)
    return await look(HttpProbe(), ProcessUsage(), members)


async def board_of(config: Config, place: Place) -> Board:
    """The dashboard of a slot. Raises NotFound where no environment is up, Unavailable when its router is silent."""
    return await look(HttpProbe(), ProcessUsage(), await members(config, place))


async def members(config: Config, place: Place) -> Members:
    """Who stands in a slot."""
    local = LocalEnvironment(config)
    local.require_up()
    state = await local.router.read()
    slot = slot_of(place, state)
    role = "live" if slot is slot_of("live", state) else "next"
    try:
        instances = await local.hosts.instances()
    except Unavailable as error:
        # Whom the router sends requests to can still be asked.
        targets = {address: f"http://{address}" for address in state.targets.get(slot, ())}
        return Members(subject=f"{slot} ({role})", serving=targets, silent=error.message)
    standing = await _standing(local, slot)
    subject = f"{slot} ({role})" if standing is None else f"{slot} ({role}), {standing.id}"
    there = [each for each in instances if standing is not None and each.deployment == standing.id]
    return Members(
        subject=subject,
        serving={each.name: _url(each) for each in there if each.role == "serve"},
        pids={each.name: each.pid for each in there},
        silent=f"no process stands in {slot}",
    )


def slot_of(place: Place, state: RouterState) -> Slot:
    """The slot that is meant, by the weights; within a split live is where a silent controller would lead back to."""
    if place in ("blue", "green"):
        return Slot(place)
    weights = state.last_safe or state.weights
    live = next((slot for slot in Slot if weights.get(slot, 0) > 50), None)
    if live is None:
        raise BadInput("Which slot is live cannot be told by the router's weights.", fix="Say blue or green.")
    return live if place == "live" else live.other


async def _standing(local: LocalEnvironment, slot: Slot) -> Deployment | None:
    """The last deployment that was put into the slot, if it stands there."""
    async with await open_system(local.config) as store:
        there = [each for each in await store.all() if each.slot is slot]
    standing = [each for each in there if each.state is DeploymentState.STANDING]
    return standing[-1] if standing else None


def _url(instance: Instance) -> str | None:
    return f"http://{instance.address}" if instance.address else None


def objectives(file: Path | None, over: float | None) -> Sla:
    """The SLA of a file, or the shipped one; with `over` its windows are that long."""
    found = sla.read(file) if file is not None else sla.shipped()
    if over is None:
        return found
    if over <= 0:
        raise BadInput("A window is longer than nothing.")
    return replace(
        found,
        objectives=tuple(
            replace(each, over=over, step=min(each.step, over), recent=min(each.recent, over))
            for each in found.objectives
        ),
    )


async def compliance(config: Config, promised: Sla, prometheus: str) -> Sequence[Compliance]:
    """Every objective as it stands now, by a Prometheus or else by this environment's own router."""
    # A whole second: it stands in URLs and answers as decimals, and must come back as what it was.
    now = float(int(SystemClock().now().timestamp()))
    if prometheus:
        return await assess(promised, PrometheusReadings(HttpProbe(), prometheus), now)
    async with _own(config) as readings:
        return await assess(promised, readings, now)


OWN_SLA = "sla.yaml"
"""A project's own SLA, in its folder, where the checks of the shipped runbook read it too."""


def looked_at(config: Config, folder: Path) -> Assess | None:
    """How a release looks at the SLA of the project in `folder`; None where no Prometheus is named in the settings."""
    url = config.environment.prometheus
    if not url:
        return None

    async def assessed() -> Sequence[Compliance]:
        own = folder / OWN_SLA
        return await compliance(config, objectives(own if own.is_file() else None, None), url)

    return assessed


@asynccontextmanager
async def _own(config: Config) -> AsyncIterator[Readings]:
    local = LocalEnvironment(config)
    try:
        local.require_up()
    except NotFound as error:
        raise NotFound(
            error.message, fix=f"{BEGIN}; or name who keeps the metrics: --prometheus URL"
        ) from error
    async with await open_system(config) as store:
        yield RouterReadings(
            clock=SystemClock(),
            router=local.router,
            metrics=local.router,
            gauges=_gauges(store, ProjectInstruments(Path.cwd())),
            absent=_absent(config),
        )


def _absent(config: Config) -> dict[Gauge, str]:
    file = config.store.url.startswith(SCHEME)
    return {"connections": "SQLite is a file, and has no connections" if file else "nobody here counts them"}


def _gauges(store: Runs, looked: Instruments) -> Mapping[Gauge, Measure]:
    """How a gauge is measured on one machine, at this moment."""

    async def waiting() -> float:
        census = await store.census()
        return sum(
            count for (_, state), count in census.items() if state in (RunState.READY, RunState.QUEUED)
        )

    async def cpu() -> float:
        return (await looked.machine.load()).cpu

    async def memory() -> float:
        return (await looked.machine.load()).memory

    return {"queue_depth": waiting, "cpu": cpu, "memory": memory}


def hint(found: Sequence[Compliance], over: float) -> str:
    """What helps when a window is longer than what the router keeps, or a gauge is kept by nobody."""
    if any(each.reason.startswith("only ") for each in found):
        return f"the router keeps some minutes: --over {spoken(over)}, or --prometheus URL"
    once = any(each.reason.startswith(ONE_LOOK) for each in found)
    return "nobody keeps the gauges here: --prometheus URL" if once else ""
