"""Commands are data: printed, compared, and dealt out over machines."""

from __future__ import annotations

import pytest

from watership.adapters.ssh.command import Command, printed, slug
from watership.adapters.ssh.posts import placed, port
from watership.adapters.ssh.reach import Reach, address, ssh
from watership.durable.ids import DeploymentId
from watership.errors import BadInput
from watership.fleet.build import Build, SchemaRange
from watership.fleet.deployment import Slot
from watership.releases.ports import HostSpec


def spec(serve: int, workers: int) -> HostSpec:
    build = Build(version="2.1.0", digest="sha256:new", source="src", schema=SchemaRange(1, 2))
    return HostSpec(
        deployment=DeploymentId("2.1.0-bb"), build=build, slot=Slot.BLUE, serve=serve, workers=workers
    )


def test_commands_are_printed_as_they_would_be_typed() -> None:
    commands = [
        Command(machine="web-1", words=("install", "-D", "/dev/stdin", "/a file"), given=b"text\n"),
        Command(machine="web-1", words=("tar", "-x"), given=b"\xff\xfe"),
        Command(machine="web-2", words=("docker", "pull", "app")),
    ]
    assert printed(commands) == (
        "web-1$ install -D /dev/stdin '/a file' <<'END'\ntext\nEND\n"
        "web-1$ tar -x < (2 bytes)\n"
        "web-2$ docker pull app"
    )


def test_instances_are_dealt_out_in_turn_and_a_machine_without_any_is_there_too() -> None:
    there = placed(spec(serve=3, workers=1), ["web-1", "web-2", "web-3", "web-4"])
    assert {machine: [post.name for post in posts] for machine, posts in there.items()} == {
        "web-1": ["2.1.0-bb-serve-0", "2.1.0-bb-worker-0"],
        "web-2": ["2.1.0-bb-serve-1"],
        "web-3": ["2.1.0-bb-serve-2"],
        "web-4": [],
    }


def test_both_slots_have_ports_of_their_own_on_every_machine() -> None:
    ports = [port(3000, slot, index) for slot in Slot for index in range(64)]
    assert len(set(ports)) == len(ports)


def test_without_a_machine_nothing_stands_anywhere() -> None:
    with pytest.raises(BadInput, match="No machine is named"):
        placed(spec(serve=1, workers=0), [])


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "a b", "web-1;reboot", "", "user@-x", "$(x)"])
def test_what_ssh_would_take_for_something_else_is_no_machine(name: str) -> None:
    with pytest.raises(BadInput, match="is no machine"):
        address(name)


def test_a_machine_is_come_by_as_it_is_said() -> None:
    words = ssh("deploy@web-1.internal", ("echo", "a b"), Reach(port=2222, key="/k", sudo=True))
    assert words[-2:] == ["web-1.internal", "sudo -n echo 'a b'"]
    assert words[words.index("-l") + 1] == "deploy"
    assert words[words.index("-p") + 1] == "2222"
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "IdentityFile=/k", "ControlPath=none"} <= set(words)


@pytest.mark.parametrize(
    ("text", "name"), [("2.1.0-3F9A", "2-1-0-3f9a"), ("a__b", "a-b"), ("-x-", "x"), ("é", "x")]
)
def test_a_slug_is_what_all_of_them_take(text: str, name: str) -> None:
    assert slug(text) == name
