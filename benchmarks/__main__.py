"""Measure every peer, in turns, each in a process and a fresh folder of its own, and print the table."""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.cases import PEER_SECONDS, PEERS, REPETITIONS
from benchmarks.figures import Measured
from benchmarks.table import Repetitions, render, summary
from watership.adapters.sqlite.schema import filesystem

FOLDER = Path(".watership/benchmarks")
"""On the disk that a store of this folder would be on: what lies in memory is quick, and durable against nothing."""


class PeerFailed(Exception):
    """A peer did not come to its end; there is no figure instead of its figures."""


def measure(peer: str) -> Measured:
    """One repetition of one peer."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{peer}-", dir=FOLDER) as folder:
        case = msgspec.json.encode(PEERS[peer]).decode()
        command = [sys.executable, "-m", "benchmarks.peer", peer, folder, case]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PEER_SECONDS, check=False)
    if ended.returncode != 0:
        raise PeerFailed(f"{peer} ended with {ended.returncode}:\n{ended.stderr[-4000:]}")
    return msgspec.json.decode(ended.stdout.splitlines()[-1], type=Measured)


def measure_all(peers: list[str], repetitions: int) -> Repetitions:
    """Every peer once, then every peer again: what disturbs the machine for a while meets them all."""
    measured: Repetitions = {peer: [] for peer in peers}
    for repetition in range(1, repetitions + 1):
        for peer in peers:
            print(f"repetition {repetition} of {repetitions}: {peer}", file=sys.stderr, flush=True)
            measured[peer].append(measure(peer))
    return measured


def machine() -> str:
    """What all of them ran on."""
    mounts = Path("/proc/self/mountinfo")
    disk = filesystem(FOLDER.resolve(), mounts.read_text(encoding="utf-8")) if mounts.exists() else ""
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"files on {disk or 'an unknown filesystem'}."
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help=f"of each peer ({REPETITIONS})")
    parser.add_argument(
        "--peer", action="append", choices=tuple(PEERS), help="only this one; may be repeated"
    )
    options = parser.parse_args()
    if options.repetitions < 1:
        parser.error("--repetitions must be at least 1")
    began = time.perf_counter()
    measured = measure_all(options.peer or list(PEERS), options.repetitions)
    here = machine()
    print(render(measured, here))
    print(f"\nTook {time.perf_counter() - began:.0f} s.")
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(summary(measured, here)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
