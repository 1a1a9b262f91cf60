"""What machines are told of systemd: units that the real systemd-analyze takes, and what instances say, read back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from tests.adapters.machines.machines import Machines
from watership.adapters.files.builds import digest, read_build
from watership.adapters.ssh.posts import Post
from watership.adapters.ssh.shell import Shell
from watership.adapters.systemd import commands
from watership.adapters.systemd.bundle import bundle
from watership.adapters.systemd.hosts import SystemdHosts
from watership.adapters.systemd.shown import told
from watership.adapters.systemd.unit import STOP_SECONDS, Settings, quoted, unit, unit_name
from watership.config import WorkerSettings
from watership.durable.ids import DeploymentId
from watership.errors import Unavailable
from watership.fleet.build import Build
from watership.fleet.deployment import Slot
from watership.releases.checks.builds import strangers
from watership.releases.plan import Side
from watership.releases.ports import HostSpec, InstanceState, Role

D = DeploymentId("2.1.0-bbbbbbbb")
SETTINGS = Settings(
    environment="prod",
    machines=("web-1", "web-2"),
    folder="/var/lib/watership/prod",
    python=sys.executable,
    variables="/etc/watership/app.env",
)
UNIT = "watership-prod_2-1-0-bbbbbbbb_serve-0.service"
EXPOSED = 2.0
"""Of ten, as systemd-analyze counts what a service may do that it need not: below it calls that OK."""


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return made(tmp_path / "next", "2.1.0")


def made(folder: Path, version: str) -> Build:
    folder.mkdir()
    (folder / "build.toml").write_text(f'version = "{version}"\nreads = [1, 2]\n')
    (folder / "scripts").mkdir()
    (folder / "scripts" / "run me").write_text("#!/bin/sh\n")
    (folder / "scripts" / "run me").chmod(0o755)
    return read_build(folder)


def wish(build: Build, serve: int = 2, workers: int = 0) -> HostSpec:
    return HostSpec(deployment=D, build=build, slot=Slot.GREEN, serve=serve, workers=workers)


def post(role: Role = "serve") -> Post:
    return Post(name=f"{D}-{role}-0", machine="web-1", role=role, index=0)


@pytest.fixture
def analyze() -> str:
    """The real program, which asks no running systemd."""
    found = shutil.which("systemd-analyze")
    if found is None:
        if os.environ.get("CI") == "true" and sys.platform == "linux":
            pytest.fail("systemd-analyze is not installed: apt-get install systemd")
        pytest.skip("systemd-analyze is not installed")
    return found


@pytest.mark.parametrize("role", ["serve", "worker"])
def test_units_are_what_systemd_takes_and_let_a_service_do_little(
    role: Role, build: Build, tmp_path: Path, analyze: str
) -> None:
    odd = msgspec.structs.replace(build, digest="sha256:100%$x")
    file = tmp_path / unit_name("prod", D, post(role))
    file.write_text(unit(wish(odd), post(role), SETTINGS))
    assert f"of {D} (sha256:100%%$x)\n" in file.read_text()
    verified = subprocess.run(
        [analyze, "verify", "--man=no", file], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    command = [analyze, "security", "--offline=yes", "--no-pager", f"--threshold={EXPOSED * 10:g}", str(file)]
    exposed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert exposed.returncode == 0, exposed.stdout[-2_000:]


def test_the_analysis_would_find_what_is_wrong(build: Build, tmp_path: Path, analyze: str) -> None:
    file = tmp_path / UNIT
    file.write_text(
        unit(wish(build), post(), SETTINGS).replace("KillMode=mixed", "KillMode=gentle\nNonsense=1")
    )
    verified = subprocess.run(
        [analyze, "verify", "--man=no", file], capture_output=True, text=True, check=False
    )
    assert "gentle" in verified.stderr
    assert "Nonsense" in verified.stderr


def test_a_unit_says_what_runs_and_gives_it_time_to_drain(build: Build) -> None:
    text = unit(wish(build), post(), SETTINGS)
    assert (
        f"ExecStart={sys.executable} -m watership.wiring.instance serve --source "
        f"/var/lib/watership/prod/builds/2-1-0-bbbbbbbb --deployment {D} --slot green --slots 8 --listen 0.0.0.0:3000\n"
    ) in text
    assert f"Description=Watership serve 0 of {D} ({build.digest})\n" in text
    assert "EnvironmentFile=/etc/watership/app.env\n" in text
    assert "Environment=WATERSHIP_PRESENCE=%t/watership-prod_2-1-0-bbbbbbbb_serve-0/presence.json\n" in text
    assert f"TimeoutStopSec={STOP_SECONDS}\n" in text
    assert WorkerSettings().drain_seconds < STOP_SECONDS
    assert "--listen" not in unit(wish(build), post("worker"), SETTINGS)


@pytest.mark.parametrize(
    ("word", "written"),
    [("plain", "plain"), ("a b", '"a b"'), ("50%", '"50%%"'), ("$HOME", '"$$HOME"'), ('a"\\', '"a\\"\\\\"')],
)
def test_a_word_reaches_the_process_as_it_is(word: str, written: str) -> None:
    assert quoted(word) == written


def test_a_bundle_is_the_build_and_the_same_bytes_each_time(build: Build, tmp_path: Path) -> None:
    folder = Path(build.source)
    packed = bundle(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_bytes(b"not of the build")
    assert bundle(folder) == packed
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(tmp_path / "there", filter="data")
    assert digest(tmp_path / "there") == build.digest
    assert os.access(tmp_path / "there" / "scripts" / "run me", os.X_OK)


def test_a_wish_is_told_where_something_is_missing_and_the_surplus_is_ended(build: Build) -> None:
    first = commands.ensuring(wish(build), SETTINGS)
    units = "/etc/systemd/system"
    assert [each.words[-1] for each in first if each.machine == "web-1"] == [
        "/var/lib/watership/prod/builds/2-1-0-bbbbbbbb",
        f"{units}/{UNIT}",
        "daemon-reload",
        UNIT,
    ]
    there = {"web-1": [UNIT, "2-1-0-bbbbbbbb"], "web-2": [UNIT.replace("-0.", "-1."), "2-1-0-bbbbbbbb"]}
    again = commands.ensuring(wish(build, serve=1), SETTINGS, there=there)
    assert [(each.machine, each.words[0], each.words[4:5] or each.words[1:2]) for each in again] == [
        ("web-1", "install", ("/dev/stdin",)),
        ("web-1", "systemctl", ("daemon-reload",)),
        ("web-1", "systemctl", (UNIT,)),
        ("web-2", "systemctl", ("stop",)),
        ("web-2", "sh", (UNIT.replace("-0.", "-1."),)),
        ("web-2", "systemctl", ("daemon-reload",)),
    ]


SHOWN = f"""\
Id={UNIT}
Description=Watership serve 0 of {D} (sha256:new)
ActiveState=%s
MainPID=%s
NRestarts=3

