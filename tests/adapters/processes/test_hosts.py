"""The host agent keeps processes running, with real ones."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.contracts.http_peers import WAIT_SECONDS, until
from watership.adapters.processes import life
from watership.adapters.processes.agent import HostAgent
from watership.adapters.processes.command import Command, from_template
from watership.adapters.processes.hosts import ProcessHosts
from watership.adapters.processes.presence import Presence, read
from watership.durable.ids import DeploymentId
from watership.errors import BadInput, Conflict, Fenced
from watership.fleet.build import Build, SchemaRange
from watership.fleet.deployment import Slot
from watership.releases.ports import Hosts, HostSpec, InstanceState

WORKER = Path(__file__).with_name("worker.py")
D1 = DeploymentId("d1")


def spec(*, serve: int = 1, workers: int = 1, deployment: DeploymentId = D1) -> HostSpec:
    build = Build(version="2.1.0", digest="abc", source="src", schema=SchemaRange(1, 2))
    return HostSpec(deployment=deployment, build=build, slot=Slot.GREEN, serve=serve, workers=workers)


def template(starts: Path, *extra: str) -> list[str]:
    name = "{deployment}-{role}-{index}"
    return [sys.executable, str(WORKER), name, "{role}", "{digest}", "--starts", str(starts), *extra]


class Machine:
    """A state folder, and what was ever started in it."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "hosts"
        self.control = folder / "h.sock"
        self.starts = folder / "starts"
        self.agents: list[asyncio.subprocess.Process] = []

    def command(self, *extra: str) -> Command:
        return from_template(template(self.starts, *extra))

    def started(self) -> Counter[str]:
        """How often each instance was started."""
        if not self.starts.exists():
            return Counter()
        return Counter(line.split()[0] for line in self.starts.read_text(encoding="utf-8").splitlines())

    def running(self) -> list[int]:
        pids = [int(line.split()[1]) for line in self.starts.read_text(encoding="utf-8").splitlines()]
        return [pid for pid in pids if life.birth(pid) and not zombie(pid)]

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """The agent as a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "watership.adapters.processes", "--control", str(self.control)),
            *("--state", str(self.state)),
            *("--command", msgspec.json.encode(template(self.starts)).decode()),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            assert await process.stdout.readline()
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await asyncio.sleep(0)


def zombie(pid: int) -> bool:
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(autouse=True)
def swept(machine: Machine) -> object:
    """No test leaves a process behind."""
    yield
    for pid in machine.running() if machine.starts.exists() else []:
        os.kill(pid, signal.SIGKILL)


def ready(hosts: Hosts, count: int) -> Callable[[], Awaitable[bool]]:
    async def all_ready() -> bool:
        instances = await hosts.instances()
        return [i.state for i in instances] == [InstanceState.READY] * count

    return all_ready


async def test_what_is_wished_for_runs_and_tells_who_it_is(machine: Machine) -> None:
    async with HostAgent(machine.state, machine.command(), control=machine.control):
        hosts = ProcessHosts(machine.control)
        await hosts.ensure(spec(serve=2, workers=1), epoch=1)
        await until(ready(hosts, 3))
        instances = await hosts.instances()
        assert [(i.name, i.role) for i in instances] == [
            ("d1-serve-0", "serve"),
            ("d1-serve-1", "serve"),
            ("d1-worker-0", "worker"),
        ]
        assert {(i.digest, i.version, i.restarts) for i in instances} == {("abc", "2.1.0", 0)}
        assert [i.address is not None for i in instances] == [True, True, False]
        await hosts.stop(D1, grace_seconds=5, epoch=1)
        assert await hosts.instances() == []
        assert machine.running() == []


async def test_a_killed_process_is_replaced(machine: Machine) -> None:
    async with HostAgent(machine.state, machine.command()) as hosts:
        await hosts.ensure(spec(workers=0), epoch=1)
        await until(ready(hosts, 1))
        (before,) = await hosts.instances()
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)

        async def replaced() -> bool:
            (now,) = await hosts.instances()
            return now.state is InstanceState.READY and now.pid != before.pid

        await until(replaced)
        (after,) = await hosts.instances()
        assert after.restarts == 1
        assert after.address != before.address
        await hosts.stop(D1, grace_seconds=5, epoch=1)


async def test_fewer_wished_for_means_fewer_running(machine: Machine) -> None:
    async with HostAgent(machine.state, machine.command()) as hosts:
        await hosts.ensure(spec(serve=2, workers=0), epoch=1)
        await until(ready(hosts, 2))
        await hosts.ensure(spec(serve=1, workers=0), epoch=1)
        assert [i.name for i in await hosts.instances()] == ["d1-serve-0"]
        assert len(machine.running()) == 1
        await hosts.stop(D1, grace_seconds=5, epoch=1)


async def test_what_does_not_end_when_asked_is_killed(machine: Machine) -> None:
    async with HostAgent(machine.state, machine.command("--stubborn")) as hosts:
        await hosts.ensure(spec(workers=0), epoch=1)
        await until(ready(hosts, 1))
        await hosts.stop(D1, grace_seconds=0.1, epoch=1)
        assert machine.running() == []


async def test_a_lower_epoch_can_do_nothing(machine: Machine) -> None:
    async with HostAgent(machine.state, machine.command(), control=machine.control):
        hosts = ProcessHosts(machine.control)
        await hosts.ensure(spec(serve=0, workers=0), epoch=5)
        with pytest.raises(Fenced):
            await hosts.ensure(spec(), epoch=4)
        with pytest.raises(Fenced):
            await hosts.stop(D1, grace_seconds=0, epoch=4)
        assert await hosts.instances() == []


async def test_a_program_that_cannot_be_started_is_dead_and_says_why(machine: Machine) -> None:
    async with HostAgent(machine.state, from_template(["/nowhere/at/all"])) as hosts:
        await hosts.ensure(spec(workers=0), epoch=1)

        async def tried_again() -> bool:
            (instance,) = await hosts.instances()
            return instance.restarts > 0

        await until(tried_again)
        (instance,) = await hosts.instances()
        assert (instance.state, instance.pid) == (InstanceState.DEAD, None)
        assert "nowhere" in (machine.state / "d1-serve-0.log").read_text(encoding="utf-8")
        await hosts.stop(D1, grace_seconds=0, epoch=1)


async def test_the_next_agent_takes_over_what_the_killed_one_left(machine: Machine) -> None:
    hosts = ProcessHosts(machine.control)
    async with machine.agent() as agent:
        await hosts.ensure(spec(), epoch=3)
        await until(ready(hosts, 2))
        before = {i.name: i.pid for i in await hosts.instances()}
        agent.send_signal(signal.SIGKILL)
        await agent.wait()
    async with machine.agent() as agent:
        await until(ready(hosts, 2))
        assert {i.name: i.pid for i in await hosts.instances()} == before
        with pytest.raises(Fenced):
            await hosts.ensure(spec(), epoch=2)
        pid = before["d1-worker-0"]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        async def replaced() -> bool:
            return [i.restarts for i in await hosts.instances()] == [0, 1]

        await until(replaced)
        await until(ready(hosts, 2))
        await hosts.stop(D1, grace_seconds=5, epoch=3)
        agent.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_SECONDS):
            assert await agent.wait() == 0
    assert machine.started() == {"d1-serve-0": 1, "d1-worker-0": 2}
    assert machine.running() == []


async def test_a_start_that_was_not_recorded_is_found_and_not_repeated(machine: Machine) -> None:
    async with HostAgent(machine.state, machine.command()) as hosts:
        await hosts.ensure(spec(workers=0), epoch=1)
        await until(ready(hosts, 1))
        (before,) = await hosts.instances()
    (machine.state / "d1-serve-0.record").unlink()
    async with HostAgent(machine.state, machine.command()) as hosts:
        await until(ready(hosts, 1))
        (after,) = await hosts.instances()
        assert after.pid == before.pid
        await hosts.stop(D1, grace_seconds=5, epoch=1)
    assert machine.started() == {"d1-serve-0": 1}


async def test_a_stop_that_was_cut_short_is_finished_by_the_next_agent(machine: Machine) -> None:
    async with HostAgent(machine.state, machine.command("--stubborn")) as hosts:
        await hosts.ensure(spec(workers=0), epoch=1)
        await until(ready(hosts, 1))
        stopping = asyncio.create_task(hosts.stop(D1, grace_seconds=60, epoch=1))
        await asyncio.sleep(0.1)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
    (pid,) = machine.running()
    async with HostAgent(machine.state, machine.command()) as hosts:
        assert [i.state for i in await hosts.instances()] in ([], [InstanceState.DRAINING])
        await asyncio.sleep(0.1)
        assert [i.pid for i in await hosts.instances()] == [pid]
        os.kill(pid, signal.SIGKILL)

        async def nothing_left() -> bool:
            return await hosts.instances() == []

        await until(nothing_left)
    assert machine.started() == {"d1-serve-0": 1}


async def test_one_state_folder_has_one_agent(machine: Machine) -> None:
    async with HostAgent(machine.state, machine.command()):
        with pytest.raises(Conflict):
            await HostAgent(machine.state, machine.command()).__aenter__()


def test_an_unknown_placeholder_is_refused_before_anything_starts() -> None:
    with pytest.raises(BadInput, match="colour"):
        from_template(["run", "{colour}"])


def test_a_stranger_cannot_speak_for_an_instance(machine: Machine, tmp_path: Path) -> None:
    told = tmp_path / "presence"
    told.write_bytes(msgspec.json.encode(Presence(pid=1, state="ready")))
    assert read(told, os.getpid()) is None
    told.write_bytes(msgspec.json.encode(Presence(pid=os.getpid(), state="ready")))
    assert read(told, os.getpid()) is not None


async def killed_when(machine: Machine, counted: str, *, then: str) -> list[int | None]:
    """What the agent says of a process that was killed while the system's count went from `counted` to `then`; and
    once it is stopped by us."""
    vmstat = machine.state.parent / "vmstat"
    vmstat.write_text(counted)
    async with HostAgent(machine.state, machine.command(), vmstat=vmstat) as hosts:
        await hosts.ensure(spec(workers=0), epoch=1)
        await until(ready(hosts, 1))
        (before,) = await hosts.instances()
        assert before.pid is not None and before.oom_kills == 0
        vmstat.write_text(then)
        os.kill(before.pid, signal.SIGKILL)

        async def replaced() -> bool:
            return [i.restarts for i in await hosts.instances()] == [1]

        await until(replaced)
        (after,) = await hosts.instances()
        await hosts.stop(D1, grace_seconds=0, epoch=1)
        return [after.oom_kills]


@pytest.mark.parametrize(
    ("counted", "then", "kills"),
    [
        ("oom_kill 3\n", "oom_kill 4\n", 1),
        ("oom_kill 3\n", "oom_kill 3\n", 0),
        ("nr_free_pages 7\n", "nr_free_pages 7\n", 1),
    ],
    ids=["by the system", "by somebody", "by nobody knows whom"],
)
async def test_a_process_that_the_system_ended_for_want_of_memory_is_counted(
    machine: Machine, counted: str, then: str, kills: int
) -> None:
    assert await killed_when(machine, counted, then=then) == [kills]


async def test_how_a_process_ended_that_an_earlier_agent_began_is_not_known(machine: Machine) -> None:
    hosts = ProcessHosts(machine.control)
    async with machine.agent() as agent:
        await hosts.ensure(spec(workers=0), epoch=1)
        await until(ready(hosts, 1))
        agent.send_signal(signal.SIGKILL)
        await agent.wait()
    async with machine.agent():
        await until(ready(hosts, 1))
        (before,) = await hosts.instances()
        assert before.pid is not None and before.oom_kills == 0
        os.kill(before.pid, signal.SIGKILL)

        async def replaced() -> bool:
            return [i.restarts for i in await hosts.instances()] == [1]

        await until(replaced)
        assert [i.oom_kills for i in await hosts.instances()] == [None]
        await hosts.stop(D1, grace_seconds=0, epoch=1)


MEMORY_GROUP = Path("/sys/fs/cgroup/memory")


@pytest.mark.skipif(
    not os.access(MEMORY_GROUP / "cgroup.procs", os.W_OK), reason="needs a memory controller that we may use"
)
async def test_a_process_that_takes_more_memory_than_its_group_may_is_counted_by_the_systems_own_count(
    machine: Machine,
) -> None:
    group = MEMORY_GROUP / f"watership-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(64 * 1024 * 1024))
        hungry = (
            f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid())); b'x' * (1 << 28)"
        )

        def command(*_: object) -> list[str]:
            return [sys.executable, "-c", hungry]

        async with HostAgent(machine.state, command) as hosts:
            await hosts.ensure(spec(workers=0), epoch=1)

            async def starved() -> bool:
                return [bool(i.oom_kills) for i in await hosts.instances()] == [True]

            await until(starved)
            await hosts.stop(D1, grace_seconds=0, epoch=1)
    finally:
        group.rmdir()
