"""A router's process: it routes until it is told to stop by SIGTERM, and says where it listens."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import uvloop

from watership.errors import WatershipError

GRACE_SECONDS = 30.0
"""How long a shutdown waits for requests in flight."""


class Listening(Protocol):
    @property
    def address(self) -> str: ...


Front = AbstractAsyncContextManager[Listening]


def main(
    module: str,
    about: str,
    front: Callable[[argparse.Namespace], Front],
    more: Callable[[argparse.ArgumentParser], None] = lambda _: None,
) -> int:
    """Run what `front` makes of the arguments, as `python -m module`; its exit code. `more` adds a router's own."""
    parser = _parser(module, about)
    more(parser)
    options = parser.parse_args()
    try:
        uvloop.run(_serve(front(options)))
    except (WatershipError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser(module: str, about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument(
        "--listen", default="127.0.0.1:3000", help="host:port for clients; port 0 chooses one"
    )
    parser.add_argument("--control", type=Path, required=True, help="path of the control socket")
    parser.add_argument(
        "--state", type=Path, required=True, help="file that keeps weights, epoch and targets"
    )
    parser.add_argument(
        "--grace", type=float, default=GRACE_SECONDS, help="seconds to finish requests at the end"
    )
    return parser


async def _serve(front: Front) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with front as listening:
        sys.stdout.write(f"listening on {listening.address}\n")
        sys.stdout.flush()
        await ended.wait()
