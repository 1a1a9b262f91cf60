"""A unit is what systemd runs of an instance: a file that says the same each time."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from watership.adapters.processes.presence import PRESENCE_VARIABLE
from watership.adapters.ssh.command import slug
from watership.adapters.ssh.posts import Post, port
from watership.releases.ports import HostSpec

UNITS: Final = "/etc/systemd/system"

FIRST_PORT: Final = 3000

STOP_SECONDS: Final = 60
"""What an instance gets to end in when it is stopped by somebody else: it drains for 30 s, and hands its runs over."""

PLAIN: Final = re.compile(r"[A-Za-z0-9_@:./=+,-]+")
"""Words that need no quotes in a unit."""

# What an interpreter that serves HTTP and talks to servers does without. Its user exists for as long as it runs, can
# write nowhere but into what systemd made for it, and gains nothing by a program that it starts.
HARDENING: Final = """\
DynamicUser=yes
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What all units of an environment have in common.

    `folder`: what a machine has for itself, where builds are unpacked. `bind`: the address that instances listen on;
    empty: all of the machine's. `variables`: a file on each machine, which root reads. `python`: the interpreter there
    that has Watership.
    """

    environment: str
    machines: tuple[str, ...]
    folder: str
    bind: str = ""
    first_port: int = FIRST_PORT
    variables: str = ""
    python: str = "/usr/bin/python3"
    units: str = UNITS


def prefix(environment: str, deployment: str = "") -> str:
    """What the names of an environment's, or of a deployment's, units begin with, and no others': slugs have no _."""
    return f"watership-{slug(environment)}_{f'{slug(deployment)}_' if deployment else ''}"


def unit_name(environment: str, deployment: str, post: Post) -> str:
    return f"{prefix(environment, deployment)}{post.role}-{post.index}.service"


def source(settings: Settings, deployment: str) -> str:
    """Where a deployment's build is unpacked on a machine."""
    return f"{settings.folder}/builds/{slug(deployment)}"


def description(spec: HostSpec, post: Post) -> str:
    """What a unit says of itself, for people and to be read back."""
    return f"Watership {post.role} {post.index} of {spec.deployment} ({spec.build.digest})"


def unit(spec: HostSpec, post: Post, settings: Settings) -> str:
    """The unit's text."""
    own = unit_name(settings.environment, spec.deployment, post).removesuffix(".service")
    words = [
        *(settings.python, "-m", "watership.wiring.instance", post.role),
        *("--source", source(settings, spec.deployment), "--deployment", spec.deployment),
        *("--slot", spec.slot.value, "--slots", str(spec.slots)),
    ]
    if post.role == "serve":
        listen = f"{settings.bind or '0.0.0.0'}:{port(settings.first_port, spec.slot, post.index)}"  # noqa: S104 - said by `bind`
        words += ["--listen", listen]
    variables = [f"EnvironmentFile={_plain(settings.variables)}\n"] if settings.variables else []
    return f"""\
# Written by Watership, and written again by it: change the settings that it is made from.
[Unit]
Description={_plain(description(spec, post))}
Wants=network-online.target
After=network-online.target
# Tried again for ever: whether it ever starts is the release's to judge.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={" ".join(map(quoted, words))}
WorkingDirectory={_plain(settings.folder)}
RuntimeDirectory={own}
Environment={PRESENCE_VARIABLE}=%t/{own}/presence.json
Environment=PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
{"".join(variables)}\
Restart=always
RestartSec=1
KillSignal=SIGTERM
# The process alone is asked to end; what it leaves behind is killed with it.
KillMode=mixed
TimeoutStopSec={STOP_SECONDS}
{HARDENING}
[Install]
WantedBy=multi-user.target
"""


def quoted(word: str) -> str:
    """A word of a command line, which systemd leaves as it is: no variable, no specifier, no blank within."""
    safe = _plain(word).replace("$", "$$")
    if PLAIN.fullmatch(safe):
        return safe
    escaped = safe.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain(text: str) -> str:
    """Text whose % are no specifiers, on one line."""
    return text.replace("%", "%%").replace("\n", " ")
