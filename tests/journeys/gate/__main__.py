"""The gate against its oracle: false alarms within the printed bound, delays at or below the printed ones.

python -m tests.journeys.gate [--part 0.01] [--processes 2]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.journeys.gate.campaign import (
    NUMBER,
    SOAK_RATES,
    SOAKS,
    WATCHES,
    Delays,
    Refused,
    all_cells,
    delays,
    soaks,
    watches,
)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def of_refused(each: Refused) -> str:
    verdict = "holds" if each.holds else "BROKEN"
    return (
        f"| {each.name} | {each.of:,} | {100 * each.bound:g} % | {each.refused} | "
        f"{each.p_value:.3g} | {verdict} |"
    )


def of_delays(each: Delays) -> str:
    cell, reckoned = each.cell, "never" if each.reckoned is None else f"{each.reckoned:g}"
    verdict = "holds" if each.holds else "BROKEN"
    return (
        f"| {cell.name} | {cell.per_second:g} | {100 * cell.bad:g} % | {cell.runs:,} | {each.median:g} | "
        f"{each.within:g} | {reckoned} | {cell.printed:g} | {verdict} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.journeys.gate", description=__doc__)
    parser.add_argument("--part", type=float, default=1.0, help="of the whole campaign")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--bound", help="for make nightly; this campaign ends by itself")
    options = parser.parse_args()
    began, broken = time.monotonic(), 0
    with ProcessPoolExecutor(options.processes) as pool:
        say("| healthy | of | bound | refused | p | |\n|---|---|---|---|---|---|")
        for watched in WATCHES:
            for found in watches(pool, watched, max(round(options.part * NUMBER), 5)):
                broken += not found.holds
                say(of_refused(found))
        for rate in SOAK_RATES:
            found = soaks(pool, rate, max(round(options.part * SOAKS), 20))
            broken += not found.holds
            say(of_refused(found))
        say(
            "\n| arm | req/s | next fails | runs | median s | p95 s | we print | research | |\n"
            "|---|---|---|---|---|---|---|---|---|"
        )
        for cell in all_cells(options.part):
            met = delays(pool, cell, cell.runs)
            broken += not met.holds
            say(of_delays(met))
    say(f"\n{broken} of them broken, after {time.monotonic() - began:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
