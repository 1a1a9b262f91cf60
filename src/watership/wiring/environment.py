"""An environment on this machine: a router, a host agent, two slots, one database. Started, found, torn down."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

import msgspec

from watership.adapters.files.builds import read_build, read_migrations
from watership.adapters.files.lock import FileLock
from watership.adapters.helm.router import HelmRouter
from watership.config import Config
from watership.durable.ids import DeploymentId
from watership.errors import Conflict, NotFound, Unavailable
from watership.fleet.build import Build
from watership.fleet.deployment import Deployment, DeploymentState, Slot
from watership.releases.ports import HostSpec, Instance, InstanceState
from watership.wiring.database import migrator_of, prepare
from watership.wiring.hosts import hosts_of
from watership.wiring.system import open_system

START_SECONDS = 60.0
"""How long processes may take to become ready; the seed expects 30 to 60 s."""

LOOK_SECONDS = 0.1

BEGIN = "watership environment up BUILD"
"""What mends that there is no environment."""

STOP_SECONDS = 10.0
"""Grace of the environment's own processes."""

APPLICATION_DATABASE = "APPLICATION_DATABASE"
"""The environment variable that tells a build's processes where the database is that releases migrate.

A path, or the address of a PostgreSQL.
"""


@dataclass(frozen=True, slots=True)
class Places:
    """Where an environment keeps what: one folder for all of it."""

    folder: Path
    router: Path
    hosts: Path
    url: str = ""
    """Of the application's own database, where it is a PostgreSQL."""
    scratch: str = ""
    """Of the PostgreSQL that its dumps are restored into; empty: beside the original."""
    stanza: str = ""
    """What pgBackRest calls the server of `url`, where it backs it up."""
    pgbackrest: str = ""
    """pgBackRest's configuration file; empty: where it looks by itself."""

    @classmethod
    def of(cls, config: Config) -> Places:
        environment = config.environment
        return cls(
            Path(environment.state),
            Path(environment.router),
            Path(environment.hosts),
            environment.database,
            environment.scratch,
            environment.stanza,
            environment.pgbackrest,
        )

    @property
    def database(self) -> Path:
        """The application's own database, which releases migrate, where it is a file."""
        return self.folder / "application.db"

    @property
    def lock(self) -> Path:
        return self.folder / "release.lock"

    @property
    def audit(self) -> Path:
        return self.folder / "audit.jsonl"

    @property
    def calendar(self) -> Path:
        return self.folder / "calendar.json"

    @property
    def releases(self) -> Path:
        """The controller's own store, plans, sign-offs, snapshots and reports."""
        return self.folder / "releases"

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def processes(self) -> Path:
        """The environment's own processes: name → pid."""
        return self.folder / "processes.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How many processes a deployment has, and how many runs each worker executes at a time."""

    serve: int = 1
    workers: int = 2
    slots: int = 16


def deployment_id(version: str, digest: str) -> DeploymentId:
    """Names a deployment for people, and by its bytes: `2.1.0-3f9ac1d2`."""
    return DeploymentId(f"{version}-{digest.removeprefix('sha256:')[:8]}")


def check_build(source: Path) -> None:
    """Raises NotFound or BadInput for a folder that is no build, before anything is started for it."""
    read_build(source)
    read_migrations(source)


