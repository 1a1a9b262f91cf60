"""The kernel: a run is one durable execution of a program over a journal."""

from watership.durable.branching import gather, race, timeout
from watership.durable.calls import (
    branch,
    carry_on,
    child,
    current_run,
    hosting,
    idempotency_key,
    now,
    signal,
    sleep,
    sleep_until,
    step,
)
from watership.durable.counters import Cap, Cost
from watership.durable.effects import Effect
from watership.durable.program import (
    Check,
    ChildFailed,
    Diverged,
    Done,
    KeyUsedTwice,
    Nested,
    OutsideRun,
    Program,
    Programs,
    Sealed,
    StepFailed,
    StepOptions,
    Unbranched,
)
from watership.durable.retry import RetryPolicy

__all__ = [
    "Cap",
    "Check",
    "ChildFailed",
    "Cost",
    "Diverged",
    "Done",
    "Effect",
    "KeyUsedTwice",
    "Nested",
    "OutsideRun",
    "Program",
    "Programs",
    "RetryPolicy",
    "Sealed",
    "StepFailed",
    "StepOptions",
    "Unbranched",
    "branch",
    "carry_on",
    "child",
    "current_run",
    "gather",
    "hosting",
    "idempotency_key",
    "now",
    "race",
    "signal",
    "sleep",
    "sleep_until",
    "step",
    "timeout",
]
