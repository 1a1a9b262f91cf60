"""A reach is how a machine's shell is come by: user, port, key, and the keys of hosts that are trusted."""

from __future__ import annotations

import re
import shlex
from typing import Final

import msgspec

from watership.errors import BadInput

CONNECT_SECONDS: Final = 5
"""Within one data centre a connection stands within milliseconds."""

SILENT_SECONDS: Final = 5
SILENCES: Final = 3
"""A machine that says nothing three times five seconds is taken for gone: its command is not known to have ended."""

NAME: Final = re.compile(r"(?:([A-Za-z0-9_][A-Za-z0-9_.-]*)@)?([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])")


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """`key`: the path of the private key, and `known_hosts` that of the machines' keys; empty: the user's own.

    `sudo`: commands are run as root, by way of `sudo -n`.
    """

    user: str = ""
    port: int = 0
    key: str = ""
    known_hosts: str = ""
    sudo: bool = False


def address(machine: str) -> str:
    """Where a machine's ports are: its name without a user. Raises BadInput for what ssh would take for an option."""
    found = NAME.fullmatch(machine)
    if found is None:
        raise BadInput(f"{machine!r} is no machine.", fix="Say HOST or USER@HOST; its port is ssh_port.")
    return found[2]


def ssh(machine: str, words: tuple[str, ...], reach: Reach) -> list[str]:
    """The client's own command. It asks nobody anything, trusts no new key, and shares no connection."""
    host = address(machine).strip("[]")
    user = machine.rpartition("@")[0] or reach.user
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ConnectionAttempts": "1",
        "ServerAliveInterval": str(SILENT_SECONDS),
        "ServerAliveCountMax": str(SILENCES),
        # A connection that is shared outlives its command, and hangs with the one who opened it.
        "ControlMaster": "no",
        "ControlPath": "none",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "LogLevel": "ERROR",
    }
    if reach.known_hosts:
        options |= {"UserKnownHostsFile": reach.known_hosts, "GlobalKnownHostsFile": "/dev/null"}
    if reach.key:
        options |= {"IdentityFile": reach.key, "IdentitiesOnly": "yes"}
    command = ["ssh", "-T", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    command += ["-p", str(reach.port)] if reach.port else []
    command += ["-l", user] if user else []
    # The shell at the other end takes the words apart again, as they were.
    return [*command, "--", host, shlex.join(("sudo", "-n", *words) if reach.sudo else words)]