class LocalEnvironment:
    """Starts and stops the processes of an environment. They live on when their starter ends."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.places = Places.of(config)
        self.router = HelmRouter(self.places.router)
        self.hosts = hosts_of(config)
        # Other hosts are there already, and are nobody's child.
        self._keeps = config.hosts.kind == "processes"

    async def up(self, listen: str, *, environment: dict[str, str] | None = None) -> str:
        """Start router and host agent; the address that clients use. Raises Conflict when they run already."""
        folder = self.places.folder
        folder.mkdir(parents=True, exist_ok=True)
        if any(_alive(pid) for pid in self._pids().values()):
            raise Conflict(f"The environment in {folder} is up already.", fix="watership environment down")
        await prepare(self.places.database, self.places.url)
        async with await open_system(self.config, waits=True):
            pass  # processes that find no store, or another schema, would begin again and again
        variables = self._variables() | (environment or {})
        log = folder / "router.log"
        router = _start(self._router_command(listen), log, variables)
        self._keep({"router": router})
        if self._keeps:
            hosts = _start(_hosts_command(self.places), folder / "hosts.log", variables)
            self._keep({"router": router, "hosts": hosts})
        try:
            await self._answering()
            return _address(log)
        except BaseException:
            # Nothing was put in yet, so there is nothing below these two to stop.
            await self._end_all()
            raise

    async def establish(self, source: Path, slot: Slot = Slot.GREEN, layout: Layout = Layout()) -> Deployment:
        """Put a build into `slot` and give it all traffic and all work. Raises Conflict during a release."""
        async with self._authority("environment up", above=await self._epoch()) as epoch:
            return await self._establish(read_build(source), slot, layout, epoch)

    async def _establish(self, build: Build, slot: Slot, layout: Layout, epoch: int) -> Deployment:
        source = Path(build.source)
        migrator = migrator_of(self.places.database, self.places.url)
        version = await migrator.version()
        for migration in read_migrations(source):
            # A database that was kept may stand beyond the first steps already.
            if version < migration.end <= build.schema.highest:
                await migrator.apply(migration, forward=True, epoch=epoch)
        deployment = Deployment(
            id=deployment_id(build.version, build.digest),
            build=build,
            slot=slot,
            state=DeploymentState.STANDING,
            created_at=datetime.now(UTC),
        )
        spec = HostSpec(
            deployment=deployment.id,
            build=build,
            slot=slot,
            serve=layout.serve,
            workers=layout.workers,
            slots=layout.slots,
        )
        await self.hosts.ensure(spec, epoch=epoch)
        addresses = await self.until_ready(spec)
        await self.router.set_targets(slot, addresses, epoch=epoch)
        await self._until_healthy(slot)
        async with await open_system(self.config, waits=True) as store:
            await store.put(deployment)
            await store.set_weights({deployment.id: 100}, epoch=epoch)
        await self.router.set_weights({slot: 100, slot.other: 0}, epoch=epoch)
        return deployment

    async def revive(self, name: str, workers: int, slots: int) -> Deployment:
        """Workers again for a deployment that lingers: they go on with its runs, and nothing new comes to it.

        Raises NotFound for one that is not registered, Conflict for one that stands in its slot or whose folder holds
        another build by now.
        """
        async with self._authority("environment revive") as epoch:
            async with await open_system(self.config, waits=True) as store:
                deployment = _known(await store.all(), name)
            spec = HostSpec(
                deployment=deployment.id,
                build=deployment.build,
                slot=deployment.slot,
                serve=0,
                workers=workers,
                slots=slots,
            )
            await self.hosts.ensure(spec, epoch=epoch)
            await self.until_ready(spec)
        return deployment

    async def until_ready(self, spec: HostSpec) -> Sequence[str]:
        """The addresses of a deployment's serve processes, once every process is ready."""
        mine: Sequence[Instance] = ()

        async def complete() -> bool:
            nonlocal mine
            mine = [each for each in await self.hosts.instances() if each.deployment == spec.deployment]
            return sum(each.state is InstanceState.READY for each in mine) == spec.serve + spec.workers

        if not await _within(START_SECONDS, complete):
            states = ", ".join(f"{each.name} {each.state}" for each in mine) or "no process"
            raise Unavailable(
                f"{spec.deployment} is not ready after {START_SECONDS:.0f} s: {states}.",
                fix=f"Look at the logs under {self.places.folder}.",
            )
        ready = [each for each in mine if each.state is InstanceState.READY]
        return [each.address for each in ready if each.role == "serve" and each.address]

    async def down(self) -> None:
        """Stop every deployment's processes, then the host agent and the router.

        An agent that has died is started again first: it takes its processes over, and nobody else can end them.
        Raises Unavailable, and ends nothing, where it does not come up.
        """
        pids = self._pids()
        if not pids:
            raise NotFound(f"There is no environment in {self.places.folder}.", fix=BEGIN)
        if self._keeps and not _alive(pids.get("hosts", 0)):
            await self._take_over(pids)
        async with self._authority("environment down") as epoch:
            for deployment in {each.deployment for each in await self.hosts.instances()}:
                await self.hosts.stop(deployment, grace_seconds=STOP_SECONDS, epoch=epoch)
        await self._end_all()

    async def _take_over(self, pids: dict[str, int]) -> None:
        # What the one before said last is in its own log still.
        log = self.places.folder / "hosts-again.log"
        again = _start(_hosts_command(self.places), log, self._variables())
        self._keep(pids | {"hosts": again})

        async def answers() -> bool:
            if not _alive(again):
                return True
            try:
                await self.hosts.instances()
            except Unavailable:
                return False
            return True

        if not await _within(START_SECONDS, answers) or not _alive(again):
            left = sorted(each.stem for each in (self.places.folder / "hosts").glob("*-*.lock"))
            raise Unavailable(
                f"The host agent has died and does not come up again: {_last_words(log)}. "
                f"Left to themselves: {', '.join(left) or 'no process that is known'}.",
                fix=f"Look at {log}, mend that, then: watership environment down",
            )

    def require_up(self) -> None:
        """Raises NotFound when no process of the environment runs."""
        if not any(_alive(pid) for pid in self._pids().values()):
            raise NotFound(f"No environment is up in {self.places.folder}.", fix=BEGIN)

    async def _end_all(self) -> None:
        for pid in self._pids().values():
            await _end(pid)
        self.places.processes.unlink(missing_ok=True)

    def _require_living(self) -> None:
        """Raises Unavailable, with its last words, when a process that was started has ended."""
        for name, pid in self._pids().items():
            if not _alive(pid):
                log = self.places.folder / f"{name}.log"
                raise Unavailable(
                    f"The {name} process ended at once: {_last_words(log)}",
                    fix=f"Look at {log}; if the port is taken, name another one: --listen HOST:PORT",
                )

    @asynccontextmanager
    async def _authority(self, what: str, *, above: int = 0) -> AsyncIterator[int]:
        """The right to act on the environment, as a release's controller has it: its epoch is above all before."""
        lock = FileLock(self.places.lock, above=above)
        holder = await lock.acquire(who="watership environment", release=what)
        try:
            yield holder.epoch
        finally:
            await lock.release()

    async def _epoch(self) -> int:
        """The highest that the intake has seen. A server's outlives this folder, in which ours are counted."""
        async with await open_system(self.config, waits=True) as store:
            return (await store.read()).epoch

    def _pids(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self.places.processes.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}

    def _keep(self, pids: dict[str, int]) -> None:
        self.places.processes.write_bytes(msgspec.json.encode(pids))

    def _variables(self) -> dict[str, str]:
        """What the environment's processes, and those that they start, find in theirs."""
        return {
            **os.environ,
            "WATERSHIP_STORE_URL": self.config.store.url,
            "WATERSHIP_BROKER_URL": self.config.broker.url,
            "WATERSHIP_CACHE_URL": self.config.cache.url,
            APPLICATION_DATABASE: self.places.url or str(self.places.database),
        }

    def _router_command(self, listen: str) -> list[str]:
        match self.config.environment.proxy:
            case "embedded":
                module = "watership.adapters.proxy"
            case "haproxy":
                module = "watership.adapters.haproxy"
            case "aws":
                module = "watership.adapters.aws"
            case _:
                assert_never(self.config.environment.proxy)
        state = self.places.folder / "router.json"
        words = ("--listen", listen, "--control", str(self.places.router), "--state", str(state))
        return [sys.executable, "-m", module, *words, *self._balancer()]

    def _balancer(self) -> list[str]:
        """What the agent of a load balancer of AWS is told besides."""
        if self.config.environment.proxy != "aws":
            return []
        aws = self.config.aws
        named = {"region": aws.region, "rule": aws.rule, "blue": aws.blue, "green": aws.green}
        named |= {"endpoint": aws.endpoint} if aws.endpoint else {}
        return [word for name, value in named.items() for word in (f"--{name}", value)]

    async def _answering(self) -> None:
        silence = Unavailable("The router and the host agent were not asked.")

        async def answers() -> bool:
            nonlocal silence
            self._require_living()
            try:
                await self.router.read()
                await self.hosts.instances()
            except Unavailable as error:
                silence = error
                return False
            return True

        if not await _within(START_SECONDS, answers):
            raise silence

    async def _until_healthy(self, slot: Slot) -> None:
        async def healthy() -> bool:
            return bool((await self.router.read()).healthy.get(slot))

        if not await _within(START_SECONDS, healthy):
            raise Unavailable(f"The router finds no healthy instance in {slot}.")


