"""The stage: an environment in a folder of its own, with its first version live, an oracle, and traffic."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from watership.config import Config, load
from watership.demo.crew import Member
from watership.demo.options import RATE, RUNS_RATE, Options
from watership.demo.oracle import VARIABLE, Entered, read_log
from watership.demo.timeline import Timeline, keep_time
from watership.demo.traffic.record import AcceptedRun, Summary, read_accepted
from watership.durable.events import Entry
from watership.durable.ids import RunId
from watership.durable.run import Run
from watership.durable.states import TERMINAL
from watership.errors import Unavailable, WatershipError
from watership.wiring.environment import Layout, LocalEnvironment
from watership.wiring.kernel import Kernel, open_kernel

BUILDS = Path(__file__).parent / "builds"

LAYOUT = Layout(serve=1, workers=2, slots=16)
"""Two workers, so that one takes over when the other is killed; two cores would not bear more."""

FAREWELL_SECONDS = 45.0
"""What the traffic gets to see its last approvals through: the person comes up to 14 s late."""

ABORT_SECONDS = 1.0
"""What a process of the demo's own gets when the play ends before its end: nobody waits for its records then."""

QUIET_SECONDS = 60.0
"""How long the last runs may take to end after the traffic."""

LOOK_SECONDS = 0.1

SETTINGS = "watership.toml"


class Silent:
    """An observer for a process whose words are the demo's own."""

    def note(self, event: str, **facts: object) -> None:
        """Nothing is told."""


class Stage:
    """Everything that runs during a demo. Leaving it ends every process that it started."""

    def __init__(self, options: Options, folder: Path) -> None:
        self.options = options
        self.folder = folder
        (folder / SETTINGS).write_text('[environment]\nname = "demo"\n', encoding="utf-8")
        self.config: Config = load(folder, {})
        self.local = LocalEnvironment(self.config)
        self.timeline = Timeline()
        self.started_at = datetime.now(UTC)
        self.traffic: Member | None = None
        self.traffic_began: datetime | None = None
        self.versions: dict[str, str] = {}
        self.address = ""
        self._stack = AsyncExitStack()
        self._environment = {
            "DEMO_DATABASE": str(self.local.places.database),
            VARIABLE: str(folder / "oracle.sock"),
        }

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _open(self) -> None:
        self.local.places.folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.local.places.database)) as database:
            database.execute("PRAGMA journal_mode = WAL")
        oracle = await self.start(
            "oracle", "watership.demo.oracle", self._environment[VARIABLE], str(self.folder / "oracle.jsonl")
        )
        await oracle.says("listening")
        self._stack.push_async_callback(self._tear_down)
        self.address = await self.local.up("127.0.0.1:0", environment=self._environment)
        deployment = await self.local.establish(BUILDS / "2.0.5", layout=LAYOUT)
        self.versions[deployment.id] = deployment.build.version
        self.kernel: Kernel = await self._stack.enter_async_context(open_kernel(self.config, Silent()))
        watching = asyncio.create_task(keep_time(self.timeline, self.local.router, self.kernel.store))
        self._stack.push_async_callback(_cancelled, watching)

    async def _close(self) -> None:
        # Whatever asked us to end, the processes end first: a second Ctrl-C does not leave them behind.
        await asyncio.shield(asyncio.ensure_future(self._stack.aclose()))

    async def start(self, name: str, module: str, *arguments: str) -> Member:
        """Start a process of the demo's own; it is ended with the stage."""
        member = await Member.start(name, [sys.executable, "-m", module, *arguments], self.folder, os.environ)
        self._stack.push_async_callback(member.end, ABORT_SECONDS)
        return member

    async def begin_traffic(self) -> None:
        """Clients begin to ask, and go on until `end_traffic`."""
        self.traffic_began = datetime.now(UTC)
        self.traffic = await self.start(
            "traffic",
            "watership.demo.traffic",
            *("--router", f"http://{self.address}", "--folder", str(self.folder)),
            *("--rate", str(RATE), "--runs-rate", str(RUNS_RATE), "--seed", str(self.options.seed)),
            *("--haste", str(self.options.haste)),
        )

    async def end_traffic(self) -> Summary:
        """The clients stop, the person answers what is left, and all is written down."""
        assert self.traffic is not None
        code = await self.traffic.end(FAREWELL_SECONDS)
        if code != 0:
            raise Unavailable(f"The demo's traffic ended with {code}: {self.traffic.tail()}")
        return msgspec.json.decode((self.folder / "traffic.json").read_bytes(), type=Summary)

    def accepted(self) -> list[AcceptedRun]:
        """The runs that the service promised to keep, as the traffic wrote them down."""
        return list(read_accepted(self.folder / "accepted.jsonl"))

    def entered(self) -> list[Entered]:
        return list(read_log(self.folder / "oracle.jsonl"))

    def findings(self) -> dict[str, int]:
        """What the agents wrote into the application's own database: run → lines."""
        with closing(sqlite3.connect(self.local.places.database)) as database:
            return {
                str(run): int(lines) for run, lines in database.execute("SELECT run, lines FROM findings")
            }

    async def until_quiet(self) -> dict[str, Run]:
        """The accepted runs, once all have ended; as they stand when that takes too long."""
        waiting = {each.run for each in self.accepted()}
        found: dict[str, Run] = {}
        deadline = asyncio.get_running_loop().time() + QUIET_SECONDS
        while waiting:
            for run_id in sorted(waiting):
                run = await self.kernel.store.get(RunId(run_id))
                if run is not None:
                    found[run_id] = run
                    if run.state in TERMINAL:
                        waiting.discard(run_id)
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(LOOK_SECONDS if waiting else 0)
        return found

    async def journals(self) -> dict[str, list[Entry]]:
        """The journal of every run that a step was entered for."""
        found = {}
        for run_id in {each.run for each in self.entered()} | {each.run for each in self.accepted()}:
            found[run_id] = list(await self.kernel.store.journal(RunId(run_id)))
        return found

    async def learn_versions(self) -> dict[str, str]:
        """Deployment → version of everything that has stood so far."""
        for each in await self.kernel.store.all():
            self.versions[each.id] = each.build.version
        return self.versions

    async def _tear_down(self) -> None:
        """End the environment's processes; whoever does not obey is killed, by the pid that we know."""
        pids: set[int] = set()
        with suppress(WatershipError):
            pids = {each.pid for each in await self.local.hosts.instances() if each.pid}
        with suppress(WatershipError):
            await self.local.down()
        for pid in pids:
            if _leads_a_session(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _leads_a_session(pid: int) -> bool:
    """Whether the process is still there, as the host agent began it: the leader of a session of its own."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextmanager
def settings_put_aside() -> Iterator[None]:
    """The user's own WATERSHIP_ settings do not steer the demo; they are back afterwards."""
    put_aside = {name: value for name, value in os.environ.items() if name.startswith("WATERSHIP_")}
    for name in put_aside:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(put_aside)
