"""A measurement says what was found, in words and figures; a verdict without evidence does not exist."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from watership.releases.audit import Plain
from watership.releases.gate import Judgement, Verdict

WORDS = 1000
"""Characters of an error that become evidence."""


class Finding(Struct, frozen=True, kw_only=True):
    """What a check or an act found."""

    verdict: Verdict
    evidence: str
    facts: dict[str, Plain] = {}
    judgement: Judgement | None = None


class Measurement(Struct, frozen=True, kw_only=True):
    """A finding and when it was made. `ended` of a failed one is the moment of the decision."""

    verdict: Verdict
    evidence: str
    began: datetime
    ended: datetime
    facts: dict[str, Plain] = {}
    judgement: Judgement | None = None

    @property
    def passed(self) -> bool:
        return self.verdict is Verdict.PASSED

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()


def passed(evidence: str, **facts: Plain) -> Finding:
    return Finding(verdict=Verdict.PASSED, evidence=evidence, facts=facts)


def failed(evidence: str, **facts: Plain) -> Finding:
    return Finding(verdict=Verdict.FAILED, evidence=evidence, facts=facts)


def inconclusive(evidence: str, **facts: Plain) -> Finding:
    return Finding(verdict=Verdict.INCONCLUSIVE, evidence=evidence, facts=facts)


def found(good: bool, evidence: str, **facts: Plain) -> Finding:
    """Passed or failed, by something that was measured."""
    return passed(evidence, **facts) if good else failed(evidence, **facts)


def unknown(error: BaseException) -> Finding:
    """What a measurement that raised is worth: nothing, in its own words."""
    return inconclusive(f"{type(error).__name__}: {error}"[:WORDS])