def _known(registered: Sequence[Deployment], name: str) -> Deployment:
    """The deployment of that name, if its workers may be begun by hand."""
    found = next((each for each in registered if each.id == name), None)
    if found is None:
        raise NotFound(
            f"There is no deployment {name}.", fix="watership intake stranded names those without workers."
        )
    if found.state is DeploymentState.STANDING:
        raise Conflict(f"{name} stands in {found.slot.value}: the host agent keeps its processes up.")
    there = read_build(Path(found.build.source))
    if there.digest != found.build.digest:
        raise Conflict(
            f"{found.build.source} holds another build than {name} was made of.",
            fix=f"Bring back the build {found.build.version} ({found.build.digest}), or hand its runs over: "
            "watership intake handover",
        )
    return found


async def _within(seconds: float, good: Callable[[], Awaitable[bool]]) -> bool:
    """Look until it is so, `seconds` at most; whether it is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await good():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True


def _hosts_command(places: Places) -> list[str]:
    instance = [
        *(sys.executable, "-m", "watership.wiring.instance", "{role}"),
        *("--source", "{source}", "--deployment", "{deployment}", "--slot", "{slot}", "--slots", "{slots}"),
    ]
    command = msgspec.json.encode(instance).decode()
    module = [sys.executable, "-m", "watership.adapters.processes"]
    state = places.folder / "hosts"
    return [*module, "--control", str(places.hosts), "--state", str(state), "--command", command]


def _start(command: Sequence[str], log: Path, environment: dict[str, str]) -> int:
    """Start a process that outlives us, in a session of its own; its pid."""
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        return os.posix_spawn(
            command[0],
            list(command),
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, written, 1),
                (os.POSIX_SPAWN_DUP2, written, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(written)


def _last_words(log: Path) -> str:
    """What a process that has ended wrote last."""
    words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return words[-1].rstrip(".") if words else "it said nothing"


def _address(log: Path) -> str:
    found = re.search(r"listening on (\S+)", log.read_text(encoding="utf-8"))
    if found is None:
        raise Unavailable("The router did not say where it listens.", fix=f"Look at {log}.")
    return found[1]


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        reaped, _ = os.waitpid(pid, os.WNOHANG)
        return reaped == 0
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


async def _end(pid: int) -> None:
    """SIGTERM, and SIGKILL for what is still there after the grace."""

    async def gone() -> bool:
        return not _alive(pid)

    for number in (signal.SIGTERM, signal.SIGKILL):
        if await gone():
            return
        os.kill(pid, number)
        await _within(STOP_SECONDS, gone)
