"""The controller of an environment on this machine, with all that it works with: opened, and closed again."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from watership.adapters.files.audit import AuditFile
from watership.adapters.files.bell import FilesBell
from watership.adapters.files.bindings import Bindings
from watership.adapters.files.lock import FileLock
from watership.adapters.files.records import RecordFiles
from watership.adapters.files.snapshots import FileSnapshots
from watership.adapters.files.witness import FileWitness
from watership.adapters.helm.router import HelmRouter
from watership.adapters.http.probe import HttpProbe
from watership.adapters.rehearsal.clock import FARTHEST, LeapingClock
from watership.adapters.rehearsal.router import RehearsedRouter
from watership.adapters.sqlite.store import SQLiteStore
from watership.adapters.structlog.observer import StructlogObserver
from watership.config import Config
from watership.durable.clock import Clock, SystemClock
from watership.durable.ids import random_ids
from watership.durable.lease import LEASE_SECONDS
from watership.errors import NotFound, Unavailable
from watership.releases.controller import Controller
from watership.releases.environment import Environment
from watership.wiring import kinds
from watership.wiring.company import Company
from watership.wiring.database import migrator_of, stanza_of, vault_of
from watership.wiring.desk import Desk, controller_build
from watership.wiring.entrances import entrance_of
from watership.wiring.environment import Places
from watership.wiring.glass import CLEAR, Glass
from watership.wiring.handover import BuildHandover
from watership.wiring.health import looked_at
from watership.wiring.hosts import hosts_of
from watership.wiring.incidents import critical_of, incidents_of
from watership.wiring.instruments import ProjectInstruments
from watership.wiring.kernel import RunStore
from watership.wiring.messages import outbox
from watership.wiring.metering import breaches, feeds_of, metrics_of, usage_of
from watership.wiring.system import is_there, open_system

REHEARSED_LEASE = 2 * FARTHEST
"""Seconds of a calendar that leaps: no leap takes a release from a controller that lives, and is seen to live."""


@asynccontextmanager
async def open_desk(config: Config, glass: Glass = CLEAR) -> AsyncIterator[Desk]:
    """Open the environment that `config` names, from outside: none of its processes is started or ended.

    Through `glass` the controller sees what it writes to.
    """
    places = Places.of(config)
    if not is_there(config):
        raise NotFound(
            f"There is no environment in {places.folder}.", fix="Start one: watership environment up BUILD"
        )
    places.releases.mkdir(parents=True, exist_ok=True)
    machine = SystemClock()
    clock = LeapingClock(places.calendar) if config.environment.rehearsal else machine
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(await open_system(config))
        own = await stack.enter_async_context(
            await SQLiteStore.open(places.releases / "controller.db", clock=clock)
        )
        audit = stack.enter_context(AuditFile(places.audit, clock.now, secret=config.secret))
        own = glass.journal(own)
        bell = FilesBell(places.releases / "bells")
        stack.callback(bell.close)
        environment = glass.environment(_environment(config, places, system, audit, clock))
        observer = StructlogObserver(form=config.log.format, level=config.log.level)
        company = Company(
            env=environment,
            own=own,
            incidents=incidents_of(places),
            box=glass.outbox(stack.enter_context(outbox(places))),
            observer=observer,
            kinds=kinds.of_release,
            promised=looked_at(config, Path.cwd()),
        )
        controller = Controller(
            store=own,
            bell=bell,
            witness=FileWitness(places.releases / "workers"),
            environment=environment,
            new_id=random_ids(),
            observer=observer,
            build=controller_build(),
            who=f"{getpass.getuser()}@{socket.gethostname()}",
            lease=LEASE_SECONDS if clock is machine else REHEARSED_LEASE,
            kinds=kinds.of_release,
            beside=company,
        )
        yield Desk(
            environment=environment,
            controller=controller,
            store=own,
            places=places,
            name=config.environment.name,
            tells=company.tells,
            rehearsal=config.environment.rehearsal,
        )


def _environment(
    config: Config, places: Places, system: RunStore, audit: AuditFile, clock: Clock
) -> Environment:
    """Everything that a release acts on, as the settings name it."""
    proxy = HelmRouter(places.router)
    router = RehearsedRouter(proxy, clock) if isinstance(clock, LeapingClock) else proxy
    metrics, every = metrics_of(config, router, clock)
    return Environment(
        router=router,
        metrics=metrics,
        every=every,
        kept=feeds_of(config),
        usage=usage_of(config),
        breach=breaches(incidents_of(places)),
        intake=system,
        deployments=system,
        hosts=hosts_of(config),
        migrator=migrator_of(places.database, places.url),
        backups=vault_of(
            places.database, places.url, places.backups, places.scratch, stanza_of(places)
        ).backups,
        probe=HttpProbe(),
        lock=FileLock(places.lock),
        audit=audit,
        runs=system,
        work=system,
        snapshots=FileSnapshots(places.releases / "snapshots"),
        clock=clock,
        used_disk=lambda: _used(places.folder),
        records=RecordFiles(places.releases, audit, Bindings(places.audit, secret=config.secret)),
        incidents=critical_of(places),
        instruments=ProjectInstruments(Path.cwd()),
        entrances=entrance_of,
        handover=BuildHandover(os.environ | {"WATERSHIP_STORE_URL": config.store.url}),
    )


async def _used(folder: Path) -> float:
    try:
        usage = await asyncio.to_thread(shutil.disk_usage, folder)
    except OSError as error:
        raise Unavailable(f"The disk of {folder} cannot be looked at: {error.strerror}.") from error
    return (usage.total - usage.free) / usage.total
