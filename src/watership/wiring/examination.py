"""The examination that `watership doctor` makes: each finding is a real look, with the command that mends it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from watership.adapters.address import shown
from watership.adapters.sqlite.store import SQLiteStore
from watership.config import FILE, Config, find
from watership.durable.states import RunState
from watership.errors import WatershipError
from watership.fleet.deployment import Slot
from watership.fleet.finding import Finding
from watership.fleet.stranded import Census
from watership.wiring.embedded import SCHEME, store_path
from watership.wiring.lodging import examine_hosts

FREE_BYTES = 500 * 1024 * 1024
"""Less free space than this is a warning: the store refuses work once the disk is full."""

SQLITE_AT_LEAST = (3, 37, 0)
"""What the store's SQL needs (STRICT tables)."""

ROUTED = ("PostgreSQL", "Schema", "RabbitMQ")
"""Findings that must be no problem before anybody can be asked for the queues, or for the workers."""

STUCK = (RunState.IN_DOUBT, RunState.STOPPED)
"""States that only a person leads a run out of."""


async def examine(config: Config) -> list[Finding]:
    """Every finding about the embedded default, in the order in which they should be mended."""
    looks: list[Callable[[Config], Awaitable[Finding]]] = [
        _python,
        _settings,
        _sqlite,
        _folder,
        _disk,
        _store,
        _stuck,
        _tokens,
        _port,
    ]
    return [*[await look(config) for look in looks], *await examine_hosts(config), *await _balancer(config)]


async def examine_servers(config: Config) -> list[Finding]:
    """Every finding about the servers that the configuration names."""
    from watership.adapters.postgres import examination as postgres

    found = [await _python(config), await _settings(config), _secret(config)]
    if config.store.url.startswith(SCHEME):
        found.append(_missing("store.url", "postgresql://user:password@host/database"))
        return [*found, *await examine_hosts(config)]
    found += await postgres.examine(config.store.url)
    if not _in_the_way(found):
        from watership.wiring.staffing import examine_workers

        found.append(await examine_workers(config))
    if config.broker.url:
        from watership.adapters.rabbitmq import examination as rabbitmq

        found += await rabbitmq.examine(config.broker.url, config.broker.management, config.broker.ca_file)
        found.append(await _routes(config, found))
    else:
        found.append(_missing("broker.url", "amqp://user:password@host/vhost"))
    if config.cache.url:
        from watership.adapters.redis import examination as redis

        found += await redis.examine(config.cache.url)
    return [*found, *await examine_hosts(config), *await _balancer(config)]


async def _balancer(config: Config) -> list[Finding]:
    """What is before an environment, where that is somebody else's."""
    if config.environment.proxy != "aws":
        return []
    from watership.adapters.aws import examination as aws
    from watership.adapters.aws.balancer import Where

    groups = {Slot.BLUE: config.aws.blue, Slot.GREEN: config.aws.green}
    where = Where(region=config.aws.region, rule=config.aws.rule, groups=groups, endpoint=config.aws.endpoint)
    return [*await aws.examine(where), _counted(config)]


def _counted(config: Config) -> Finding:
    """A load balancer of AWS counts nothing by the second: whether somebody does, decides what a gate can judge."""
    url = config.environment.prometheus
    if url and config.environment.metrics == "prometheus":
        return Finding(what="Metrics", state="ok", detail=f"requests are counted at {shown(url)}")
    return Finding(
        what="Metrics",
        state="problem",
        detail="AWS counts no requests by the second: no gate can judge what comes through it",
        fix='Name the Prometheus that scrapes the processes: [environment] metrics = "prometheus", prometheus = "…"',
    )


async def _routes(config: Config, found: list[Finding]) -> Finding:
    """Asked only where both servers let us in: elsewhere that is what must be mended first."""
    if first := _in_the_way(found):
        return Finding(
            what="Routes",
            state="unknown",
            detail=f"{' and '.join(each.what for each in first)} must be mended first",
            fix="; ".join(each.fix for each in first if each.fix),
        )
    from watership.wiring.routes import examine_routes

    return await examine_routes(config)


def _in_the_way(found: list[Finding]) -> list[Finding]:
    """The problems among ROUTED."""
    return [each for each in found if each.state == "problem" and each.what in ROUTED]


def _missing(setting: str, example: str) -> Finding:
    return Finding(what=setting, state="problem", detail="names no server", fix=f"Set {setting} to {example}")


async def _python(_: Config) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    return Finding(
        what="Python",
        state="ok" if ok else "problem",
        detail=version,
        fix="" if ok else "Install Python 3.11 or newer.",
    )


