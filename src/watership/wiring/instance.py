"""One instance of a deployment, as the host agent starts it: `python -m watership.wiring.instance serve|worker …`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from msgspec.structs import replace

from watership.adapters.address import host_and_port
from watership.adapters.files.builds import read_build_file
from watership.config import Config, checked, load
from watership.errors import WatershipError
from watership.wiring import roles
from watership.wiring.application import load_app
from watership.wiring.process import run


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m watership.wiring.instance", description=__doc__)
    parser.add_argument("role", choices=["serve", "worker"])
    parser.add_argument("--source", type=Path, required=True, help="the build's folder")
    parser.add_argument("--deployment", required=True)
    parser.add_argument("--slot", choices=["blue", "green"], required=True)
    parser.add_argument("--slots", type=int, required=True, help="runs that a worker executes at a time")
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="where serve answers, and a worker its probes; default: any free port, and a worker nowhere",
    )
    return parser.parse_args(argv)


def settled(config: Config, role: str, slots: int, listen: str | None) -> Config:
    """The settings of one instance. Raises BadConfig for a public address without tokens."""
    worker, http = replace(config.worker, slots=slots), config.http
    if listen is None:
        # Any free port: the router learns the address from the presence.
        http = replace(http, port=0)
    elif role == "serve":
        host, port = host_and_port(listen)
        http = replace(http, host=host, port=port)
    else:
        worker = replace(worker, http=listen)
    return checked(replace(config, http=http, worker=worker))


def main() -> int:
    options = arguments(sys.argv[1:])
    try:
        config = settled(load(Path.cwd(), os.environ), options.role, options.slots, options.listen)
        stated = read_build_file(options.source)
        app = load_app(stated.app, options.source)
        place = roles.place_of(app, options.source, options.deployment, options.slot)
        role = roles.serve if options.role == "serve" else roles.work
        run(role(config, app, place))
    except WatershipError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
