"""Datagrams between the processes of one machine: each binds a socket in a folder that all share."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

PATH_BYTES = 100
"""The path of a Unix socket has room for little more on any system."""

BURST = 256
"""Datagrams read in one go, so that a flood of them does not keep the loop from its work."""


class Datagrams:
    """What this process hears and sends in a folder. Open it in a running loop, and close it. Datagrams get lost."""

    def __init__(self, folder: Path, suffix: str, most: int, hear: Callable[[bytes], None]) -> None:
        """`suffix`: of the sockets' names. `most`: bytes of one datagram. `hear` is given each that comes."""
        self.folder = room(folder, suffix)
        self.mine = str(self.folder / f"{os.getpid()}-{secrets.token_hex(4)}{suffix}")
        self._suffix = suffix
        self._most = most
        self._hear = hear
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._loop = asyncio.get_running_loop()
        try:
            self._socket.setblocking(False)
            self._socket.bind(self.mine)
            self._loop.add_reader(self._socket, self._read)
        except BaseException:
            self._socket.close()
            raise

    def others(self) -> list[str]:
        """The sockets of all other processes."""
        try:
            with os.scandir(self.folder) as entries:
                return [
                    each.path
                    for each in entries
                    if each.name.endswith(self._suffix) and each.path != self.mine
                ]
        except OSError:
            return []

    def send(self, message: bytes, other: str) -> bool:
        """Whether there was room for it, or nobody to have it: what is left over is worth another try."""
        try:
            self._socket.sendto(message, other)
        except ConnectionRefusedError:
            # Nobody has it bound: its process died. Names are never used again, so nobody else's is removed.
            Path(other).unlink(missing_ok=True)
        except BlockingIOError:
            return False
        except OSError as error:  # gone or forbidden: it is lost, as it may be
            return error.errno != errno.ENOBUFS
        return True

    def close(self) -> None:
        """Stop listening and take the socket out of the folder. Closing twice is closing once."""
        if self._socket.fileno() == -1:
            return
        self._loop.remove_reader(self._socket)
        self._socket.close()
        Path(self.mine).unlink(missing_ok=True)

    def _read(self) -> None:
        for _ in range(BURST):
            try:
                message = self._socket.recv(2 * self._most)
            except OSError:  # nothing more to read; whoever listens looks into the store for anything worse
                return
            self._hear(message)


def room(folder: Path, suffix: str) -> Path:
    """The folder for the sockets: `folder`, or a short one of the same user where its path is too long."""
    longest = folder.resolve() / f"{2**32}-{'f' * 8}{suffix}"
    found = folder.resolve()
    if len(os.fsencode(longest)) > PATH_BYTES:
        digest = hashlib.sha256(os.fsencode(found)).hexdigest()[:16]
        found = Path(tempfile.gettempdir()) / f"watership-{os.getuid()}-{digest}"
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    return found
