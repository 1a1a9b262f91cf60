"""What the machines are told of a deployment, as lists of commands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from watership.adapters.ssh.command import LOOK_SECONDS, Command
from watership.adapters.ssh.posts import placed
from watership.adapters.systemd.bundle import bundle
from watership.adapters.systemd.unit import STOP_SECONDS, Settings, prefix, source, unit, unit_name
from watership.durable.ids import DeploymentId
from watership.releases.ports import HostSpec

# Into a folder beside it, which then takes the name: half of a build has no name that anybody runs.
UNPACK: Final = """\
rm -rf "$1.new" && mkdir -p "$1.new" && tar -xz -C "$1.new" && rm -rf "$1" && mv "$1.new" "$1"
"""

# A unit that does not end in its grace is killed, and then it has ended. Of a machine that has none, nothing is asked.
STOP: Final = """\
pattern=$1 grace=$2 units=$3
timeout "$grace" systemctl stop "$pattern" || systemctl kill --signal=SIGKILL "$pattern"
systemctl stop "$pattern" || exit
for file in "$units"/$pattern; do
    if [ -e "$file" ]; then systemctl disable --quiet "${file##*/}" && rm -f "$file" || exit; fi
done
systemctl daemon-reload && systemctl reset-failed "$pattern"
"""

LOOK: Final = """\
systemctl show --property=Id,Description,ActiveState,MainPID,NRestarts "$1" || exit
echo
for place in "$2"/builds/*; do
    case $place in *.new | */'*') ;; *) echo "Build=${place##*/}" ;; esac
done
for place in "$3"/$4*/presence.json; do
    if [ -r "$place" ]; then echo "Presence=$(cat "$place")"; fi
done
"""

RUN: Final = "/run"
"""Where systemd makes what lives as long as a unit."""

KILL_SECONDS: Final = 30.0
"""Beyond the grace: what was killed ends at once, and the manager reads its units again."""


def ensuring(
    spec: HostSpec, settings: Settings, *, there: Mapping[str, Collection[str]] | None = None
) -> list[Command]:
    """Let each machine run its part of the deployment, and no more: a wish that may be said twice.

    `there`: what is there on each machine already, names of units and of builds; None: nothing is known of it.
    """
    commands, packed = [], None
    for machine, posts in placed(spec, settings.machines).items():
        known = () if there is None else there.get(machine, ())
        place = source(settings, spec.deployment)
        names = [unit_name(settings.environment, spec.deployment, post) for post in posts]
        mine = prefix(settings.environment, spec.deployment)
        surplus = sorted(name for name in known if name.startswith(mine) and name not in names)
        if surplus:
            # All at a time, since each may take its grace to drain; then each is waited for.
            words = ("systemctl", "stop", "--no-block", *surplus)
            commands += [Command(machine=machine, words=words), *_ending(machine, surplus, settings)]
        if not posts:
            # Nothing stands there, and still it has to know who rules.
            commands.append(Command(machine=machine, words=("systemctl", "daemon-reload")))
            continue
        if Path(place).name not in known:
            packed = bundle(Path(spec.build.source)) if packed is None else packed
            commands.append(
                Command(machine=machine, words=("sh", "-c", UNPACK, "watership", place), given=packed)
            )
        commands += [
            Command(
                machine=machine,
                words=("install", "-D", "-m", "0644", "/dev/stdin", f"{settings.units}/{name}"),
                given=unit(spec, post, settings).encode(),
            )
            for name, post in zip(names, posts, strict=True)
        ]
        commands += [
            Command(machine=machine, words=("systemctl", "daemon-reload")),
            Command(machine=machine, words=("systemctl", "enable", "--quiet", "--now", *names)),
        ]
    return commands


def _ending(machine: str, names: Sequence[str], settings: Settings) -> list[Command]:
    return [
        Command(
            machine=machine, words=("sh", "-c", STOP, "watership", name, f"{STOP_SECONDS}", settings.units)
        )
        for name in names
    ]


def stopping(deployment: DeploymentId, grace_seconds: float, settings: Settings) -> list[Command]:
    """End what the machines run of a deployment, by its name alone, and clear its units and its build away."""
    pattern = f"{prefix(settings.environment, deployment)}*.service"
    # A grace of 0 would mean for ever to `timeout`.
    words = ("sh", "-c", STOP, "watership", pattern, f"{max(grace_seconds, 0.1):g}", settings.units)
    commands = []
    for machine in settings.machines:
        commands += [
            Command(machine=machine, words=words, seconds=grace_seconds + KILL_SECONDS),
            Command(machine=machine, words=("rm", "-rf", source(settings, deployment))),
        ]
    return commands


def looking(settings: Settings, run: str = RUN) -> list[Command]:
    """Ask each machine for the units of this environment, the builds that it has, and what instances say."""
    mine = prefix(settings.environment)
    words = ("sh", "-c", LOOK, "watership", f"{mine}*.service", settings.folder, run, mine)
    return [Command(machine=machine, words=words, seconds=LOOK_SECONDS) for machine in settings.machines]


def asking_versions(settings: Settings) -> list[Command]:
    """Ask each machine which systemd it has, and in a second line how that fares, whatever it says of itself."""
    words = ("sh", "-c", "systemctl --version | head -n 1; systemctl is-system-running; exit 0")
    return [Command(machine=machine, words=words, seconds=LOOK_SECONDS) for machine in settings.machines]
