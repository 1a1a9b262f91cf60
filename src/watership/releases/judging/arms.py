"""An arm is one thing that a gate compares: what is counted of each slot, and what may not be worse by how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from watership.errors import BadInput
from watership.releases.book.quantity import Duration, Share

Possible = Annotated[float, Meta(gt=0, lt=1, extra={"text": "share"})]
"""A share that is neither nothing nor all."""

Measure = Literal["errors", "slow", "tail", "runs", "tokens", "cost"]
"""Of requests: those that failed; those slower than the gate's `slow_above`; those slower than live's own p95.
Of runs: those that failed; and the tokens, or the money, that one uses up, as parts of the arm's `most`."""

OF_RUNS: frozenset[Measure] = frozenset({"runs", "tokens", "cost"})
SPENT: frozenset[Measure] = frozenset({"tokens", "cost"})

TAIL = 0.95
"""Live's own percentile that next's requests are compared at."""

TAIL_SAMPLES = 200
"""Requests of live before its p95 is known well enough to compare at: ten lie above it."""

MICRO = 1e6
"""Money is counted in millionths of a US dollar, memory in bytes; an arm speaks of dollars and of MB."""

WINDOW_SECONDS = 30.0
"""Long enough for a collector of garbage to have come by: a window is known by its lowest reading."""

WARM_UP_SECONDS = 60.0
"""What caches and pools of a process that has just begun may grow for."""


class RunCounts(Struct, frozen=True, omit_defaults=True):
    """Runs that were made in some seconds, as they stood at an age that is the same for both slots.

    `tokens` and `cost` (millionths of a dollar) are those of some of the runs, chosen without looking at them.
    """

    made: int = 0
    failed: int = 0
    tokens: tuple[int, ...] = ()
    cost: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.failed <= self.made:
            raise BadInput(f"{self.failed} of {self.made} runs cannot have failed.")


class Counts(Struct, frozen=True, omit_defaults=True):
    """What one slot did in one tick. What is None was not measured.

    `latencies`: requests by upper bound in seconds, not cumulative; `memory`: bytes of all of its processes.
    """

    requests: int = 0
    errors: int = 0
    slow: int | None = None
    latencies: Mapping[str, int] | None = None
    runs: RunCounts | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        for bad in (self.errors, self.slow or 0):
            if not 0 <= bad <= self.requests:
                raise BadInput(f"{bad} of {self.requests} requests cannot be bad.")


class Tick(Struct, frozen=True, omit_defaults=True):
    """What both slots did in one tick: a second, or `span` of them. `share`: next's weight as requests were divided."""

    live: Counts
    next: Counts
    share: float | None = None
    span: int = 1


class _Comparing(Struct, frozen=True, kw_only=True):
    """What arms that compare counts have in common."""

    of: Measure = "errors"
    most: Annotated[float, Meta(gt=0)] | None = None
    """Tokens, or US dollars, of a run that uses as much as is told apart: more counts as so much."""

    def __post_init__(self) -> None:
        if (self.of in SPENT) != (self.most is not None):
            raise BadInput(f"An arm has a 'most' if, and only if, it is of tokens or cost, not of {self.of}.")


class AgainstLive(_Comparing, frozen=True, kw_only=True, tag_field="against", tag="live"):
    """Refuses a next that is worse than live by `tolerance` or more; passes when `sees` is ruled out."""

    tolerance: Share = 0.001
    sees: Possible = 0.01

    @property
    def name(self) -> str:
        return f"{self.of} against live"


class AgainstLimit(_Comparing, frozen=True, kw_only=True, tag_field="against", tag="limit"):
    """Refuses a rate above `limit`; passes when a rate of `sees` is ruled out."""

    limit: Possible
    sees: Possible

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of == "tail":
            raise BadInput(
                "What is slower than live's own p95 is compared against live, not against a limit."
            )
        if self.sees <= self.limit:
            raise BadInput(
                f"A gate with the limit {self.limit:.4g} must see a rate above it, not {self.sees:.4g}."
            )

    @property
    def name(self) -> str:
        return f"{self.of} against the limit"


class AgainstGrowth(Struct, frozen=True, kw_only=True, tag_field="against", tag="growth"):
    """Refuses a next whose memory goes on growing by more than `tolerance` MB a minute beyond live's.

    Passes when a growth of `sees` MB a minute is ruled out; without it this arm never keeps a release from passing.
    """

    of: Literal["memory"] = "memory"
    tolerance: Annotated[float, Meta(ge=0)] = 1.0
    sees: Annotated[float, Meta(gt=0)] | None = None
    window: Annotated[float, Meta(ge=1, le=3600, extra={"text": "duration"})] = WINDOW_SECONDS
    warm_up: Duration = WARM_UP_SECONDS

    def __post_init__(self) -> None:
        if self.sees is not None and self.sees <= self.tolerance:
            raise BadInput(f"A gate that bears a growth of {self.tolerance:g} MB must see one above it.")

    @property
    def name(self) -> str:
        return "memory growth against live"


Arm = AgainstLive | AgainstLimit | AgainstGrowth


class Sample(NamedTuple):
    """Outcomes of one slot in one tick; `bad` is their sum, each between 0 and 1."""

    samples: int = 0
    bad: float = 0


def sampled(arm: AgainstLive | AgainstLimit, counts: Counts, bound: float | None) -> Sample | None:
    """What one slot showed to one arm; None where it was not measured. `bound` is where live's tail begins."""
    match arm.of:
        case "errors":
            return Sample(counts.requests, counts.errors)
        case "slow":
            return None if counts.slow is None else Sample(counts.requests, counts.slow)
        case "tail":
            if bound is None or counts.latencies is None:
                return None
            return Sample(counts.requests, above(counts.latencies, bound))
        case "runs":
            return None if counts.runs is None else Sample(counts.runs.made, counts.runs.failed)
        case "tokens":
            return None if counts.runs is None else _parts(counts.runs.tokens, arm.most or 1.0)
        case "cost":
            return None if counts.runs is None else _parts(counts.runs.cost, (arm.most or 1.0) * MICRO)


def _parts(used: tuple[int, ...], most: float) -> Sample:
    return Sample(len(used), sum(min(each / most, 1.0) for each in used))


def above(latencies: Mapping[str, int], bound: float) -> int:
    """Requests that were slower than the bucket that ends at `bound`."""
    return sum(number for end, number in latencies.items() if float(end) > bound)


def tail_bound(latencies: Mapping[str, int]) -> float | None:
    """The end of the bucket in which live reaches its p95; None while too little is known of it."""
    every = sum(latencies.values())
    if every < TAIL_SAMPLES:
        return None
    seen = 0
    for bound, number in sorted((float(end), number) for end, number in latencies.items()):
        seen += number
        if seen >= TAIL * every:
            return bound
    return None


def together(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Two distributions as one; a bucket without requests is left out."""
    return {end: number for end in {**one, **other} if (number := one.get(end, 0) + other.get(end, 0)) > 0}
