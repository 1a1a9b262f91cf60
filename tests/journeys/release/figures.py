"""The figures of a journey, and which conditions they break."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from tests.journeys.release.expected import LIVE, NEXT

HALF: Final = 50.0
POINTS: Final = 3.0
LOCK_SECONDS: Final = 1.0
EXPAND: Final = frozenset({"2", "3"})
"""The migrations that the next version brings."""

SIGMAS: Final = 4.0
"""Runs are pinned by a hash of their ids, which is chance: a share of them may be so far from what it is on average."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What a journey has to bear."""

    requests: float = 200.0
    runs: float = 50.0
    long_runs: int = 20


class Figures(Struct, frozen=True, kw_only=True):
    """What was measured. Seconds, per cent, or numbers of what is named."""

    seconds: float
    """From the first request to the last answer."""
    ended: str
    requests: int
    failed: tuple[str, ...]
    requests_a_second: float
    slowest_ten_seconds: float
    """Prices answered a second, in the ten seconds that had the fewest."""
    runs: int
    runs_a_second: float
    lost: tuple[str, ...]
    repeated: tuple[str, ...]
    wrong: tuple[str, ...]
    long_runs: Mapping[str, int]
    """Version → long runs that began before the first shift and ended after the last."""
    split_seconds: float
    split_requests: int
    split: float
    """Next's share of requests at 50/50, by the versions in the answers."""
    split_scraped: float | None
    """The same by Prometheus, which asks both slots."""
    split_runs: int
    split_of_runs: float
    """Next's share of the runs that were submitted at 50/50."""
    expanded: tuple[str, ...]
    """The migrations that are in the register, with the locks that were seen."""
    locks: Mapping[str, float]
    """Migration, mode and table → how long the lock was held; one of less than five milliseconds is not seen."""
    waited: float
    """The longest wait for a lock of the application's table that was seen from beside, while all was going on."""
    lag_seconds: float
    lag_bytes: float
    standby_gone: int
    behind: tuple[str, ...]
    """What the standby lacked in the end, of what the primary has."""
    scraped: tuple[str, ...]
    """The versions whose slot Prometheus scraped."""
    report: tuple[str, ...]
    """The report's files."""
    moments: Mapping[str, float]
    """What the release did → seconds from the first request."""


def broken(found: Figures, wanted: Wanted) -> list[str]:
    """The conditions that do not hold, in words."""
    return [words for holds, words in _conditions(found, wanted) if not holds]


def _conditions(found: Figures, wanted: Wanted) -> Iterator[tuple[bool, str]]:
    yield found.ended == "promoted", f"the release was promoted: {found.ended}"
    yield not found.failed, f"0 failed requests: {len(found.failed):,}, the first {found.failed[:3]}"
    yield not found.lost, f"0 lost runs: {len(found.lost):,}, the first {found.lost[:3]}"
    yield not found.repeated, f"0 repeated runs: {len(found.repeated):,}, the first {found.repeated[:3]}"
    yield not found.wrong, f"every result right: {len(found.wrong):,} are not, the first {found.wrong[:3]}"
    yield (
        found.requests_a_second >= wanted.requests,
        f"{wanted.requests:g} requests/s: {found.requests_a_second:.1f}",
    )
    yield found.runs_a_second >= wanted.runs, f"{wanted.runs:g} agent runs/s: {found.runs_a_second:.1f}"
    stayed = found.long_runs.get(LIVE, 0)
    yield stayed >= wanted.long_runs, f"{wanted.long_runs} long runs over the cutover: {stayed}"
    yield not set(found.long_runs) - {LIVE}, f"long runs end where they began: {dict(found.long_runs)}"
    yield (
        found.split_requests > 0 and abs(found.split - HALF) <= POINTS,
        f"requests at 50/50 within {POINTS:g} points: {found.split:.1f} % of {found.split_requests:,}",
    )
    yield (
        found.split_scraped is not None and abs(found.split_scraped - HALF) <= POINTS,
        f"requests at 50/50 within {POINTS:g} points, by Prometheus: {found.split_scraped}",
    )
    yield (
        found.split_runs > 0 and abs(found.split_of_runs - HALF) <= max(POINTS, _chance(found.split_runs)),
        f"runs at 50/50: {found.split_of_runs:.1f} % of {found.split_runs:,}",
    )
    yield set(found.expanded) >= EXPAND, f"the expand migrations are in the register: {list(found.expanded)}"
    held = max(found.locks.values(), default=0.0)
    yield (
        max(held, found.waited) < LOCK_SECONDS,
        f"no lock > 1 s: {held:.3f} s held, {found.waited:.3f} s waited",
    )
    yield (
        not found.behind and not found.standby_gone,
        f"the standby follows: lacks {list(found.behind)}, gone at {found.standby_gone} looks",
    )
    yield set(found.scraped) >= {LIVE, NEXT}, f"Prometheus scrapes both slots: {list(found.scraped)}"
    yield len(found.report) == 2, f"the report is written as HTML and JSON: {list(found.report)}"


def _chance(number: int) -> float:
    """How far a share of so many may be from one half, in points."""
    return SIGMAS * HALF / math.sqrt(number)


def told(found: Figures) -> str:
    """A table for people."""
    rows = [
        ("release", found.ended),
        (
            "requests",
            f"{found.requests:,}, {found.requests_a_second:.1f}/s, in the slowest ten seconds "
            f"{found.slowest_ten_seconds:.1f} prices/s",
        ),
        ("agent runs", f"{found.runs:,}, {found.runs_a_second:.1f}/s"),
        (
            "long runs over the cutover",
            ", ".join(f"{n} on {v}" for v, n in found.long_runs.items()) or "none",
        ),
        (
            "requests at 50/50",
            f"{found.split:.2f} % to next, of {found.split_requests:,} in {found.split_seconds:.0f} s"
            f"; {_share(found.split_scraped)} by Prometheus",
        ),
        ("runs at 50/50", f"{found.split_of_runs:.2f} % to next, of {found.split_runs:,}"),
        (
            "locks of the migration",
            "; ".join(f"{name} {1000 * s:.0f} ms" for name, s in found.locks.items())
            or "none of 5 ms or more",
        ),
        ("longest wait for a lock", f"{1000 * found.waited:.0f} ms"),
        ("lag of the standby, at most", f"{1000 * found.lag_seconds:.0f} ms, {found.lag_bytes:,.0f} bytes"),
        ("scraped by Prometheus", ", ".join(found.scraped)),
        ("report", ", ".join(found.report)),
        ("moments", "; ".join(f"{name} {s:.1f} s" for name, s in found.moments.items())),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {words}" for name, words in rows)


def _share(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.2f} %"


def last_line(found: Figures) -> str:
    """What was lost, and how long it took."""
    return (
        f"{len(found.failed):,} of {found.requests:,} requests failed, "
        f"{len(found.lost):,} of {found.runs:,} runs lost, {len(found.repeated):,} repeated; {found.seconds:.0f} s"
    )
