"""The controller process of a rehearsal: it begins its release or goes on with it, and may be killed at a point."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from msgspec.structs import replace

from watership.config import load
from watership.durable.ids import RunId
from watership.durable.states import TERMINAL
from watership.rehearsal.points import Points, WatchedGlass
from watership.wiring.controller import open_desk

STARTER = "the rehearsal"

LINGER_SECONDS = 5.0
"""What next's runs get in a rollback: those of a rehearsal are short."""


async def direct(folder: Path, release: str, points: Points) -> None:
    """See the release through, from wherever its journal says it is."""
    async with open_desk(load(folder, {}), WatchedGlass(points)) as desk:
        run = await desk.store.get(RunId(release))
        if run is None:
            brief = await desk.brief(release, starter=STARTER)
            await desk.controller.start(replace(brief, linger=LINGER_SECONDS))
        elif run.state not in TERMINAL:
            await desk.controller.resume()


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("folder", type=Path)
    words.add_argument("release")
    words.add_argument("--dies", default="")
    words.add_argument("--stands", default="")
    words.add_argument("--notes", type=Path)
    given = words.parse_args()
    points = Points(given.dies, given.notes, stands=given.stands)
    asyncio.run(direct(given.folder, given.release, points))


if __name__ == "__main__":
    main()
