"""Complaints are what a companion says of its own troubles: on record, each once a minute, and never raised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watership.durable.clock import Clock
from watership.durable.ports import Observer
from watership.releases.auditing.audit import Audit, Fact

COMPLAINTS_SECONDS: Final = 60.0
"""Between two entries about the same trouble."""

MOST: Final = 100
"""Troubles that are remembered; beyond that the oldest is forgotten, and may be said again within its minute."""

WORDS: Final = 1_000


class Complaints:
    """Of one companion, `name` in the audit. What the audit does not take goes to the observer."""

    def __init__(self, name: str, *, audit: Audit, clock: Clock, observer: Observer) -> None:
        self._name = name
        self._audit = audit
        self._clock = clock
        self._observer = observer
        self._said: dict[str, float] = {}

    def about(self, error: Exception, doing: str = "") -> None:
        """Put an error down, or each of a group's. `doing`: what failed, where the name alone does not tell."""
        for each in _leaves(error):
            self._complain(f"{type(each).__name__}: {each}"[:WORDS], doing)

    def _complain(self, problem: str, doing: str) -> None:
        if not self._is_news(f"{doing}: {problem}"):
            return
        facts: dict[str, Fact] = {"doing": doing, "problem": problem} if doing else {"problem": problem}
        try:
            self._audit.append(self._name, "companion.failed", facts)
        except Exception as error:  # noqa: BLE001 - whatever becomes of the audit, a release goes on
            self._observer.note("companion failed", who=self._name, audit=str(error), **facts)

    def _is_news(self, trouble: str) -> bool:
        now = self._clock.monotonic()
        self._said = {each: at for each, at in self._said.items() if now - at < COMPLAINTS_SECONDS}
        if trouble in self._said:
            return False
        if len(self._said) >= MOST:
            del self._said[next(iter(self._said))]
        self._said[trouble] = now
        return True


def _leaves(error: Exception) -> Iterator[Exception]:
    """The errors of a group: its own words say only how many there are."""
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
