"""Broken releases of four kinds and healthy ones, on real processes, judged by the gate alone.

python -m tests.journeys.broken [--each 5] [--healthy 20] [--rollbacks 200] [--kind errors]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.journeys.broken.builds import KINDS, Kind
from tests.journeys.broken.campaign import RATES, WORST_ROLLBACK, Released, campaign, of_kind, p99


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def conduct(options: argparse.Namespace, folder: Path) -> int:
    began = time.monotonic()
    kinds: list[Kind] = list(options.kind or KINDS)
    order: list[Kind] = [kind for _ in range(options.each) for kind in kinds]
    # Healthy ones come in between: each broken release meets another live.
    every = max(len(order) // max(options.healthy, 1), 1)
    found: list[Released] = []
    rollbacks: list[float] = []
    async with campaign(folder, say) as there:
        healthy = 0

        async def one(kind: Kind, number: int) -> None:
            found.append(await there.release(kind, RATES[number % len(RATES)]))

        for number, kind in enumerate(order):
            await one(kind, number // len(kinds))
            if healthy < options.healthy and number % every == every - 1:
                await one("healthy", healthy)
                healthy += 1
        while healthy < options.healthy:
            await one("healthy", healthy)
            healthy += 1
        if options.rollbacks and healthy:
            rollbacks = await there.rollbacks(options.rollbacks)
    say("\n| kind | as meant, by the gate | s to the verdict | failed before it | rollback s | seed's rule |")
    say("|---|---|---|---|---|---|")
    shown: list[Kind] = [*kinds, "healthy"] if options.healthy else kinds
    for each in shown:
        say(of_kind(each, found))
    wrong = [each for each in found if not (each.as_meant and each.by_the_gate)]
    late = bool(rollbacks) and p99(rollbacks) > WORST_ROLLBACK
    if rollbacks:
        middle = sorted(rollbacks)[len(rollbacks) // 2]
        say(
            f"\n{len(rollbacks)} mechanical rollbacks: median {middle:.3f} s, p99 {p99(rollbacks):.3f} s, "
            f"worst {max(rollbacks):.3f} s"
        )
    say(f"{len(wrong)} of {len(found)} not as meant, after {time.monotonic() - began:.0f} s")
    return 1 if wrong or late else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.journeys.broken", description=__doc__)
    parser.add_argument("--each", type=int, default=5, help="broken releases of each kind")
    parser.add_argument("--healthy", type=int, default=20)
    parser.add_argument("--rollbacks", type=int, default=200)
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--bound", help="for make nightly; this campaign ends by itself")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="watership-broken-") as folder:
        return asyncio.run(conduct(options, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
