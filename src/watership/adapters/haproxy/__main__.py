"""HAProxy with its agent as a process. HAProxy's own files lie in the folder `haproxy` beside the state."""

from __future__ import annotations

import argparse
import socket
import sys

from watership.adapters.haproxy.front import HaproxyFront
from watership.adapters.haproxy.program import HaproxyProgram
from watership.adapters.helm.process import main
from watership.adapters.structlog.observer import StructlogObserver


def front(options: argparse.Namespace) -> HaproxyFront:
    program = HaproxyProgram(
        options.state.parent / "haproxy", listen=_listen(options.listen), grace_seconds=int(options.grace)
    )
    return HaproxyFront(
        program, state=options.state, control=options.control, observer=StructlogObserver(form="json")
    )


def _listen(listen: str) -> str:
    """host:port, with a free port in place of 0: HAProxy must listen on the same one after each start."""
    host, _, port = listen.rpartition(":")
    if port != "0":
        return listen
    with socket.create_server((host.strip("[]"), 0)) as held:
        return f"{host}:{held.getsockname()[1]}"


if __name__ == "__main__":
    sys.exit(main("watership.adapters.haproxy", str(__doc__), front))
