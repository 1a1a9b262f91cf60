"""A program of a machine is a few lines of shell there that ask the test, which keeps every call."""

from __future__ import annotations

import argparse
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from watership.testing.servers.ports import LOOPBACK

CLIENT: Final = """\
#!/bin/bash
exec 3<>/dev/tcp/{host}/{port}
printf '%s\\0' $(($# + 2)) "$SSH_CONNECTION" "${{0##*/}}" "$@" >&3
while IFS= read -r line <&3; do
    case $line in
        o*) printf '%s\\n' "${{line:1}}" ;;
        e*) printf '%s\\n' "${{line:1}}" >&2 ;;
        x*) exit "${{line:1}}" ;;
    esac
done
exit 1
"""


@dataclass(frozen=True)
class Ended:
    output: str = ""
    errors: str = ""
    code: int = 0


class Wrong(Exception):
    """Words that the real program would not take."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Wrong(f"{self.prog}: {message}")


class Program(Protocol):
    """What a program does on one machine."""

    def run(self, words: list[str], /) -> Ended: ...


class Switchboard:
    """Answers the programs of all machines. `find` gives the program of a machine by its name.

    `calls` are all that came, by machine. `faults`: words of a call, by machine, and what then happens in its place:
    it fails with other words, or is done when an event is set.
    """

    def __init__(self, find: Callable[[str, str], Program]) -> None:
        self._find = find
        self.calls: dict[str, list[list[str]]] = {}
        self.faults: dict[tuple[str, str], str | threading.Event] = {}
        self._lock = threading.Lock()
        self._server = socketserver.ThreadingTCPServer((LOOPBACK, 0), _asked(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def client(self) -> str:
        """The program to install on the machines, under any name."""
        return CLIENT.format(host=LOOPBACK, port=self._server.server_address[1])

    def answer(self, connection: str, name: str, words: list[str]) -> Ended:
        machine = connection.split()[2]
        with self._lock:
            self.calls.setdefault(machine, []).append([name, *words])
            fault = self._fault(machine, " ".join([name, *words]), self.faults)
        match fault:
            case str():
                return Ended(errors=fault, code=1)
            case threading.Event():
                fault.wait()
            case None:
                pass
        with self._lock:
            try:
                return self._find(machine, name).run(words)
            except Wrong as wrong:
                return Ended(errors=str(wrong), code=16)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @staticmethod
    def _fault(
        machine: str, call: str, faults: Mapping[tuple[str, str], str | threading.Event]
    ) -> str | threading.Event | None:
        return next((fault for (on, words), fault in faults.items() if on == machine and words in call), None)


def _asked(board: Switchboard) -> type[socketserver.StreamRequestHandler]:
    class Asked(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            count = int(self._word())
            connection, name, *words = [self._word() for _ in range(count)]
            ended = board.answer(connection, name, words)
            lines = [f"o{line}" for line in ended.output.splitlines()]
            lines += [f"e{line}" for line in ended.errors.splitlines()]
            self.wfile.write("".join(f"{line}\n" for line in [*lines, f"x{ended.code}"]).encode())

        def _word(self) -> str:
            word = bytearray()
            while (byte := self.rfile.read(1)) not in (b"\0", b""):
                word += byte
            return word.decode()

    return Asked
