"""The proxy as a process: it routes until it is told to stop by SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from watership.adapters.proxy.server import GRACE_SECONDS, EmbeddedProxy
from watership.adapters.structlog.observer import StructlogObserver
from watership.errors import WatershipError


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m watership.adapters.proxy", description=__doc__)
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
    return parser.parse_args(argv)


async def serve(options: argparse.Namespace) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    proxy = EmbeddedProxy(
        options.state,
        listen=options.listen,
        control=options.control,
        observer=StructlogObserver(form="json"),
        grace_seconds=options.grace,
    )
    async with proxy:
        sys.stdout.write(f"listening on {proxy.address}\n")
        sys.stdout.flush()
        await ended.wait()


def main() -> int:
    try:
        uvloop.run(serve(arguments(sys.argv[1:])))
    except (WatershipError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
