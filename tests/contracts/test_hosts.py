"""The hosts that hold the contract; by day on one machine, since each look is a connection, by night on two."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from tests.adapters.kubernetes.api import ClusterApi
from tests.adapters.machines.machines import Machines, image_of
from tests.adapters.processes.test_hosts import template
from tests.conftest import NIGHTLY
from tests.contracts.hosts_suite import NEW, OLD, HostsSuite
from watership.adapters.compose.hosts import ComposeHosts
from watership.adapters.compose.project import Settings
from watership.adapters.files.builds import read_build
from watership.adapters.kubernetes.cluster import configuration
from watership.adapters.kubernetes.hosts import KubernetesHosts
from watership.adapters.kubernetes.manifest import Settings as Manifests
from watership.adapters.processes.agent import HostAgent
from watership.adapters.processes.command import from_template
from watership.adapters.ssh.shell import Shell
from watership.adapters.systemd.hosts import SystemdHosts
from watership.adapters.systemd.unit import Settings as UnitSettings
from watership.durable.ids import DeploymentId
from watership.fleet.build import Build, SchemaRange
from watership.releases.ports import Hosts
from watership.testing.servers.ports import free_port


def build(version: str, digest: str, source: str = "src") -> Build:
    return Build(version=version, digest=digest, source=source, schema=SchemaRange(1, 2))


class ProcessSite:
    """An agent of this process. Its worker tells the version of NEW, whatever it is of."""

    def __init__(self, hosts: HostAgent) -> None:
        self.hosts = hosts
        self.builds = {OLD: build("2.0.5", "abc"), NEW: build("2.1.0", "def")}

    async def lives(self) -> Mapping[str, object]:
        return {each.name: each.pid for each in await self.hosts.instances()}

    async def kill(self, name: str) -> None:
        (pid,) = [each.pid for each in await self.hosts.instances() if each.name == name]
        assert pid
        os.kill(pid, signal.SIGKILL)


class TestProcesses(HostsSuite):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[ProcessSite]:
        command = from_template([*template(tmp_path / "starts"), "--version", "{version}"])
        async with HostAgent(tmp_path / "hosts", command) as agent:
            yield ProcessSite(agent)
            for deployment in (OLD, NEW):
                await agent.stop(deployment, grace_seconds=5, epoch=1_000)


class MachineSite:
    """Two machines with programs that record."""

    def __init__(self, hosts: Hosts, there: Machines, builds: Mapping[DeploymentId, Build]) -> None:
        self.hosts = hosts
        self.builds = builds
        self._there = there

    async def lives(self) -> Mapping[str, object]:
        return {name: instance.pid for name, instance in self._there.instances().items()}

    async def kill(self, name: str) -> None:
        self._there.kill(name)


class TestCompose(HostsSuite):
    @pytest.fixture
    def site(self, two_machines: Machines) -> Iterator[MachineSite]:
        builds = {OLD: build("2.0.5", "sha256:old"), NEW: build("2.1.0", "sha256:new")}
        two_machines.registry |= {image_of(each): each for each in builds.values()}
        settings = Settings(
            environment="test",
            machines=two_machines.names if NIGHTLY else two_machines.names[:1],
            folder=two_machines.folder,
            first_port=two_machines.first_port,
        )
        hosts = ComposeHosts(settings, Shell(two_machines.reach, folder=settings.folder), image_of)
        yield MachineSite(hosts, two_machines, builds)


class TestSystemd(HostsSuite):
    @pytest.fixture
    def site(self, two_machines: Machines, tmp_path: Path) -> Iterator[MachineSite]:
        builds = {OLD: made(tmp_path / "old", "2.0.5"), NEW: made(tmp_path / "new", "2.1.0")}
        settings = UnitSettings(
            environment="test",
            machines=two_machines.names if NIGHTLY else two_machines.names[:1],
            folder=two_machines.folder,
            first_port=two_machines.first_port,
            units=f"{two_machines.server.disk}/units",
        )
        shell = Shell(two_machines.reach, folder=settings.folder)
        hosts = SystemdHosts(settings, shell, run=f"{two_machines.server.disk}/run")
        yield MachineSite(hosts, two_machines, builds)


class ClusterSite:
    """A namespace of a cluster's stand-in."""

    def __init__(self, hosts: Hosts, api: ClusterApi, builds: Mapping[DeploymentId, Build]) -> None:
        self.hosts = hosts
        self.builds = builds
        self._api = api

    async def lives(self) -> Mapping[str, object]:
        return {name: instance.pid for name, instance in self._api.listeners.items()}

    async def kill(self, name: str) -> None:
        self._api.kill(name)


class TestKubernetes(HostsSuite):
    @pytest.fixture
    def site(self, tmp_path: Path) -> Iterator[ClusterSite]:
        builds = {OLD: build("2.0.5", "sha256:old"), NEW: build("2.1.0", "sha256:new")}
        first = free_port()
        settings = Manifests(environment="test", namespace="apps", port=first, probes_port=free_port())
        with ClusterApi({image_of(each): each for each in builds.values()}) as api:
            reach = configuration(api.kubeconfig(tmp_path), "")
            yield ClusterSite(KubernetesHosts(settings, reach, image_of), api, builds)
            api.close()


def made(folder: Path, version: str) -> Build:
    """A build on disk."""
    folder.mkdir()
    (folder / "build.toml").write_text(f'version = "{version}"\nreads = [1, 2]\n')
    (folder / "app.py").write_text("from watership import App\n")
    return read_build(folder)
