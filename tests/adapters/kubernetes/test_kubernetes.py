"""What a cluster is told, by the schema of its own objects, and who may tell it something after somebody else did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml
from lightkube.resources.apps_v1 import Deployment

from tests.adapters.kubernetes.api import ClusterApi, unknown
from tests.adapters.machines.machines import image_of
from watership.adapters.kubernetes.cluster import configuration
from watership.adapters.kubernetes.hosts import KubernetesHosts
from watership.adapters.kubernetes.manifest import Settings, manifest
from watership.durable.ids import DeploymentId
from watership.errors import BadInput, Fenced, Unavailable
from watership.fleet.build import Build, SchemaRange
from watership.fleet.deployment import Slot
from watership.releases.checks.builds import strangers
from watership.releases.plan import Side
from watership.releases.ports import HostSpec, InstanceState, Role
from watership.testing.servers.ports import free_port
from watership.testing.standin import Asked

D = DeploymentId("2.1.0-bbbbbbbb")
NEW = Build(version="2.1.0", digest="sha256:new", source="src", schema=SchemaRange(1, 2))
OLD = Build(version="2.0.5", digest="sha256:old", source="src", schema=SchemaRange(1, 2))
SETTINGS = Settings(environment="prod", namespace="apps", variables="app-variables")
IMAGE = f"ghcr.io/yourcompany/app@sha256:{'1' * 64}"
NAME = "watership-prod-2-1-0-bbbbbbbb-serve"


def wish(serve: int = 2, workers: int = 1) -> HostSpec:
    return HostSpec(deployment=D, build=NEW, slot=Slot.BLUE, serve=serve, workers=workers)


@pytest.mark.parametrize("role", ["serve", "worker"])
def test_a_manifest_is_a_deployment_by_the_schema_and_says_the_same_each_time(role: Role) -> None:
    told = manifest(wish(), role, IMAGE, 7, SETTINGS)
    assert told == manifest(wish(), role, IMAGE, 7, SETTINGS)
    there = msgspec.convert(told, Deployment)
    assert unknown(told, msgspec.to_builtins(there)) == ""
    # As it is printed for people, it is what is applied.
    assert yaml.safe_load(yaml.safe_dump(told)) == told
    assert there.spec is not None
    assert there.spec.template.spec is not None
    (container,) = there.spec.template.spec.containers
    probes = [container.startupProbe, container.livenessProbe, container.readinessProbe]
    paths = [each.httpGet.path for each in probes if each is not None and each.httpGet is not None]
    assert paths == ["/startupz", "/livez", "/readyz"]
    assert container.image == IMAGE
    assert there.spec.template.spec.terminationGracePeriodSeconds == 60


def test_a_manifest_says_what_runs_and_where_its_variables_are() -> None:
    told = manifest(wish(), "serve", IMAGE, 7, SETTINGS)
    assert told["metadata"] == {
        "name": NAME,
        "namespace": "apps",
        "labels": {
            "app.kubernetes.io/managed-by": "watership",
            "watership/slot": "blue",
            "watership/environment": "prod",
            "watership/deployment": "2-1-0-bbbbbbbb",
            "watership/role": "serve",
        },
        "annotations": {
            "watership/epoch": "7",
            "watership/deployment": D,
            "watership/digest": "sha256:new",
        },
    }
    spec = told["spec"]
    assert isinstance(spec, dict)
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == [
        *("python", "-m", "watership.wiring.instance", "serve", "--source", "/app", "--deployment", D),
        *("--slot", "blue", "--slots", "8", "--listen", "0.0.0.0:3000"),
    ]
    assert container["envFrom"] == [{"secretRef": {"name": "app-variables"}}]
    # A higher epoch alone starts no pod anew.
    again = manifest(wish(), "serve", IMAGE, 8, SETTINGS)["spec"]
    assert again == spec


def test_what_is_no_name_and_no_image_is_refused() -> None:
    with pytest.raises(BadInput, match="more than 63 letters"):
        manifest(wish(), "serve", IMAGE, 1, msgspec.structs.replace(SETTINGS, environment="e" * 60))
    with pytest.raises(BadInput, match="not named by its digest"):
        manifest(wish(), "serve", "ghcr.io/yourcompany/app:2.1.0", 1, SETTINGS)


def test_a_kubeconfig_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        configuration(str(tmp_path / "none"), "")
    (tmp_path / "kubeconfig").write_text("{clusters: [], contexts: [], current-context: gone}")
    with pytest.raises(BadInput, match="gone"):
        configuration(str(tmp_path / "kubeconfig"), "")


# --- with a stand-in of the API ------------------------------------------------------------------------------


@pytest.fixture
def api() -> Iterator[ClusterApi]:
    with ClusterApi({image_of(each): each for each in (OLD, NEW)}, network=8) as there:
        yield there
        there.close()


@pytest.fixture
def hosts(api: ClusterApi, tmp_path: Path) -> KubernetesHosts:
    settings = Settings(environment="prod", namespace="apps", port=free_port(), probes_port=free_port())
    return KubernetesHosts(settings, configuration(api.kubeconfig(tmp_path), "test"), image_of)


def once(api: ClusterApi, method: str, kind: str, then: object) -> None:
    """Let something happen just before the first request of a method to objects of a kind."""
    assert callable(then)

    def before(asked: Asked) -> None:
        if asked.method == method and f"/{kind}" in asked.path:
            api.before = lambda asked: None
            then()

    api.before = before


def theirs(api: ClusterApi, epoch: int) -> None:
    """Another controller has acted: the note says its epoch, and so do the Deployments that it has set."""
    for (kind, *_), there in api.objects.items():
        if kind == "configmaps":
            there["data"]["epoch"] = str(epoch)
        if kind == "deployments":
            there["metadata"]["annotations"]["watership/epoch"] = str(epoch)
        if kind != "pods":
            there["metadata"]["resourceVersion"] = f"theirs-{epoch}"


async def test_a_paused_controller_changes_no_deployment_that_another_one_set(
    api: ClusterApi, hosts: KubernetesHosts
) -> None:
    await hosts.ensure(wish(serve=2), epoch=1)
    once(api, "PATCH", "deployments", lambda: theirs(api, 2))
    with pytest.raises(Fenced) as fenced:
        await hosts.ensure(wish(serve=5), epoch=1)
    assert (fenced.value.held, fenced.value.current) == (1, 2)
    assert api.objects["deployments", "apps", NAME]["spec"]["replicas"] == 2


async def test_a_paused_controller_takes_back_what_it_made_after_another_one_acted(
    api: ClusterApi, hosts: KubernetesHosts
) -> None:
    await hosts.ensure(wish(serve=0, workers=0), epoch=1)
    await hosts.stop(D, grace_seconds=1, epoch=1)
    # There is nothing by whose version its creation could be refused.
    once(api, "POST", "deployments", lambda: theirs(api, 2))
    with pytest.raises(Fenced):
        await hosts.ensure(wish(serve=1), epoch=1)
    assert [key for key in api.objects if key[0] in ("deployments", "pods")] == []


async def test_a_paused_controller_deletes_nothing_that_another_one_set(
    api: ClusterApi, hosts: KubernetesHosts
) -> None:
    await hosts.ensure(wish(serve=1, workers=0), epoch=1)
    once(api, "DELETE", "deployments", lambda: theirs(api, 2))
    with pytest.raises(Fenced):
        await hosts.stop(D, grace_seconds=1, epoch=1)
    assert ("deployments", "apps", NAME) in api.objects


async def test_two_controllers_of_one_epoch_who_meet_both_come_to_an_end(
    api: ClusterApi, hosts: KubernetesHosts
) -> None:
    async def controller() -> None:
        try:
            await hosts.ensure(wish(), epoch=1)
        except Unavailable:  # what was not answered is asked for again, as a release does
            await hosts.ensure(wish(), epoch=1)

    await asyncio.gather(*(controller() for _ in range(3)))
    assert [each.state for each in await hosts.instances()] == [InstanceState.READY] * 3


async def test_pods_that_do_not_end_in_their_grace_are_killed(
    api: ClusterApi, hosts: KubernetesHosts
) -> None:
    await hosts.ensure(wish(serve=1, workers=0), epoch=1)
    api.stubborn = True
    await hosts.stop(D, grace_seconds=0.3, epoch=1)
    assert await hosts.instances() == []
    assert any(each.method == "DELETE" and "gracePeriodSeconds=0" in each.path for each in api.asked)


async def test_of_eight_pods_the_one_with_the_old_build_is_named(
    api: ClusterApi, hosts: KubernetesHosts
) -> None:
    await hosts.ensure(wish(serve=6, workers=2), epoch=1)
    side = Side(build=NEW, deployment=D, slot=Slot.BLUE)
    assert strangers(await hosts.instances(), side) == []
    name = sorted(api.listeners)[3]
    api.listeners[name].digest = OLD.digest
    assert strangers(await hosts.instances(), side) == [
        f"{name} reports the digest sha256:old, not sha256:new"
    ]


async def test_a_pod_that_has_no_image_starts_and_reports_nothing(
    api: ClusterApi, hosts: KubernetesHosts
) -> None:
    del api.registry[image_of(NEW)]
    await hosts.ensure(wish(serve=1, workers=0), epoch=1)
    (there,) = await hosts.instances()
    assert (there.state, there.digest, there.address) == (InstanceState.STARTING, None, None)


async def test_what_the_api_refuses_is_told_in_its_words(api: ClusterApi, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    file = Path(api.kubeconfig(tmp_path / "other"))
    file.write_text(file.read_text().replace("of-the-test", "of somebody else"))
    stranger = KubernetesHosts(SETTINGS, configuration(str(file), ""), image_of)
    with pytest.raises(Unavailable, match="refused it: Unauthorized"):
        await stranger.instances()


async def test_a_cluster_that_is_silent_has_no_instances_that_are_known(tmp_path: Path) -> None:
    with ClusterApi({}) as api:
        gone = KubernetesHosts(SETTINGS, configuration(api.kubeconfig(tmp_path), ""), image_of)
        assert await gone.instances() == []
    with pytest.raises(Unavailable, match="does not answer"):
        await gone.instances()
