"""A fuse blows on a plain threshold that operators know, beside the gate and never instead of it.

A fuse needs its whole window: a second that is missing, or too few requests, is unknown, and unknown neither
blows a fuse nor shows it intact.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Final, Literal, assert_never

from msgspec import Meta, Struct

from watership.errors import BadInput
from watership.releases.book.quantity import Duration, Number, Share, percent, spoken

# Below 50 requests one error is more than 2 %: a rate says nothing.
MIN_SAMPLES = 50


class Action(enum.Enum):
    """What a blown fuse calls for; the first is the most urgent."""

    ROLL_BACK = "roll_back"
    FREEZE = "freeze"
    PAGE = "page"
    INVESTIGATE = "investigate"


Resort = Literal["roll_back", "page", "investigate"]
Happening = Literal[
    "out_of_memory",
    "data_corruption",
    "security_breach",
    "unhandled_in_critical_path",
    "feature_failure",
    "warning_alert",
]
Gauge = Literal[
    "latency_p95",
    "cpu",
    "memory",
    "disk",
    "replication_lag",
    "queue_depth",
    "tokens_per_run",
    "cost_per_run",
    "run_failure_rate",
]
Trend = Literal["cache_hit_rate", "query_time"]
Dependency = Literal["database", "rabbitmq"]

TIMES: Final = frozenset({"latency_p95", "replication_lag"})
"""Gauges in seconds."""

NUMBERS: Final = frozenset({"queue_depth", "tokens_per_run", "cost_per_run"})
"""Gauges that are plain numbers; all others are shares."""


class Reading(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one slot showed in one second. None is unknown; shares are parts of 1, times are seconds."""

    requests: int | None = None
    errors: int | None = None
    latency_p95: float | None = None
    cpu: float | None = None
    memory: float | None = None
    disk: float | None = None
    replication_lag: float | None = None
    queue_depth: float | None = None
    tokens_per_run: float | None = None
    cost_per_run: float | None = None
    run_failure_rate: float | None = None
    cache_hit_rate: float | None = None
    query_time: float | None = None
    database: bool | None = None
    rabbitmq: bool | None = None
    happened: dict[Happening, bool] = {}
    """What was looked for, and whether it is so; for what is not there nobody looked."""


