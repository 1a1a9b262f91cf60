"""A migration's script says in its first comment lines of which kind it is, and what it needs.

-- backfill
-- batch 500, pause 50ms
UPDATE guests SET visits = 0 WHERE id IN (SELECT id FROM guests WHERE visits IS NULL LIMIT :batch)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from watership.errors import BadInput
from watership.releases.book.quantity import duration

Kind = Literal["expand", "backfill", "contract"]
"""expand: both builds can live with what comes of it. backfill: rows are filled in, in batches. contract: what the old
build needed goes; done apart from the release, once nothing is left that needs it."""

KINDS: Final[dict[str, Kind]] = {"expand": "expand", "backfill": "backfill", "contract": "contract"}

PAUSES: Final = "pauses writes"
"""The line of a migration that must not meet a write: they are held while it runs."""

OUTSIDE: Final = "outside of a transaction"
"""The line of a script that builds or drops indexes CONCURRENTLY, which PostgreSQL does in no transaction."""

BATCH: Final = 1_000
"""Rows of a batch: what its transaction locks, and others wait for."""

MOST: Final = 50_000

PAUSE: Final = 0.1
"""Seconds between two batches, in which the database has time for others."""

_BATCH: Final = re.compile(r"batch (\d+)(?:, pause (\S+))?")
_PLACE: Final = re.compile(r"(?<!:):batch\b")


class Header(Struct, frozen=True, kw_only=True):
    """What the first lines say. `batch` and `pause` are those of a backfill."""

    kind: Kind = "expand"
    pauses: bool = False
    outside: bool = False
    batch: int = BATCH
    pause: float = PAUSE


def header(script: str, name: str) -> Header:
    """Raises BadInput for lines that contradict each other, or that bound nothing."""
    lines = list(_lines(script))
    kinds = [KINDS[line] for line in lines if line in KINDS]
    if len(set(kinds)) > 1:
        raise BadInput(f"Migration {name} says of itself that it is {' and '.join(kinds)}.", fix="Split it.")
    batch, pause = _batches(lines, name)
    found = Header(
        kind=kinds[0] if kinds else "expand",
        pauses=PAUSES in lines,
        outside=OUTSIDE in lines,
        batch=batch,
        pause=pause,
    )
    if found.kind == "backfill" and (found.pauses or found.outside):
        raise BadInput(
            f"Migration {name} is a backfill, whose batches pause nobody and are transactions.",
            fix="Remove the other lines, or split it.",
        )
    if found.pauses and found.outside:
        raise BadInput(
            f"Migration {name} pauses writes for what PostgreSQL does concurrently.", fix="Remove one."
        )
    return found


def _lines(script: str) -> Iterator[str]:
    """The comment lines before anything else, in small letters."""
    for line in script.splitlines():
        words = " ".join(line.split()).lower()
        if not words:
            continue
        if not words.startswith("--"):
            return
        yield words.removeprefix("--").strip().removesuffix(".")


def _batches(lines: list[str], name: str) -> tuple[int, float]:
    said = [found for line in lines if (found := _BATCH.fullmatch(line))]
    if not said:
        return BATCH, PAUSE
    batch = int(said[0][1])
    if not 0 < batch <= MOST:
        raise BadInput(f"A batch of migration {name} has {batch:,} rows; 1 to {MOST:,} are sound.")
    return batch, duration(said[0][2]) if said[0][2] else PAUSE


def batched(statements: Sequence[str], head: Header, name: str) -> str:
    """The statement of one batch of a backfill. Raises BadInput where nothing bounds it."""
    if len(statements) != 1:
        raise BadInput(
            f"The backfill {name} has {len(statements)} statements.",
            fix="One is repeated until it changes nothing; give the others scripts of their own.",
        )
    found, times = _PLACE.subn(str(head.batch), statements[0])
    if not times:
        raise BadInput(
            f"The backfill {name} bounds its batches by nothing.",
            fix="Let it choose its rows by … LIMIT :batch, and find none once all are filled in.",
        )
    return found
