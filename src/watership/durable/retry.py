"""When a step that raised is entered again: a pure function of the policy, the attempt and a seed."""

from __future__ import annotations

import hashlib

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """At most `attempts` entries in all; before the n-th repetition up to `first * factor**(n-1)` seconds.

    No delay is longer than `most` seconds. `never`: names of exception classes that no repetition can mend.
    """

    attempts: int = 3
    first: float = 1.0
    factor: float = 2.0
    most: float = 60.0
    never: frozenset[str] = frozenset()


ONCE = RetryPolicy(attempts=1)
THRICE = RetryPolicy()


LATER_MOST = 3_600.0
"""Seconds that an error may put the next entry off: a provider's word is heeded, but not for ever."""


def delay(policy: RetryPolicy, attempt: int, seed: str, *, later: float = 0.0) -> float | None:
    """Seconds to wait after the failed `attempt` (from 1); None when there is no further one.

    Half of the delay is fixed and half is spread by `seed`, so that what failed together does not return together. No
    shorter than `later`, which is when the failure itself said to come again.
    """
    if attempt >= policy.attempts:
        return None
    longest = min(policy.first * policy.factor ** (attempt - 1), policy.most)
    seconds = longest / 2 + longest / 2 * _spread(f"{seed}#{attempt}")
    return max(seconds, min(later, LATER_MOST))


def later_by(error: Exception) -> float:
    """When an error says to come again, in seconds: its `retry_after`. 0 for one that does not say."""
    said = getattr(error, "retry_after", None)
    return float(said) if isinstance(said, int | float) and said > 0 else 0.0


def _spread(seed: str) -> float:
    """A number in [0, 1) that depends on `seed` alone."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:6], "big") / 2**48
