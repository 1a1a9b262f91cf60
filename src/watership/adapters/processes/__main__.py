"""The host agent as a process: it keeps processes running until it is told to leave them by SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from watership.adapters.processes.agent import HostAgent
from watership.adapters.processes.command import from_template
from watership.errors import BadInput, WatershipError


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m watership.adapters.processes", description=__doc__)
    parser.add_argument("--control", type=Path, required=True, help="path of the control socket")
    parser.add_argument(
        "--state", type=Path, required=True, help="folder of wishes, locks, presences and logs"
    )
    parser.add_argument(
        "--command",
        type=template,
        required=True,
        help="JSON list of arguments, with {deployment} {role} {index} {slot} {slots} {source} {version} {digest}",
    )
    return parser.parse_args(argv)


def template(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError as error:
        raise argparse.ArgumentTypeError(f"not a JSON list of texts: {error}") from error


async def serve(options: argparse.Namespace) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with HostAgent(options.state, from_template(options.command), control=options.control):
        sys.stdout.write(f"keeping processes of {options.state}\n")
        sys.stdout.flush()
        await ended.wait()


def main() -> int:
    options = arguments(sys.argv[1:])
    try:
        uvloop.run(serve(options))
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (WatershipError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
