"""A sliding window, judged without a clock: no window of any place holds much more than the limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watership.fleet.limit import TOO_FAR, Window, judge

counts = st.integers(0, 100)


@given(counts, counts, st.floats(0, 1, exclude_max=True), st.integers(1, 100))
def test_who_is_refused_and_waits_as_long_as_told_is_let_in_and_not_much_sooner(
    before: int, now: int, elapsed: float, limit: int
) -> None:
    window = Window(min(before, limit), min(now, limit), elapsed)
    told = judge(window, limit=limit, seconds=1.0)
    if told.allowed:
        return
    assert judge(_later(window, told.retry_after), limit=limit, seconds=1.0).allowed
    too_soon = told.retry_after - TOO_FAR - 0.001
    if too_soon > 0:
        assert not judge(_later(window, too_soon), limit=limit, seconds=1.0).allowed


def test_an_even_stream_just_below_the_limit_is_never_refused() -> None:
    window, limit = Window(0, 0, 0.0), 62  # of which 60 are used
    for second in range(600):
        window = _later(window, 1 / 60) if second else window
        assert judge(window, limit=limit, seconds=1.0).allowed
        window = Window(window.before, window.now + 1, window.elapsed)


def test_a_burst_at_the_end_of_one_window_leaves_no_room_at_the_beginning_of_the_next() -> None:
    full = Window(0, 10, 0.99)
    assert not judge(_later(full, 0.02), limit=10, seconds=1.0).allowed
    assert judge(_later(full, 0.2), limit=10, seconds=1.0).allowed


def _later(window: Window, seconds: float) -> Window:
    """The window of one second, so much later, when nothing else was counted."""
    whole, elapsed = divmod(window.elapsed + seconds, 1)
    match int(whole):
        case 0:
            return Window(window.before, window.now, elapsed)
        case 1:
            return Window(window.now, 0, elapsed)
        case _:
            return Window(0, 0, elapsed)
