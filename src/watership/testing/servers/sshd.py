"""A private sshd: machines of a test, each with an address of its own on loopback, reached with a key of the test's."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from watership.errors import Unavailable
from watership.testing.servers.ports import LOOPBACK, answer, free_port
from watership.testing.servers.process import Server
from watership.testing.servers.program import find

PLACES: Final = ("/usr/sbin", "/usr/bin")

SEPARATION: Final = Path("/run/sshd")
"""An empty folder that sshd wants where it is root; its service makes it, and there is no service."""

BANNER: Final = b"SSH-2.0-"


class SshServer(Server):
    """OpenSSH's server for our own user and one key. Whoever comes in finds `variables`, and by them the test's PATH.

    `machines`: addresses of loopback, which the same server answers for. Each has a `disk` of its own, at the same
    path: what one writes there, the others do not see. Programs tell the machines by SSH_CONNECTION.
    """

    name = "sshd"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        machines: Sequence[str] = (LOOPBACK,),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        if sys.platform == "darwin" and set(machines) != {LOOPBACK}:
            raise Unavailable("Loopback has one address here.", fix="sudo ifconfig lo0 alias 127.0.0.2")
        self.program = find("sshd", PLACES, package="openssh-server", formula="openssh")
        super().__init__(folder)
        self.port = free_port()
        self.machines = tuple(machines)
        self.disk = self.folder / "disk"
        self.variables = dict(variables or {})

    @property
    def login(self) -> str:
        """As whom one comes in."""
        return getpass.getuser()

    @property
    def key(self) -> Path:
        """The private key that is let in."""
        return self.folder / "key"

    @property
    def known_hosts(self) -> Path:
        """What a client is to trust."""
        return self.folder / "known_hosts"

    def disk_of(self, machine: str) -> Path:
        """Where a machine's disk is for who is on none of them."""
        return self.folder / f"disk-{machine}"

    def prepare(self) -> None:
        """Keys, once, and the configuration, from what `variables` say now."""
        if not self.key.exists():
            for name in ("key", "host"):
                keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", self.folder / name]
                subprocess.run(keygen, check=True, capture_output=True)
            (self.folder / "authorized_keys").write_bytes((self.folder / "key.pub").read_bytes())
            host = (self.folder / "host.pub").read_text()
            self.known_hosts.write_text("".join(f"[{each}]:{self.port} {host}" for each in self.machines))
        self.disk.mkdir(exist_ok=True)
        for each in self.machines:
            self.disk_of(each).mkdir(exist_ok=True)
        (self.folder / "enter").write_text(
            f"#!/bin/sh\nmachine=${{SSH_CONNECTION#* * }}\n"
            f'mount --bind "{self.folder}/disk-${{machine%% *}}" "{self.disk}" || exit 1\n'
            'exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n'
        )
        if os.geteuid() == 0:
            SEPARATION.mkdir(mode=0o755, exist_ok=True)
        # A shell that is started by sshd would read what our own home has for shells.
        variables = {"HOME": str(self.folder), **self.variables}
        quoted = " ".join(f'"{name}={value}"' for name, value in variables.items())
        lines = [
            *(f"ListenAddress {each}:{self.port}" for each in dict.fromkeys((LOOPBACK, *self.machines))),
            f"HostKey {self.folder / 'host'}",
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            f"PidFile {self.folder / 'pid'}",
            f"AllowUsers {self.login}",
            "PermitRootLogin prohibit-password",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UsePAM no",
            # The folder of a test is open to its group.
            "StrictModes no",
            "MaxStartups 100",
            # Half of the time of a connection over loopback would go into keys that withstand quantum computers.
            "KexAlgorithms curve25519-sha256",
            f"ForceCommand unshare --map-root-user --mount sh {self.folder / 'enter'}",
            f"SetEnv {quoted}",
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str | Path]:
        """The server in the foreground. By its whole path: it starts itself anew for each connection."""
        return [self.program, "-D", "-e", "-f", self.folder / "sshd_config"]

    def answers(self) -> bool:
        """Whether it says what it is."""
        return answer(self.port, b"", len(BANNER)) == BANNER
