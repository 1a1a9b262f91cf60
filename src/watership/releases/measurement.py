"""A measurement says what was found, in words and figures; a verdict without evidence does not exist."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct, structs

from watership.durable.scrubbing import scrub
from watership.errors import WatershipError
from watership.releases.auditing.audit import Plain
from watership.releases.judging.gate import Judgement
from watership.releases.masking import masked
from watership.releases.verdict import Verdict

WORDS = 1000
"""Characters of an error that become evidence."""

EVIDENCE = 4000
"""Characters of evidence that are kept: people read it, and it is sent to them."""

SHOWN = 200
"""Characters of what others wrote that become evidence, unless a check shows more."""


class Finding(Struct, frozen=True, kw_only=True):
    """What a check or an act found. `fix`: what mends it, where that is known."""

    verdict: Verdict
    evidence: str
    facts: dict[str, Plain] = {}
    judgement: Judgement | None = None
    fix: str = ""


class Measurement(Struct, frozen=True, kw_only=True):
    """A finding and when it was made. `ended` of a failed one is the moment of the decision.

    `expires_at`: when it counts no more; None: it says how things were at a moment that will not come again.
    """

    verdict: Verdict
    evidence: str
    began: datetime
    ended: datetime
    facts: dict[str, Plain] = {}
    judgement: Judgement | None = None
    fix: str = ""
    expires_at: datetime | None = None

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


def dated(
    finding: Finding, began: datetime, ended: datetime, *, good_for: float | None = None
) -> Measurement:
    """A finding with its times; `good_for` are the seconds for which it counts."""
    return Measurement(
        verdict=finding.verdict,
        evidence=finding.evidence,
        began=began,
        ended=ended,
        facts=finding.facts,
        judgement=finding.judgement,
        fix=finding.fix,
        expires_at=None if good_for is None else ended + timedelta(seconds=good_for),
    )


def scrubbed(finding: Finding) -> Finding:
    """A finding as it is kept, shown, and sent to people: without a secret that this process knows, without what looks
    like one, and of no more than EVIDENCE characters."""
    return structs.replace(
        finding,
        evidence=clean(finding.evidence, EVIDENCE),
        fix=clean(finding.fix, EVIDENCE),
        facts={
            scrub(name): clean(value, EVIDENCE) if isinstance(value, str) else value
            for name, value in finding.facts.items()
        },
    )


def excerpt(said: str | bytes, most: int = SHOWN) -> str:
    """The beginning of what others wrote, to be evidence."""
    return clean(said if isinstance(said, str) else said.decode(errors="replace"), most)


def ending(said: str, most: int = SHOWN) -> str:
    """The end of what a program printed, to be evidence."""
    # What is cut off in front may be the name of a value: only what lies well behind the cut is shown.
    return masked(scrub(said)[-most - EVIDENCE :])[-most:]


def clean(text: str, most: int) -> str:
    """Secrets go before the rest is cut: a half one would not be found."""
    return masked(scrub(text)[: most + EVIDENCE])[:most]


def unknown(error: BaseException) -> Finding:
    """What a measurement that raised is worth: nothing, in its own words. What was `raised` is for who mends it."""
    words = (
        str(error) if isinstance(error, WatershipError | TimeoutError) else f"The check itself broke: {error}"
    )
    return inconclusive(clean(words, WORDS), raised=type(error).__name__)


def number(facts: Mapping[str, Plain], name: str) -> float | None:
    """A fact that is a number; None where there is none, or something else."""
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) else None
