"""A process of its own: `ring FOLDER TOPIC` rings once; `hold FOLDER WORKER` holds a session until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from watership.adapters.files.bell import FilesBell
from watership.adapters.files.witness import FileWitness
from watership.durable.ids import WorkerId


async def ring(folder: Path, topic: str) -> None:
    bell = FilesBell(folder)
    bell.ring([topic])
    bell.close()


def hold(folder: Path, worker: str) -> None:
    asyncio.run(FileWitness(folder).hold(WorkerId(worker)))
    sys.stdout.write("held\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    kind, place, name = sys.argv[1:]
    if kind == "ring":
        asyncio.run(ring(Path(place), name))
    else:
        hold(Path(place), name)
