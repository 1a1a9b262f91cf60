"""`python -m tests.journeys.release`: a release through real servers under load, and what it cost."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from tests.journeys.release.figures import broken, last_line, told
from tests.journeys.release.journey import SHORT, WHOLE, travel
from tests.journeys.release.scene import scene


def say(words: str) -> None:
    """A line for people."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.journeys.release", description=__doc__)
    options.add_argument("--short", action="store_true", help="a little of each, on a machine that is busy")
    options.add_argument("--folder", type=Path, default=None, help="where all of it is kept; a short path")
    options.add_argument("--json", type=Path, default=None, metavar="FILE", help="the figures, as a file")
    given = options.parse_args()
    # Told to end, it ends what it has started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = given.folder or Path(tempfile.mkdtemp(prefix="wj-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL's user has to get through
    say(f"everything is in {folder}")
    plan = SHORT if given.short else WHOLE
    with scene(folder) as opened:
        found = asyncio.run(travel(opened, plan, say))
    if given.json is not None:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    faults = broken(found, plan.wanted)
    sys.stdout.write(told(found) + "\n")
    sys.stdout.writelines(f"broken: {words}\n" for words in faults)
    sys.stdout.write(last_line(found) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