class Second(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Both slots in the second `at` (whole seconds of any clock that does not jump), or in the `span` seconds of
    which it is the last: who counts more coarsely tells them together."""

    at: int
    live: Reading = Reading()
    next: Reading = Reading()
    span: int = 1


Usual = Mapping[Trend, float]
"""What live showed before the release."""


Window = Annotated[float, Meta(ge=1, le=3600, extra={"text": "duration"})]
"""Whole seconds that must all be known; an hour of both slots is what a controller keeps."""


class Criterion(Struct, frozen=True, kw_only=True):
    """What every fuse has: the criterion of the written runbook that it stands for, in its words."""

    criterion: Annotated[str, Meta(max_length=500)] = ""


class ErrorRate(Criterion, frozen=True, kw_only=True, tag_field="watches", tag="error_rate"):
    """The errors of a whole window: more than `above`, and not more than `up_to`."""

    above: Share
    up_to: Share = 1.0
    window: Window
    min_samples: Annotated[int, Meta(ge=1)] = MIN_SAMPLES
    then: Resort

    @property
    def name(self) -> str:
        band = f" up to {percent(self.up_to)}" if self.up_to < 1 else ""
        return f"error rate above {percent(self.above)}{band} for {spoken(self.window)}"


class Level(Criterion, frozen=True, kw_only=True, tag_field="watches", tag="level"):
    """A gauge above its bound in every second of a window: `above` a share, `slower_than` a time, `more_than` a
    number."""

    of: Gauge
    above: Share | None = None
    slower_than: Duration | None = None
    more_than: Number | None = None
    up_to: Duration | None = None
    window: Window
    min_samples: Annotated[int, Meta(ge=0)] = 0
    then: Resort

    def __post_init__(self) -> None:
        given = [name for name in ("above", "slower_than", "more_than") if getattr(self, name) is not None]
        wanted = "slower_than" if self.of in TIMES else "more_than" if self.of in NUMBERS else "above"
        if given != [wanted]:
            raise BadInput(
                f"A level of {self.of} has '{wanted}', and no other bound: 'slower_than' (a duration) is for times, "
                f"'more_than' (a number) for numbers, 'above' for shares."
            )

    @property
    def bound(self) -> float:
        return next(each for each in (self.above, self.slower_than, self.more_than) if each is not None)

    @property
    def name(self) -> str:
        bound = percent(self.bound) if self.above is not None else self._told(self.bound)
        band = f" up to {self._told(self.up_to)}" if self.up_to is not None else ""
        return f"{self.of} above {bound}{band} for {spoken(self.window)}"

    def _told(self, value: float) -> str:
        return f"{value:,.6g}" if self.more_than is not None else spoken(value)


class Drift(Criterion, frozen=True, kw_only=True, tag_field="watches", tag="drift"):
    """A figure that has moved away: less than half of the hits, or more than twice the time, of live in the same
    seconds; where live does not tell, of its baseline."""

    of: Trend
    window: Window = 60.0
    then: Resort

    @property
    def name(self) -> str:
        moved = "halved" if self.of == "cache_hit_rate" else "doubled"
        return f"{self.of} {moved} for {spoken(self.window)}"


class Lost(Criterion, frozen=True, kw_only=True, tag_field="watches", tag="lost"):
    """A dependency that next cannot reach; lost for live too it freezes, as a rollback would not help."""

    of: Dependency
    window: Window
    then: Resort

    @property
    def name(self) -> str:
        return f"{self.of} lost for {spoken(self.window)}"


class Event(Criterion, frozen=True, kw_only=True, tag_field="watches", tag="event"):
    """Something that must not happen even once."""

    of: Happening
    then: Resort

    @property
    def name(self) -> str:
        return self.of.replace("_", " ")


Fuse = ErrorRate | Level | Drift | Lost | Event


class Blown(Struct, frozen=True, kw_only=True):
    """A fuse has blown: what it was, what it calls for, and the measurement."""

    fuse: str
    action: Action
    reason: str


class Intact(Struct, frozen=True):
    """The whole window was seen, and it was in order."""

    fuse: str


class Unknown(Struct, frozen=True):
    """The window was not seen, or held too little; `reason` says what is missing."""

    fuse: str
    reason: str


State = Blown | Intact | Unknown


NOTHING: Final[Usual] = MappingProxyType({})


def blown(fuses: Sequence[Fuse], seconds: Sequence[Second], usual: Usual = NOTHING) -> list[Blown]:
    """The fuses that have blown, most urgent first."""
    states = [inspect(fuse, seconds, usual) for fuse in fuses]
    urgency = list(Action)
    return sorted(
        (state for state in states if isinstance(state, Blown)), key=lambda found: urgency.index(found.action)
    )


def inspect(fuse: Fuse, seconds: Sequence[Second], usual: Usual = NOTHING) -> State:
    """The state of one fuse after `seconds` (ascending), the last of which is now."""
    match fuse:
        case ErrorRate():
            return _error_rate(fuse, seconds)
        case Level():
            return _level(fuse, seconds)
        case Drift():
            return _drift(fuse, seconds, usual)
        case Lost():
            return _lost(fuse, seconds)
        case Event():
            return _event(fuse, seconds)
        case _:
            assert_never(fuse)


def _window(seconds: Sequence[Second], length: float) -> Sequence[Second] | None:
    """The last seconds that are `length` long together, or None where one of them is missing."""
    size, first, seen = max(round(length), 1), len(seconds), 0
    single = seconds[-size:]
    if len(single) == size and single[-1].at - single[0].at == size - 1:
        return single  # told one by one, as usual
    while first and seen < size:
        first -= 1
        seen += seconds[first].span
    last = seconds[first:]
    if seen < size or any(later.at - later.span != sooner.at for sooner, later in pairwise(last)):
        return None
    return last


def _error_rate(fuse: ErrorRate, seconds: Sequence[Second]) -> State:
    window = _window(seconds, fuse.window)
    if window is None:
        return _unseen(fuse)
    requests, errors = 0, 0
    for second in window:
        if second.next.requests is None or second.next.errors is None:
            return Unknown(fuse.name, f"requests were not measured in second {second.at}")
        requests, errors = requests + second.next.requests, errors + second.next.errors
    if requests < fuse.min_samples:
        return Unknown(fuse.name, f"{requests} of {fuse.min_samples} requests were seen")
    if fuse.above < errors / requests <= fuse.up_to:
        return _blown(fuse, f"{errors:,} of {requests:,} requests failed ({percent(errors / requests)})")
    return Intact(fuse.name)


def _level(fuse: Level, seconds: Sequence[Second]) -> State:
    highest = float("inf") if fuse.up_to is None else fuse.up_to
    window = _window(seconds, fuse.window)
    if window is not None and fuse.min_samples:
        requests = sum(second.next.requests or 0 for second in window)
        if requests < fuse.min_samples:
            return Unknown(fuse.name, f"{requests} of {fuse.min_samples} requests were seen")
    return _throughout(
        fuse, window, lambda now: getattr(now, fuse.of), lambda value: fuse.bound < value <= highest
    )


def _throughout(
    fuse: Level,
    window: Sequence[Second] | None,
    read: Callable[[Reading], float | None],
    bad: Callable[[float], bool],
) -> State:
    """Blown when every second is bad; one good second is enough for intact; else something is unknown."""
    if window is None:
        return _unseen(fuse)
    values = [read(second.next) for second in window]
    if any(value is not None and not bad(value) for value in values):
        return Intact(fuse.name)
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return _unmeasured(fuse, window, [value is None for value in values])
    return _blown(fuse, f"between {min(known):.4g} and {max(known):.4g} throughout")


def _drift(fuse: Drift, seconds: Sequence[Second], usual: Usual) -> State:
    """As a level, but each second has its own bound: what live shows in that second, else what it showed before."""
    window = _window(seconds, fuse.window)
    if window is None:
        return _unseen(fuse)
    pairs = [(_trend(second.next, fuse.of), _trend(second.live, fuse.of)) for second in window]
    held = [(value, usual.get(fuse.of) if live is None else live) for value, live in pairs]
    known = [(value, before) for value, before in held if value is not None and before is not None]
    if any(not _moved(fuse.of, value, before) for value, before in known):
        return Intact(fuse.name)
    if any(value is None for value, _ in held):
        return _unmeasured(fuse, window, [value is None for value, _ in held])
    if len(known) < len(held):
        return Unknown(fuse.name, "live does not tell, and no baseline says what is usual")
    values, befores = [value for value, _ in known], [before for _, before in known]
    return _blown(
        fuse,
        f"between {min(values):.4g} and {max(values):.4g} throughout, "
        f"where between {min(befores):.4g} and {max(befores):.4g} is usual",
    )


def _trend(reading: Reading, of: Trend) -> float | None:
    return reading.cache_hit_rate if of == "cache_hit_rate" else reading.query_time


def _moved(of: Trend, value: float, before: float) -> bool:
    """Down by more than half of it, or up by more than all of it."""
    return value < before / 2 if of == "cache_hit_rate" else value > before * 2


def _lost(fuse: Lost, seconds: Sequence[Second]) -> State:
    window = _window(seconds, fuse.window)
    if window is None:
        return _unseen(fuse)
    nexts = [_reached(second.next, fuse.of) for second in window]
    lives = [_reached(second.live, fuse.of) for second in window]
    if True in nexts:
        return Intact(fuse.name)
    if None in nexts:
        return Unknown(fuse.name, "next was not asked in every second")
    if True in lives:
        return _blown(fuse, "next cannot reach it, live can")
    # Nobody can say that the old version would do better.
    reason = "live was not asked" if None in lives else "live does not reach it either"
    return Blown(fuse=fuse.name, action=Action.FREEZE, reason=reason)


def _reached(reading: Reading, dependency: Dependency) -> bool | None:
    return reading.database if dependency == "database" else reading.rabbitmq


def _event(fuse: Event, seconds: Sequence[Second]) -> State:
    looks = [second.next.happened.get(fuse.of) for second in seconds]
    if any(looks):
        return _blown(fuse, "it happened on next")
    if not looks or None in looks:
        return Unknown(fuse.name, "nobody looked for it in every second")
    return Intact(fuse.name)


def _unseen(fuse: Fuse) -> Unknown:
    return Unknown(fuse.name, "the window has not been seen whole")


def _unmeasured(fuse: Fuse, window: Sequence[Second], missing: Sequence[bool]) -> Unknown:
    every = sum(second.span for second in window)
    lacking = sum(second.span for second, gone in zip(window, missing, strict=True) if gone)
    return Unknown(fuse.name, f"{lacking} of {every} seconds were not measured")


def _blown(fuse: Fuse, reason: str) -> Blown:
    return Blown(fuse=fuse.name, action=Action(fuse.then), reason=reason)
