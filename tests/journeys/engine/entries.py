"""The effect oracle: a file to which every step's body adds a line as the first thing that it does.

One write to a file opened for appending is whole and ordered, whoever is killed before or after it, so no process has
to live for the record to be true. A line says under which epoch the body was entered, and when its worker had last
looked at its lease: enough to tell a repeated step from the one case that no lease can close (DESIGN, P2).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from watership.durable.branch import current_step, here
from watership.durable.clock import SystemClock

T = TypeVar("T")

VARIABLE = "CAMPAIGN_FOLDER"
"""The environment variable that names the campaign's folder."""

FILE = "entered.jsonl"
ACTED = "acted.jsonl"
EFFECTS = "effects"

LOOKED_NEVER = 0.0


class Entered(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The body of step `key` of `run` was entered by `pid` under `epoch`. Times are the machine's, in seconds."""

    run: str
    key: str
    epoch: int
    pid: int
    at: float
    looked_at: float


class Acted(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The effect of step `key` of `run` was to be had, by `pid` under `epoch`; whether it was had: once it is."""

    run: str
    key: str
    epoch: int
    pid: int
    at: float
    had: bool


def entered() -> None:
    """Write down that the present step's body was entered. Nothing may be done before it."""
    at, since_boot = time.time(), SystemClock().monotonic()
    execution, key = here("entered").execution, current_step.get()
    assert key is not None
    looked_at = execution.admission.lease.looked_at
    entry = Entered(
        run=execution.run_id,
        key=key,
        epoch=execution.run_row.epoch,
        pid=os.getpid(),
        at=at,
        looked_at=LOOKED_NEVER if looked_at is None else at - (since_boot - looked_at),
    )
    _write(FILE, entry)


def act(idempotency_key: str) -> None:
    """An effect, as a tool has it that checks the key: done once; a second time is refused. Both are written down."""
    try:
        os.close(os.open(_effect(idempotency_key), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        had = True
    except FileExistsError:
        had = False
    execution, key = here("act").execution, current_step.get()
    assert key is not None
    epoch = execution.run_row.epoch
    _write(
        ACTED,
        Acted(run=execution.run_id, key=key, epoch=epoch, pid=os.getpid(), at=time.time(), had=had),
    )


def acted(idempotency_key: str) -> bool:
    """Whether the effect was had: what a `check=` asks the outside."""
    return _effect(idempotency_key).exists()


def read_entries(folder: Path) -> Iterator[Entered]:
    """What the bodies wrote down, in the order in which they did."""
    yield from _read(folder / FILE, Entered)


def read_acts(folder: Path) -> Iterator[Acted]:
    """What they did to the world outside, in the order in which they wrote it down."""
    yield from _read(folder / ACTED, Acted)


@cache
def _folder() -> Path:
    return Path(os.environ[VARIABLE])


@cache
def _record(file: str) -> int:
    return os.open(_folder() / file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)


def _write(file: str, record: msgspec.Struct) -> None:
    line = msgspec.json.encode(record) + b"\n"
    if os.write(_record(file), line) != len(line):
        raise OSError("the oracle's file took a part of a line")


def _read(file: Path, kind: type[T]) -> Iterator[T]:
    if not file.exists():
        return
    decoder = msgspec.json.Decoder(kind)
    with file.open("rb") as lines:
        for line in lines:
            yield decoder.decode(line)


def _effect(idempotency_key: str) -> Path:
    run, _, key = idempotency_key.partition(":")
    # 256 folders: a campaign by night has tens of thousands of effects.
    folder = _folder() / EFFECTS / run[-2:]
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{run}-{key.replace('/', '-')}"
