"""One instance of a deployment, as the host agent starts it: `python -m watership.wiring.instance serve|worker …`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import msgspec

from watership.adapters.files.builds import read_build_file
from watership.config import load
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
    return parser.parse_args(argv)


def main() -> int:
    options = arguments(sys.argv[1:])
    try:
        config = load(Path.cwd(), os.environ)
        # Any free port: the router learns the address from the presence.
        config = msgspec.structs.replace(
            config,
            http=msgspec.structs.replace(config.http, port=0),
            worker=msgspec.structs.replace(config.worker, slots=options.slots),
        )
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
