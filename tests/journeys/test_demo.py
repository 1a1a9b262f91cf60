"""The demo itself, as short as it can be: real processes, a real release, and a broken one taken back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SECONDS = 10
"""Of traffic, at least: it lasts until both releases have ended, about half a minute."""

FIGURES = {
    "requests_total",
    "requests_on_next_before_promotion",
    "requests_failed",
    "split_observed",
    "runs_accepted",
    "runs_lost",
    "steps_repeated",
    "promoted",
    "cutover_seconds",
    "runs_in_flight_at_cutover",
    "broken_release",
    "audit_verified",
    "report",
    "kills",
    "seed",
    "seconds",
    "versions",
}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path, since there will be sockets in it."""
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        (Path(folder) / "t").mkdir()
        yield Path(folder)


async def demo(folder: Path, *words: str) -> asyncio.subprocess.Process:
    # The state folder is under the test's own, so that what is left behind is found.
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "watership", "demo", *words),
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder / "t")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def left_behind(folder: Path) -> list[str]:
    """Processes that were told of the folder and still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


async def test_a_short_demo_keeps_its_promises_and_leaves_nothing_behind(place: Path) -> None:
    process = await demo(place, "--seconds", str(SECONDS), "--json")
    out, told = await process.communicate()

    words = told.decode()
    assert process.returncode == 0, words + out.decode()
    figures = json.loads(out.decode().splitlines()[-1])
    assert figures.keys() >= FIGURES
    assert figures["promises_broken"] == []
    assert figures["promoted"] == "2.1.0"
    assert figures["broken_release"]["outcome"] == "rolled_back"
    assert figures["requests_failed"] == figures["runs_lost"] == figures["steps_repeated"] == 0
    assert set(figures["runs_by_version"]) == {"2.0.5", "2.1.0", "2.2.0"}
    assert Path(figures["report"]).read_text(encoding="utf-8").startswith("<!")
    assert not list((place / "t").iterdir())
    assert left_behind(place) == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only /proc tells here which processes are left")
async def test_an_interrupted_demo_ends_every_process(place: Path) -> None:
    process = await demo(place, "--seconds", str(SECONDS))
    assert process.stderr is not None
    async for line in process.stderr:
        if b"phase 0" in line:
            break
    assert len(left_behind(place)) > 3
    process.send_signal(signal.SIGINT)
    await process.communicate()

    assert process.returncode == 130
    assert left_behind(place) == []
    assert not list((place / "t").iterdir())
