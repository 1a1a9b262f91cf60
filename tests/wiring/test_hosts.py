"""The hosts that the settings name, what they would be told, and what the doctor finds of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from tests.adapters.kubernetes.api import ClusterApi
from tests.adapters.machines.machines import Machines
from watership.adapters import compose, kubernetes, systemd
from watership.adapters.files.builds import read_build, read_image
from watership.config import BadConfig, Config, StoreSettings, load
from watership.durable.ids import DeploymentId
from watership.errors import BadInput, NotFound
from watership.fleet.deployment import Slot
from watership.releases.ports import HostSpec
from watership.wiring.hosts import hosts_of, told
from watership.wiring.lodging import examine_hosts

IMAGE = f"ghcr.io/yourcompany/app@sha256:{'1' * 64}"


def settings(folder: Path, /, **hosts: object) -> Config:
    values = {f"WATERSHIP_HOSTS_{name.upper()}": str(value) for name, value in hosts.items()}
    common = {
        "WATERSHIP_ENVIRONMENT_NAME": "prod",
        "WATERSHIP_STORE_URL": "postgresql://watership@db.invalid/watership",
    }
    return load(folder, common | values)


@pytest.fixture
def spec(tmp_path: Path) -> HostSpec:
    folder = tmp_path / "my-app-2.1.0"
    folder.mkdir()
    (folder / "build.toml").write_text('version = "2.1.0"\n')
    (tmp_path / "my-app-2.1.0.image").write_text(f"{IMAGE}\n")
    return HostSpec(
        deployment=DeploymentId("2.1.0-bb"), build=read_build(folder), slot=Slot.BLUE, serve=1, workers=0
    )


def test_what_would_be_told_is_printed_and_nobody_is_asked(tmp_path: Path, spec: HostSpec) -> None:
    machines = {"machines": "web-1.invalid, deploy@web-2.invalid"}
    containers = told(settings(tmp_path, kind="compose", **machines), spec).text
    assert f"web-1.invalid$ docker pull --quiet {IMAGE}\n" in containers
    assert "deploy@web-2.invalid$ docker compose --project-name watership-prod-2-1-0-bb down " in containers
    units = told(settings(tmp_path, kind="systemd", **machines), spec).text
    assert "web-1.invalid$ systemctl enable --quiet --now watership-prod_2-1-0-bb_serve-0.service\n" in units
    assert "web-2.invalid$ systemctl daemon-reload" in units
    assert "bytes)" in units
    with ClusterApi({}) as api:
        cluster = settings(tmp_path, kind="kubernetes", kubeconfig=api.kubeconfig(tmp_path), namespace="apps")
        serve, worker = yaml.safe_load_all(told(cluster, spec).text)
        assert api.asked == []
    assert (serve["spec"]["replicas"], worker["spec"]["replicas"]) == (1, 0)
    assert "the host agent at" in told(settings(tmp_path), spec).text


def test_an_image_is_named_beside_its_build_and_by_its_digest(tmp_path: Path, spec: HostSpec) -> None:
    assert read_image(Path(spec.build.source)) == IMAGE
    (tmp_path / "my-app-2.1.0.image").write_text("ghcr.io/yourcompany/app:2.1.0\n")
    with pytest.raises(BadInput, match="names no image by its digest"):
        told(settings(tmp_path, kind="compose", machines="web-1"), spec)
    (tmp_path / "my-app-2.1.0.image").unlink()
    with pytest.raises(NotFound, match=r"There is no .*my-app-2\.1\.0\.image"):
        told(settings(tmp_path, kind="compose", machines="web-1"), spec)


@pytest.mark.parametrize("kind", ["compose", "systemd"])
def test_settings_that_lead_to_no_machine_are_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="no machine is named"):
        settings(tmp_path, kind=kind)
    for machines, words in (("web-1, -oX", "is no machine"), ("web-1, web-1", "named twice")):
        with pytest.raises(BadInput, match=words):
            hosts_of(settings(tmp_path, kind=kind, machines=machines))
    with pytest.raises(BadInput, match=r"hosts\.folder"):
        hosts_of(settings(tmp_path, kind=kind, machines="web-1", folder="here"))


def test_paths_of_the_settings_are_relative_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "watership.toml").write_text('[hosts]\nssh_key = "keys/id"\nkubeconfig = "~/k"\n')
    hosts = load(tmp_path, {}).hosts
    assert (hosts.ssh_key, hosts.ssh_known_hosts) == (str(tmp_path / "keys" / "id"), "")
    assert hosts.kubeconfig == str(Path.home() / "k")


async def test_the_doctor_says_what_was_never_tried_whatever_else_it_finds(
    tmp_path: Path, two_machines: Machines
) -> None:
    server = two_machines.server
    reach = {
        "machines": ", ".join(two_machines.names),
        "ssh_user": server.login,
        "ssh_port": server.port,
        "ssh_key": server.key,
        "ssh_known_hosts": server.known_hosts,
    }
    statement, *found = await examine_hosts(settings(tmp_path, kind="compose", **reach))
    assert (statement.state, statement.detail) == ("ok", f"Docker Compose: {compose.UNTRIED}")
    assert "not tried on a real engine" in compose.UNTRIED
    assert [(each.what, each.state, each.detail) for each in found] == [
        (name, "ok", "Docker 28.2.2, Compose 2.39.1") for name in two_machines.names
    ]
    with two_machines.faulty(two_machines.names[1], "docker version", "Cannot connect to the Docker daemon"):
        statement, problem = await examine_hosts(settings(tmp_path, kind="compose", **reach))
    assert compose.UNTRIED in statement.detail
    assert (problem.state, problem.fix != "") == ("problem", True)
    assert "Cannot connect" in problem.detail
    statement, *found = await examine_hosts(settings(tmp_path, kind="systemd", **reach))
    assert statement.detail == f"systemd: {systemd.UNTRIED}"
    assert {each.detail for each in found} == {"systemd 252 (252.38-1~deb12u1), running"}
    (here,) = await examine_hosts(settings(tmp_path))
    assert here.detail == "processes of this machine, kept by an agent"


async def test_the_doctor_says_it_of_kubernetes_too(tmp_path: Path) -> None:
    with ClusterApi({}) as api:
        config = settings(tmp_path, kind="kubernetes", kubeconfig=api.kubeconfig(tmp_path))
        statement, cluster = await examine_hosts(config)
    assert statement.detail == f"Kubernetes: {kubernetes.UNTRIED}"
    assert "not tried on a real engine" in kubernetes.UNTRIED
    assert (cluster.state, cluster.detail) == ("ok", "0 pods of this environment")
    statement, cluster = await examine_hosts(config)
    assert (statement.detail, cluster.state) == (f"Kubernetes: {kubernetes.UNTRIED}", "problem")


async def test_the_doctor_finds_a_store_that_instances_elsewhere_do_not_see(tmp_path: Path) -> None:
    with ClusterApi({}) as api:
        config = settings(tmp_path, kind="kubernetes", kubeconfig=api.kubeconfig(tmp_path))
        here = msgspec.structs.replace(config, store=StoreSettings())
        assert [each.what for each in await examine_hosts(config)] == ["Hosts", "Cluster"]
        found = (await examine_hosts(here))[-1]
    assert (found.what, found.state) == ("store.url", "problem")
    assert "postgresql://" in found.fix