async def _settings(_: Config) -> Finding:
    """Which file was read: one of a folder above is easily taken for one's own."""
    file = find(Path.cwd())
    return Finding(
        what="Settings",
        state="ok",
        detail=f"{file} is read"
        if file
        else f"no {FILE}: every setting is the default's, or the environment's",
    )


async def _sqlite(_: Config) -> Finding:
    ok = sqlite3.sqlite_version_info >= SQLITE_AT_LEAST
    fix = "" if ok else f"Use a Python with SQLite {'.'.join(map(str, SQLITE_AT_LEAST))} or newer."
    return Finding(what="SQLite", state="ok" if ok else "problem", detail=sqlite3.sqlite_version, fix=fix)


async def _folder(config: Config) -> Finding:
    folder = store_path(config.store.url).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"written by watership doctor")
        probe.unlink()
    except OSError as error:
        return Finding(
            what="State folder",
            state="problem",
            detail=f"{folder}: {error.strerror}",
            fix=f"chmod u+rwx {folder}",
        )
    return Finding(what="State folder", state="ok", detail=f"{folder} can be written to")


async def _disk(config: Config) -> Finding:
    folder = store_path(config.store.url).parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(what="Disk", state="problem", detail=str(error), fix=f"mkdir -p {folder}")
    ok = free >= FREE_BYTES
    fix = "" if ok else f"Free some space on the disk of {folder}."
    return Finding(
        what="Disk", state="ok" if ok else "warning", detail=f"{free / 2**30:.1f} GiB free", fix=fix
    )


async def _store(config: Config) -> Finding:
    path = store_path(config.store.url)
    try:
        async with await SQLiteStore.open(path) as store:
            await store.ping()
            state = await store.read()
    except WatershipError as error:
        return Finding(
            what="Store", state="problem", detail=error.message, fix=error.fix or f"Look at {path}."
        )
    mode = "read-only is ON" if state.readonly else "writable"
    fix = "curl -X POST …/admin/readonly -d '{\"readonly\": false}'" if state.readonly else ""
    return Finding(
        what="Store", state="warning" if state.readonly else "ok", detail=f"{path}: {mode}", fix=fix
    )


async def _stuck(config: Config) -> Finding:
    """Runs that go nowhere until a person decides."""
    path = store_path(config.store.url)
    try:
        async with await SQLiteStore.open(path) as store:
            census = await store.census()
    except WatershipError as error:
        return Finding(
            what="Runs", state="problem", detail=error.message, fix=error.fix or f"Look at {path}."
        )
    return told(census)


def told(census: Census) -> Finding:
    """What a census says about runs that are stuck."""
    numbers = {state: sum(number for (_, one), number in census.items() if one is state) for state in STUCK}
    stuck = [state for state, number in numbers.items() if number]
    if not stuck:
        return Finding(what="Runs", state="ok", detail="none is in doubt or stopped")
    return Finding(
        what="Runs",
        state="warning",
        detail=", ".join(f"{numbers[state]} {state.replace('_', ' ')}" for state in stuck),
        fix="; ".join(f"watership run list --state {state}" for state in stuck),
    )


async def _tokens(config: Config) -> Finding:
    if config.open:
        return Finding(what="Tokens", state="ok", detail="not asked for: loopback development")
    return Finding(what="Tokens", state="ok", detail="asked for, and there is a secret to verify them with")


def _secret(config: Config) -> Finding:
    """Of a production: whoever reaches an open service does there what he likes."""
    if not config.open:
        return Finding(
            what="Tokens", state="ok", detail="asked for, and there is a secret to verify them with"
        )
    return Finding(
        what="Tokens",
        state="problem",
        detail="the service is open: it asks nobody for a token",
        fix='export WATERSHIP_SECRET="$(openssl rand -hex 32)", the same for every process, and no auth = "none"',
    )


async def _port(config: Config) -> Finding:
    where = f"{config.http.host}:{config.http.port}"
    if config.http.port == 0:
        return Finding(what="Port", state="ok", detail="any free one")
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = await asyncio.to_thread(probe.connect_ex, (config.http.host, config.http.port)) == 0
    detail = f"{where} is in use (by this service, or by another one)" if taken else f"{where} is free"
    return Finding(
        what="Port",
        state="warning" if taken else "ok",
        detail=detail,
        fix=f"curl {where}/health tells whether it is ours; else set WATERSHIP_HTTP_PORT" if taken else "",
    )
