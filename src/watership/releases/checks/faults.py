"""Faults become a finding: the first of them in words, or, where there is none, that all is as it should be."""

from __future__ import annotations

from typing import Final

from watership.releases.auditing.audit import Plain
from watership.releases.measurement import Finding, failed, passed

SHOWN: Final = 5
"""Faults that are named; there may be thousands."""


def judged(wrong: list[str], good: str, **facts: Plain) -> Finding:
    """Failed by the first faults, else passed."""
    if not wrong:
        return passed(good, **facts)
    rest = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return failed(f"{'; '.join(wrong[:SHOWN])}{rest}.", **facts)
