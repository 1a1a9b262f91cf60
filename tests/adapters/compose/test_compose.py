"""What machines are told of Compose, and what is made of what engines and instances say."""

from __future__ import annotations

import json

import msgspec
import pytest
import yaml

from tests.adapters.machines.machines import Machines, image_of
from watership.adapters.compose import commands
from watership.adapters.compose.containers import containers
from watership.adapters.compose.hosts import ComposeHosts
from watership.adapters.compose.project import Settings
from watership.adapters.ssh.shell import Shell
from watership.durable.ids import DeploymentId
from watership.errors import BadInput, Unavailable
from watership.fleet.build import Build, SchemaRange
from watership.fleet.deployment import Slot
from watership.releases.checks.builds import strangers
from watership.releases.plan import Side
from watership.releases.ports import HostSpec, InstanceState

D = DeploymentId("2.1.0-bbbbbbbb")
NEW = Build(version="2.1.0", digest="sha256:new", source="src", schema=SchemaRange(1, 2))
OLD = Build(version="2.0.5", digest="sha256:old", source="src", schema=SchemaRange(1, 2))
SETTINGS = Settings(
    environment="prod",
    machines=("web-1", "10.0.0.2"),
    folder="/var/lib/watership/prod",
    variables="/etc/watership/app.env",
)
IMAGE = f"ghcr.io/yourcompany/app@sha256:{'1' * 64}"
PATH = "/var/lib/watership/prod/watership-prod-2-1-0-bbbbbbbb/compose.yaml"


def wish(serve: int = 2, workers: int = 0) -> HostSpec:
    return HostSpec(deployment=D, build=NEW, slot=Slot.BLUE, serve=serve, workers=workers)


def test_a_wish_is_three_commands_on_each_machine_that_has_a_part_of_it() -> None:
    told = commands.ensuring(wish(serve=1), IMAGE, SETTINGS)
    up = ("up", "--detach", "--no-build", "--pull", "never", "--remove-orphans")
    down = ("down", "--remove-orphans", "--timeout", "30")
    assert [(each.machine, each.words) for each in told] == [
        ("web-1", ("install", "-D", "-m", "0644", "/dev/stdin", PATH)),
        ("web-1", ("docker", "pull", "--quiet", IMAGE)),
        ("web-1", ("docker", "compose", "--file", PATH, *up)),
        ("10.0.0.2", ("docker", "compose", "--project-name", "watership-prod-2-1-0-bbbbbbbb", *down)),
    ]
    assert commands.ensuring(wish(serve=1), IMAGE, SETTINGS) == told


def test_the_file_says_what_runs_where_it_answers_and_with_what_it_may_not() -> None:
    spec = msgspec.structs.replace(wish(serve=2, workers=2), slots=4)
    files = {
        each.machine: yaml.safe_load(each.given)
        for each in commands.ensuring(spec, IMAGE, SETTINGS)
        if each.given
    }
    assert files["10.0.0.2"]["name"] == "watership-prod-2-1-0-bbbbbbbb"
    assert set(files["10.0.0.2"]["services"]) == {"serve-1", "worker-1"}
    serve, worker = files["10.0.0.2"]["services"].values()
    assert serve["image"] == IMAGE
    assert serve["entrypoint"] == ["python", "-m", "watership.wiring.instance"]
    assert serve["command"] == [
        *("serve", "--source", "/app", "--deployment", D, "--slot", "blue", "--slots", "4"),
        *("--listen", "0.0.0.0:3000"),
    ]
    assert serve["ports"] == [{"target": 3000, "host_ip": "10.0.0.2", "protocol": "tcp", "published": "3101"}]
    # A worker's probes are asked for where the engine says; no router knows them.
    assert worker["ports"] == [{"target": 9100, "host_ip": "10.0.0.2", "protocol": "tcp"}]
    assert serve["env_file"] == ["/etc/watership/app.env"]
    assert (serve["restart"], serve["cap_drop"], serve["stop_signal"]) == (
        "unless-stopped",
        ["ALL"],
        "SIGTERM",
    )
    assert int(serve["stop_grace_period"].removesuffix("s")) > 30
    # A name may be another address on the machine itself.
    assert files["web-1"]["services"]["serve-0"]["ports"][0]["host_ip"] == "0.0.0.0"  # noqa: S104


def test_what_compose_would_take_for_a_variable_stays_what_it_is() -> None:
    build = msgspec.structs.replace(NEW, digest="sha256:$HOME")
    spec = msgspec.structs.replace(wish(), build=build)
    assert b"sha256:$$HOME" in commands.ensuring(spec, IMAGE, SETTINGS)[0].given


def test_an_image_without_a_digest_is_refused() -> None:
    with pytest.raises(BadInput, match="not named by its digest"):
        commands.ensuring(wish(), "ghcr.io/yourcompany/app:2.1.0", SETTINGS)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("exited", InstanceState.DEAD),
        ("removing", InstanceState.DRAINING),
        ("restarting", InstanceState.STARTING),
    ],
)
def test_a_container_that_does_not_run_is_told_as_what_it_is(status: str, state: InstanceState) -> None:
    (found,) = containers("web-1", inspected(status))
    assert (found.state, found.port, found.restarts, found.index) == (state, None, 4, 0)