Build=2-1-0-bbbbbbbb
Presence={{"pid":41,"state":"ready","address":"0.0.0.0:3000","digest":"sha256:new","version":"2.1.0"}}
"""


@pytest.mark.parametrize(
    ("active", "state"),
    [
        ("active", InstanceState.STARTING),
        ("activating", InstanceState.STARTING),
        ("deactivating", InstanceState.DRAINING),
        ("failed", InstanceState.DEAD),
    ],
)
def test_what_systemd_tells_is_read(active: str, state: InstanceState) -> None:
    found = told("web-1", (SHOWN % (active, 41)).encode())
    (there,) = found.units
    assert (there.state, there.restarts, there.deployment, there.index) == (state, 3, D, 0)
    assert there.told is not None
    assert there.told.digest == "sha256:new"
    assert found.builds == ("2-1-0-bbbbbbbb",)


def test_what_a_process_before_this_one_said_is_nothing_that_this_one_says() -> None:
    (there,) = told("web-1", (SHOWN % ("active", 42)).encode()).units
    assert there.told is None


@pytest.mark.parametrize("wrong", ["ActiveState=new-kind", "Description=somebody else's", "NRestarts=many"])
def test_what_cannot_be_read_is_no_list_of_units(wrong: str) -> None:
    name = wrong.partition("=")[0]
    lines = [wrong if line.startswith(name) else line for line in (SHOWN % ("active", 41)).splitlines()]
    with pytest.raises(Unavailable, match="cannot be read"):
        told("web-1", "\n".join(lines).encode())


# --- with a real sshd ----------------------------------------------------------------------------------------


def hosts(there: Machines) -> SystemdHosts:
    settings = Settings(
        environment="test",
        machines=there.names,
        folder=there.folder,
        first_port=there.first_port,
        units=f"{there.server.disk}/units",
    )
    return SystemdHosts(settings, Shell(there.reach, folder=there.folder), run=f"{there.server.disk}/run")


async def test_of_eight_instances_those_with_the_old_build_are_named(
    two_machines: Machines, build: Build, tmp_path: Path
) -> None:
    await hosts(two_machines).ensure(wish(build, serve=6, workers=2), epoch=1)
    side = Side(build=build, deployment=D, slot=Slot.GREEN)
    assert strangers(await hosts(two_machines).instances(), side) == []
    # Somebody put the old build where the new one was unpacked, and one instance was started again since.
    old = made(tmp_path / "old", "2.0.5")
    place = two_machines.server.disk_of(two_machines.names[1]) / "watership" / "builds" / "2-1-0-bbbbbbbb"
    shutil.rmtree(place)
    shutil.copytree(old.source, place)
    two_machines.kill(f"{D}-serve-3")
    assert strangers(await hosts(two_machines).instances(), side) == [
        f"{D}-serve-3 reports the digest {old.digest}, not {build.digest}"
    ]


async def test_what_does_not_end_in_its_grace_is_killed_and_nothing_is_left(
    two_machines: Machines, build: Build
) -> None:
    await hosts(two_machines).ensure(wish(build, serve=1, workers=1), epoch=1)
    one = two_machines.names[0]
    two_machines.systemd(one).stubborn = True
    await hosts(two_machines).stop(D, grace_seconds=0, epoch=1)
    assert any(call[1] == "kill" for call in two_machines.calls(one))
    assert await hosts(two_machines).instances() == []
    disk = two_machines.server.disk_of(one)
    assert list((disk / "units").iterdir()) == []
    assert list((disk / "watership" / "builds").iterdir()) == []
    assert two_machines.systemd(one).enabled == set()


async def test_a_unit_that_cannot_be_enabled_is_told_by_its_machine(
    two_machines: Machines, build: Build
) -> None:
    two = two_machines.names[1]
    with (
        two_machines.faulty(two, "systemctl enable", "Failed to enable unit: Access denied"),
        pytest.raises(
            Unavailable, match=f"{two}: 'systemctl enable' ended with 1: Failed to enable unit: Access"
        ),
    ):
        await hosts(two_machines).ensure(wish(build), epoch=1)
    await hosts(two_machines).ensure(wish(build), epoch=1)
    assert [each.state for each in await hosts(two_machines).instances()] == [InstanceState.READY] * 2
