"""A baseline is how live fared before the release, figure by figure; what came after is compared with it.

A figure that could not be had is None, and its reason is kept: it is never a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, structs

from watership.errors import BadInput
from watership.releases.book.quantity import Duration, Parameter, Share
from watership.releases.readiness.checklist import CheckName
from watership.releases.verdict import Verdict, worst

SCHEMA: Final = "watership/baseline/v1"

PATH: Final = "evidence/baseline.json"
"""Where `watership baseline capture` puts it, and checks and fuses look for it."""

DAY: Final = 86_400.0
"""Seconds after which a baseline tells of another day."""


class Figures(Struct, frozen=True, kw_only=True):
    """Seconds, bytes, bytes per second, parts of 1, and plain counts."""

    requests_per_second: float | None = None
    error_rate: float | None = None
    p50: float | None = None
    p95: float | None = None
    connections: float | None = None
    cache_hit_rate: float | None = None
    query_time: float | None = None
    queue_depth: float | None = None
    wal_position: float | None = None
    cpu: float | None = None
    memory: float | None = None
    disk_io: float | None = None
    network: float | None = None

    def get(self, name: str) -> float | None:
        """One figure by name. Raises BadInput for what is none."""
        if name not in NAMES:
            raise BadInput(f"There is no figure {name!r}.", fix=f"It is one of: {', '.join(NAMES)}.")
        value = getattr(self, name)
        assert value is None or isinstance(value, float)
        return value


NAMES: Final = tuple(each.name for each in structs.fields(Figures))


class Baseline(Struct, frozen=True, kw_only=True):
    """The figures of one build at one time. `unknown`: why a figure is None."""

    schema: Literal["watership/baseline/v1"] = SCHEMA
    environment: str
    version: str
    digest: str
    deployment: str
    captured_at: datetime
    by: str
    figures: Figures
    unknown: dict[str, str] = {}


def encoded(baseline: Baseline) -> bytes:
    """A baseline as it is written."""
    return msgspec.json.format(msgspec.json.encode(baseline), indent=2) + b"\n"


class Asked(Struct, frozen=True, kw_only=True):
    """Where a figure comes from: a kind of check that tells a `value`, with its parameters."""

    check: CheckName
    parameters: dict[str, Parameter] = {}
    timeout: Duration = 30.0


class Worse(Struct, frozen=True, kw_only=True):
    """How much worse a figure may be than the baseline: `by` a part of it, and `besides` that amount."""

    by: Share = 0.0
    besides: Annotated[float, Meta(ge=0, extra={"text": "parameter"})] = 0.0


class Sources(Struct, frozen=True, kw_only=True):
    """The file `baseline.yaml`: where figures come from, and which of them are judged by how much."""

    schema: Literal["watership/baseline/v1"]
    figures: dict[str, Asked]
    limits: dict[str, Worse] = {}


LESS_IS_WORSE: Final = frozenset({"cache_hit_rate", "requests_per_second"})

GROWS: Final = frozenset({"wal_position"})
"""What only ever grows is on record, and not compared."""


class Change(StrEnum):
    KEPT = "kept"
    WORSE = "worse"
    UNKNOWN = "unknown"
    RECORDED = "recorded"
    """Nobody set a limit for it."""


_VERDICTS = {
    Change.KEPT: Verdict.PASSED,
    Change.WORSE: Verdict.FAILED,
    Change.UNKNOWN: Verdict.INCONCLUSIVE,
}


class Compared(Struct, frozen=True, kw_only=True):
    """One figure, then and now. `limit`: where it would be worse."""

    name: str
    before: float | None
    now: float | None
    limit: float | None
    change: Change


def require_figures(sources: Sources) -> None:
    """Every figure and limit is one that there is. Raises BadInput."""
    strange = sorted((sources.figures.keys() | sources.limits.keys()) - set(NAMES))
    if strange:
        raise BadInput(f"There is no figure '{strange[0]}'.", fix=f"It is one of: {', '.join(NAMES)}.")
    if not sources.figures:
        raise BadInput("No figure is named.", fix=f"Name some of: {', '.join(NAMES)}.")
    if lacking := sorted(sources.limits.keys() - sources.figures.keys()):
        raise BadInput(f"'{lacking[0]}' has a limit, and nothing says where it comes from.")


def compared(baseline: Figures, now: Figures, limits: Mapping[str, Worse]) -> tuple[Compared, ...]:
    """Each figure against what it was. One with a limit that is not known, then or now, is not kept but unknown."""
    return tuple(_compared(name, baseline.get(name), now.get(name), limits.get(name)) for name in NAMES)


def _compared(name: str, before: float | None, now: float | None, worse: Worse | None) -> Compared:
    limit = None if worse is None or before is None or name in GROWS else bound(name, before, worse)
    if worse is None or name in GROWS:
        change = Change.RECORDED
    elif limit is None or now is None:
        change = Change.UNKNOWN
    elif now < limit if name in LESS_IS_WORSE else now > limit:
        change = Change.WORSE
    else:
        change = Change.KEPT
    return Compared(name=name, before=before, now=now, limit=limit, change=change)


def overall(changes: Iterable[Compared]) -> Verdict:
    """Of all that have a limit: failed where one is worse, before unknown before passed. No limit at all is unknown."""
    return worst(_VERDICTS[each.change] for each in changes if each.change in _VERDICTS)


def bound(name: str, before: float, worse: Worse) -> float:
    """The last value that is still good enough."""
    room = before * worse.by + worse.besides
    return before - room if name in LESS_IS_WORSE else before + room
