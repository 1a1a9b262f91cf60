"""Measure Watership and its peers on the same servers, print the table, and say which goals were missed."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time

import msgspec

from benchmarks.peers import grounds
from benchmarks.peers.cases import FULL, QUICK
from benchmarks.peers.goals import GOALS, fatal, missed, values
from benchmarks.peers.peer import TITLES
from benchmarks.peers.table import render
from benchmarks.peers.turns import Turns


def main() -> int:
    """0: what is required was reached; 1: it was not, or could not be measured."""
    options = _options()
    plan, began = QUICK if options.quick else FULL, time.monotonic()
    # As an interrupt does: the servers and workers that were started end with us.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with grounds.opened() as opened:
        turns = Turns(opened, plan, options.only, began + plan.seconds)
        turns.run()
        conditions = opened.conditions()
        turns.crash()
        found = values(turns.figures)
    here = machine()
    print(render(turns.figures, found, conditions, here))
    print(f"\nTook {time.monotonic() - began:.0f} s.")
    if options.json:
        summary = {
            "goals": [
                {"name": goal.name, "want": goal.want, "at_most": goal.at_most, "value": found.get(goal.name)}
                for goal in GOALS
            ],
            "goals_missed": missed(found),
            "required_missed": fatal(found),
            "conditions": conditions,
            "machine": here,
            "figures": turns.figures,
        }
        print(msgspec.json.encode(summary).decode())
    return 1 if fatal(found) or not conditions.durable else 0


def machine() -> str:
    """What all of them ran on."""
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}; load and servers on the same machine."
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    parser.add_argument("--json", action="store_true", help="also print one object, as the last line")
    parser.add_argument("--quick", action="store_true", help="less of everything, in two minutes")
    parser.add_argument(
        "--only", type=_peers, default=tuple(TITLES), metavar="NAME,…", help=", ".join(TITLES)
    )
    return parser.parse_args()


def _peers(names: str) -> tuple[str, ...]:
    chosen = tuple(name.strip() for name in names.split(","))
    if unknown := [name for name in chosen if name not in TITLES]:
        raise argparse.ArgumentTypeError(f"there is no peer {unknown[0]!r}; peers: {', '.join(TITLES)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