@pytest.mark.parametrize("output", [b"[{}]", b"not json", b"{}"])
def test_what_cannot_be_read_is_no_list_of_containers(output: bytes) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        containers("web-1", output)


def inspected(status: str) -> bytes:
    told = {"deployment": D, "role": "serve", "instance": f"{D}-serve-0", "digest": "sha256:new"}
    container = {
        "State": {"Status": status},
        "RestartCount": 4,
        "Config": {"Labels": {f"watership.{name}": value for name, value in told.items()}},
        "NetworkSettings": {"Ports": {"3000/tcp": None}},
    }
    return json.dumps([container]).encode()


# --- with a real sshd ----------------------------------------------------------------------------------------


@pytest.fixture
def there(two_machines: Machines) -> Machines:
    two_machines.registry.clear()
    two_machines.registry.update({image_of(each): each for each in (OLD, NEW)})
    return two_machines


def hosts(there: Machines, variables: str = "") -> ComposeHosts:
    settings = Settings(
        environment="test",
        machines=there.names,
        folder=there.folder,
        first_port=there.first_port,
        variables=variables,
    )
    return ComposeHosts(settings, Shell(there.reach, folder=there.folder), image_of)


async def test_the_programs_get_the_words_that_were_printed(there: Machines) -> None:
    mine = hosts(there)
    await mine.ensure(wish(serve=1), epoch=1)
    acts = [call for call in there.calls(there.names[0]) if call[1] not in ("ps", "inspect")]
    assert acts == [list(each.words) for each in mine.commands(wish(serve=1))[1:3]]


async def test_half_of_the_machines_done_is_told_and_done_again(there: Machines) -> None:
    one, two = there.names
    full = "Error response from daemon: no space left on device"
    with there.faulty(two, "pull", full), pytest.raises(Unavailable) as error:
        await hosts(there).ensure(wish(), epoch=1)
    assert f"{two}: 'docker pull' ended with 1: Error response from daemon: no space left" in str(error.value)
    assert f"Done on: {one}." in str(error.value)
    assert [each.name for each in await hosts(there).instances()] == [f"{D}-serve-0"]
    first = there.instances()[f"{D}-serve-0"].pid
    await hosts(there).ensure(wish(), epoch=1)
    assert [each.state for each in await hosts(there).instances()] == [InstanceState.READY] * 2
    assert there.instances()[f"{D}-serve-0"].pid == first


async def test_an_engine_that_is_down_is_never_one_without_containers(there: Machines) -> None:
    await hosts(there).ensure(wish(), epoch=1)
    silent = (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    )
    for words in ("docker ps", "docker inspect"):
        with there.faulty(there.names[1], words, silent), pytest.raises(Unavailable, match="Cannot connect"):
            await hosts(there).instances()
    with there.faulty(there.names[1], "down", silent), pytest.raises(Unavailable, match="Cannot connect"):
        await hosts(there).stop(D, grace_seconds=1, epoch=1)


async def test_an_instance_says_itself_which_build_it_is_and_whether_it_is_ready(there: Machines) -> None:
    # The image was made of another build than the one that it is named for.
    there.registry[image_of(NEW)] = OLD
    await hosts(there).ensure(wish(), epoch=1)
    draining, silent = (there.instances()[f"{D}-serve-{number}"] for number in range(2))
    draining.draining, silent.silent = True, True
    first, second = await hosts(there).instances()
    assert (first.digest, first.version, first.state) == ("sha256:old", "2.0.5", InstanceState.DRAINING)
    assert (second.digest, second.version, second.state) == (None, None, InstanceState.STARTING)
    assert first.address == f"{there.names[0]}:{there.first_port + 100}"
    assert first.pid is None


async def test_what_a_machine_lacks_is_said_by_its_program(there: Machines) -> None:
    with pytest.raises(Unavailable, match=r"env file .* not found"):
        await hosts(there, variables=f"{there.server.disk}/app.env").ensure(wish(), epoch=1)
    there.registry.clear()
    with pytest.raises(Unavailable, match="manifest unknown"):
        await hosts(there).ensure(wish(), epoch=1)
    assert set((await hosts(there).versions()).values()) == {"28.2.2\n2.39.1\n"}


async def test_of_eight_instances_the_one_with_the_old_build_is_named(there: Machines) -> None:
    await hosts(there).ensure(wish(serve=6, workers=2), epoch=1)
    side = Side(build=NEW, deployment=D, slot=Slot.BLUE)
    assert strangers(await hosts(there).instances(), side) == []
    there.instances()[f"{D}-serve-5"].digest = OLD.digest
    assert strangers(await hosts(there).instances(), side) == [
        f"{D}-serve-5 reports the digest sha256:old, not sha256:new"
    ]
