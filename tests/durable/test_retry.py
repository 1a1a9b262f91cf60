"""Delays grow, stay within their bounds, are the same for the same seed, and come to an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watership.durable.retry import ONCE, RetryPolicy, delay

policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 20),
    first=st.floats(0.01, 10),
    factor=st.floats(1, 4),
    most=st.floats(0.01, 600),
)


@given(policies, st.integers(1, 30), st.text(max_size=20))
def test_a_delay_lies_in_the_upper_half_of_its_bound_or_there_is_none(
    policy: RetryPolicy, attempt: int, seed: str
) -> None:
    seconds = delay(policy, attempt, seed)
    if attempt >= policy.attempts:
        assert seconds is None
        return
    longest = min(policy.first * policy.factor ** (attempt - 1), policy.most)
    assert seconds is not None and longest / 2 <= seconds <= longest
    assert seconds == delay(policy, attempt, seed)


def test_once_is_once() -> None:
    assert delay(ONCE, 1, "seed") is None


def test_what_failed_together_does_not_return_together() -> None:
    assert len({delay(RetryPolicy(), 1, f"run-{n}") for n in range(100)}) == 100
