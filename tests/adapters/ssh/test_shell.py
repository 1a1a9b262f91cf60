"""A shell on real machines: a real sshd, the real fence, and what may go wrong between."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from tests.adapters.machines.machines import Machines
from watership.adapters.ssh import fence
from watership.adapters.ssh.command import Command
from watership.adapters.ssh.shell import OUTPUT_BYTES, Shell
from watership.errors import Fenced, Unavailable


@pytest.fixture
def there(two_machines: Machines) -> Machines:
    return two_machines


def shell(there: Machines) -> Shell:
    return Shell(there.reach, folder=there.folder)


def on(machine: str, *words: str, given: bytes = b"", seconds: float = 10) -> Command:
    return Command(machine=machine, words=words, given=given, seconds=seconds)


def written(there: Machines, machine: str, name: str) -> Path:
    return there.server.disk_of(machine) / "watership" / name


async def test_each_machine_does_its_own_in_order_and_keeps_the_epoch(there: Machines) -> None:
    one, two = there.names
    path = f"{there.folder}/kept here"
    commands = [
        on(one, "tee", path, given=b"all bytes: \0\xff\n'quoted' $HOME"),
        on(one, "sh", "-c", 'cat "$1" "$1" >"$1.twice"', "sh", path),
        on(two, "touch", path),
    ]
    await shell(there).act(commands, epoch=4)
    assert written(there, one, "kept here.twice").read_bytes() == commands[0].given * 2
    assert written(there, two, "kept here").read_bytes() == b""
    assert [written(there, each, "epoch").read_text() for each in there.names] == ["4\n", "4\n"]


async def test_what_fails_on_one_machine_names_it_and_those_that_are_done(there: Machines) -> None:
    one, two = there.names
    commands = [
        on(one, "true"),
        on(two, "sh", "-c", "echo the disk is full >&2; exit 3"),
        on(two, "touch", f"{there.folder}/never"),
    ]
    with pytest.raises(Unavailable) as error:
        await shell(there).act(commands, epoch=1)
    assert f"{two}: 'sh' ended with 3: the disk is full." in error.value.message
    assert f"Done on: {one}." in error.value.message
    assert not written(there, two, "never").exists()


async def test_a_machine_that_refuses_or_hangs_is_named_and_the_others_are_done(there: Machines) -> None:
    one, two = there.names
    refusing = on("127.0.0.200", "true")
    with pytest.raises(Unavailable, match=rf"127\.0\.0\.200 cannot be reached by ssh.*Done on: {one}"):
        await shell(there).act([on(one, "true"), refusing], epoch=1)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=f"{two}: 'sleep 60' ended with 124"):
        await shell(there).act([on(one, "true"), on(two, "sleep", "60", seconds=0.5)], epoch=1)
    assert time.monotonic() - began < 30


async def test_a_machine_whose_key_is_another_one_is_not_talked_to(there: Machines, tmp_path: Path) -> None:
    (tmp_path / "known").touch()
    reach = msgspec.structs.replace(there.reach, known_hosts=str(tmp_path / "known"))
    with pytest.raises(Unavailable, match="Host key verification failed"):
        await Shell(reach, folder=there.folder).act([on(there.names[0], "true")], epoch=1)
    assert not written(there, there.names[0], "epoch").exists()


async def test_nobody_gets_in_while_another_ones_commands_are_done_and_the_lower_one_not_after(
    there: Machines,
) -> None:
    machine = there.names[0]
    began, done = f"{there.folder}/began", f"{there.folder}/done"
    slow = [on(machine, "sh", "-c", f'touch "{began}"; sleep 0.7'), on(machine, "touch", done)]
    first = asyncio.create_task(shell(there).act(slow, epoch=2))
    while not written(there, machine, "began").exists():
        await asyncio.sleep(0.02)
    await shell(there).act([on(machine, "test", "-e", done)], epoch=3)
    await first
    with pytest.raises(Fenced) as refused:
        await shell(there).act([on(machine, "touch", f"{there.folder}/late")], epoch=2)
    assert (refused.value.held, refused.value.current) == (2, 3)
    assert not written(there, machine, "late").exists()


async def test_an_epoch_that_cannot_be_read_lets_nobody_act(there: Machines) -> None:
    machine = there.names[0]
    written(there, machine, "").mkdir()
    written(there, machine, "epoch").write_text("seven")
    with pytest.raises(Unavailable, match="holds no number"):
        await shell(there).act([on(machine, "touch", f"{there.folder}/x")], epoch=9)
    assert written(there, machine, "epoch").read_text() == "seven"
    assert not written(there, machine, "x").exists()


async def test_a_machine_that_says_too_much_says_nothing(there: Machines) -> None:
    machine = there.names[0]
    with pytest.raises(Unavailable, match="printed more than"):
        await shell(there).look([on(machine, "head", "-c", str(OUTPUT_BYTES + 1), "/dev/zero")])


def test_half_of_a_script_does_nothing(tmp_path: Path) -> None:
    commands = [Command(machine="here", words=("touch", str(tmp_path / f"file-{n}"))) for n in range(3)]
    script = fence.script(commands, folder=str(tmp_path / "fence"), epoch=1)
    half = tmp_path / "half"
    for part in range(1, 20):
        half.write_bytes(script[: len(script) * part // 20])
        ran(half)
        assert list(tmp_path.glob("file-*")) == []
    half.write_bytes(script)
    assert ran(half) == 0
    assert len(list(tmp_path.glob("file-*"))) == 3


def ran(script: Path) -> int:
    with script.open("rb") as given:
        return subprocess.run(["sh", "-s"], stdin=given, capture_output=True, check=False).returncode
