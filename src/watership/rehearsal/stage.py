"""The stage of a rehearsal: an environment of its own in a temporary folder, on which the plan's live build serves."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from msgspec.structs import replace

from watership.adapters.files.lock import FileLock
from watership.adapters.files.releases import Draft
from watership.adapters.sqlite.migrator import VERSIONS
from watership.config import load
from watership.durable.clock import SystemClock
from watership.durable.ids import random_ids
from watership.errors import NotFound
from watership.fleet.deployment import DeploymentState
from watership.fleet.identity import everybody
from watership.fleet.stranded import open_runs
from watership.rehearsal.controller import STARTER
from watership.rehearsal.listener import Listener
from watership.rehearsal.servers import FILES, Servers
from watership.rehearsal.traffic import Traffic
from watership.releases.abridged import abridged
from watership.releases.notices.comms import Comms, Sending, Webhook, bound
from watership.releases.plan import Plan, Side
from watership.releases.snapshots import QUARANTINE, save
from watership.releases.warrant import Caller
from watership.wiring.controller import open_desk
from watership.wiring.desk import Desk, controller_build
from watership.wiring.environment import Layout, LocalEnvironment
from watership.wiring.messages import SHIPPED
from watership.wiring.messages import shipped as template
from watership.wiring.schema import schema_of
from watership.wiring.system import open_system

Proxy = Literal["embedded", "haproxy"]

NAME: Final = "rehearsal"

LIVE: Final = Layout(serve=1, workers=1, slots=16)

COPY_BYTES: Final = 2**30
"""Of an application's database that is copied for a rehearsal; a larger one is rehearsed without its rows."""

SETTLE_SECONDS: Final = 30.0
"""What next's runs get to end before its processes do."""

LOOK_SECONDS: Final = 0.1

KEY: Final = "listener.key"
CHANNEL: Final = "rehearsal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Props:
    """What a stage is built of. `variables` are added to what the builds' processes find in theirs.

    `database`: the file that is copied for the application, where it has one.
    """

    draft: Draft
    proxy: Proxy
    variables: Mapping[str, str]
    database: Path | None = None
    servers: Servers = FILES


