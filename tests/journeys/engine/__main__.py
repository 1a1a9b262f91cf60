"""`python -m tests.journeys.engine`: the engine's campaign, as long as you like."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom

import msgspec

from tests.journeys.engine.campaign import Campaign, Plan
from tests.journeys.engine.scene import embedded, with_servers
from tests.journeys.engine.summary import told

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
RUNS = 250_000
"""Of a campaign without a bound; BOUNDED is what one of an hour must reach, and in proportion."""

BOUNDED_A_SECOND = 50_000 / 3600
RATE = 25.0
"""Messages a second: some faults stop everything for seconds, so that it needs room above what must be reached."""


def seconds(words: str) -> float:
    """A length of time: 90s, 15m, 1h."""
    return float(words[:-1]) * UNITS[words[-1]]


def say(words: str) -> None:
    """A line for people."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.journeys.engine", description=__doc__)
    options.add_argument("--seed", type=int, default=None)
    options.add_argument("--runs", type=int, default=None)
    options.add_argument("--rate", type=float, default=RATE)
    options.add_argument(
        "--bound", type=seconds, default=None, metavar="1h", help="how long to send messages"
    )
    options.add_argument("--embedded", action="store_true", help="on SQLite: the processes alone are hurt")
    options.add_argument("--folder", type=Path, default=None, help="where the history is kept")
    given = options.parse_args()
    runs = given.runs or (RUNS if given.bound is None else int(given.bound * BOUNDED_A_SECOND))
    plan = Plan(
        seed=SystemRandom().randrange(10**9) if given.seed is None else given.seed,
        runs=runs,
        rate=given.rate,
        bound=given.bound,
    )
    folder = given.folder or Path(tempfile.mkdtemp(prefix="watership-campaign-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL's user has to get through
    say(f"seed {plan.seed}, history in {folder}")
    with ExitStack() as stack:
        stage, servers, ports = (embedded if given.embedded else with_servers)(stack, folder, plan)
        campaign = Campaign(
            plan=plan,
            stage=stage,
            servers=servers,
            ports=ports,
            tell=say,
        )
        summary = asyncio.run(campaign.run())
    say(told(summary))
    sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
    return 1 if summary.broken else 0


if __name__ == "__main__":
    sys.exit(main())
