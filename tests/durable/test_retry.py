"""Delays grow, stay within their bounds, are the same for the same seed, and come to an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watership.durable.retry import LATER_MOST, ONCE, RetryPolicy, delay, later_by
from watership.errors import Unavailable

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


def test_a_failure_that_says_when_to_come_again_puts_the_next_entry_off_and_not_for_ever() -> None:
    policy = RetryPolicy(attempts=3, first=1.0)
    assert delay(policy, 1, "seed", later=20.0) == 20.0
    assert delay(policy, 1, "seed", later=0.1) == delay(policy, 1, "seed")
    assert delay(policy, 1, "seed", later=1e9) == LATER_MOST
    assert delay(policy, 3, "seed", later=20.0) is None
    assert later_by(Unavailable("busy", retry_after=7)) == 7.0
    assert later_by(OSError("no disk")) == 0.0