class Stage:
    """One environment with its desk. Leave it by the context that opened it."""

    def __init__(self, props: Props, folder: Path, desk: Desk, traffic: Traffic, listener: Listener) -> None:
        self.folder = folder
        self.desk = desk
        self.traffic = traffic
        self.listener = listener
        self._props = props
        self._takes = 0

    async def draw(self) -> Plan:
        """The abridged plan of one more take, signed by stand-ins."""
        self._takes += 1
        draft, desk = self._props.draft, self.desk
        standing = {each.id for each in await desk.environment.deployments.all()}
        live = await desk.live()
        name = f"{NAME}-{self._takes}"
        deployment = type(live.deployment)(f"{draft.plan.next.build.version}-take-{self._takes}")
        assert deployment not in standing, "each take has a deployment of its own"
        plan = abridged(
            draft.plan,
            release=name,
            environment=NAME,
            live=live,
            next=Side(build=draft.plan.next.build, deployment=deployment, slot=live.slot.other),
            controller=controller_build(),
            comms=self._comms(draft.plan.comms),
        )
        plan = replace(plan, starter=STARTER, created_at=datetime.now(UTC))
        desk.folder(name).save_draft(replace(draft, plan=plan, code=()))
        clerk = await desk.clerk(name)
        for role in plan.signoffs.needed:
            await clerk.sign(role, Caller(everybody(f"stand-in for {role}", SystemClock()), open=True))
        return plan

    def _comms(self, comms: Comms) -> Comms:
        """The plan's own words to the plan's own moments, to the listener alone; the shipped ones where it has none."""
        channel = Webhook(id=CHANNEL, url=self.listener.url, secret=f"file:{self.folder / KEY}")
        if not comms.send:
            moments = {"rollback.started": SHIPPED["rollback"], "release.done": SHIPPED["success"]}
            sends = tuple(Sending(on=on, template=name, to=(CHANNEL,)) for on, name in moments.items())
            return bound(Comms(channels=(channel,), send=sends), template)
        # Once each: two sendings that differ in their receivers alone are one here.
        sends = tuple(dict.fromkeys(replace(each, to=(CHANNEL,), only=()) for each in comms.send))
        return Comms(channels=(channel,), send=sends, texts=comms.texts)

    async def put_back(self, plan: Plan) -> None:
        """As it was before the take: next gone, the schema where live began, nothing in quarantine."""
        env, nxt = self.desk.environment, plan.next
        lock = FileLock(self.desk.places.lock)
        epoch = (await lock.acquire(who=NAME, release="put back")).epoch
        try:
            await env.router.set_weights({plan.live.slot: 100, nxt.slot: 0}, epoch=epoch)
            await env.intake.set_weights({plan.live.deployment: 100, nxt.deployment: 0}, epoch=epoch)
            await self._quiet(nxt)
            await env.router.set_targets(nxt.slot, (), epoch=epoch)
            await env.hosts.stop(nxt.deployment, grace_seconds=5.0, epoch=epoch)
            for each in await env.deployments.all():
                if each.id == nxt.deployment:
                    await env.deployments.put(replace(each, state=DeploymentState.RETIRED), epoch=epoch)
            for migration in self._props.draft.scripts[::-1]:
                if await env.migrator.version() == migration.end:
                    await env.migrator.apply(migration, forward=False, epoch=epoch)
            await save(env.snapshots, QUARANTINE, [])
        finally:
            await lock.release()

    async def _quiet(self, side: Side) -> None:
        """Until no run of the side is left, for a while."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SETTLE_SECONDS
        while open_runs(await self.desk.environment.runs.census(), side.deployment) and loop.time() < end:
            await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def staged(props: Props) -> AsyncIterator[Stage]:
    """Build it, with live in place and traffic on it; at the end nothing of it is left, process or file."""
    plan = props.draft.plan
    for side in (plan.live, plan.next):
        if not Path(side.build.source).is_dir():
            raise NotFound(
                f"The build {side.build.version} is not in {side.build.source} any more, so it cannot be rehearsed.",
                fix="Put it back there, or plan again with where it is.",
            )
    # Short: the paths of its sockets must be.
    folder = Path(tempfile.mkdtemp(prefix="watership-rehearsal-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "watership.toml").write_text(await asyncio.to_thread(_settings, props), encoding="utf-8")
        _keep_secret(folder / KEY)
        config = load(folder, {})
        if props.servers.store is not None:
            await schema_of(config).upgrade()
        local = LocalEnvironment(config)
        places = local.places
        places.folder.mkdir(parents=True, exist_ok=True)
        if props.database is not None:
            _copy(props.database, places.database)
        listener = await stack.enter_async_context(Listener())
        stack.push_async_callback(_down, local)
        given = {
            name: value.replace("{database}", str(places.database)) for name, value in props.variables.items()
        }
        address = await local.up("127.0.0.1:0", environment=given)
        await local.establish(Path(plan.live.build.source), slot=plan.live.slot, layout=LIVE)
        desk = await stack.enter_async_context(open_desk(config))
        store = await stack.enter_async_context(await open_system(config))
        traffic = Traffic(address, store, store, props.draft.smoke, random_ids())
        flowing = asyncio.create_task(traffic.run(), name="traffic")
        stack.push_async_callback(_cancelled, flowing)
        yield Stage(props, folder, desk, traffic, listener)


def _settings(props: Props) -> str:
    """Of an environment on servers of the rehearsal's own."""
    servers = props.servers
    lines = [f'[environment]\nname = "{NAME}"\nproxy = "{props.proxy}"']
    if servers.application is not None:
        lines.append(f'database = "{servers.application()}"')
    if servers.store is not None:
        lines.append(f'[store]\nurl = "{servers.store()}"')
    if servers.broker is not None:
        lines.append(f'[broker]\nurl = "{servers.broker()}"')
    return "\n".join(lines) + "\n"


def bare() -> dict[str, str]:
    """Our own variables, without settings of ours: those lead to an environment that is not rehearsed in."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WATERSHIP_")}


def _keep_secret(path: Path) -> None:
    path.touch(mode=0o600)
    path.write_text(f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}", encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    """A copy of the application's database in use. The epochs of its steps are another environment's: they go."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as there,
        closing(sqlite3.connect(target)) as here,
    ):
        there.backup(here)
        known = here.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (VERSIONS,)).fetchone()
        if known is not None:
            here.execute(f"UPDATE {VERSIONS} SET epoch = 0")  # noqa: S608 - our own table's name
        here.commit()


async def _down(local: LocalEnvironment) -> None:
    with suppress(NotFound):  # it never came up, and there is nothing to end
        await local.down()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
