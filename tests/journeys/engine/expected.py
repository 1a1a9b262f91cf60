"""What each run must end with, worked out from its input alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from watership.durable.states import RunState


@dataclass(frozen=True, slots=True)
class Expected:
    """The state that a run ends in, with its result, or with the kind of its failure."""

    state: RunState
    result: int | None = None
    failure: str = ""


Given = Mapping[str, int]

WORD = 7
"""What a run that waits for a word is told: so many times its number."""


def _gives(work: Callable[[int], int]) -> Callable[[Given], Expected]:
    return lambda given: Expected(RunState.SUCCEEDED, work(given["number"]))


def _family(given: Given) -> Expected:
    return Expected(
        RunState.SUCCEEDED, sum(2 * (given["number"] + each) for each in range(given["children"]))
    )


AGENTS: Mapping[str, Callable[[Given], Expected]] = {
    "plain": _gives(lambda number: (number + 1) * 2),
    "long": _gives(lambda number: number + 2),
    "labour": _gives(lambda number: number),
    "napping": _gives(lambda number: (number + 2) * 2),
    "answered": _gives(lambda number: number + 1 + WORD * number),
    "leaf": _gives(lambda number: number * 2),
    "family": _family,
    "careful": _gives(lambda number: number + 17),
    "shaky": _gives(lambda number: number + 5),
    "failing": lambda given: Expected(RunState.FAILED, failure="ValueError"),
    "poison": lambda given: Expected(RunState.STOPPED, failure="Poison"),
    "talk": _gives(lambda number: (number + 1) * 2),
}
