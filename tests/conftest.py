"""What every test shares: how much is tried, by day and by night."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

NIGHTLY = os.environ.get("WATERSHIP_NIGHTLY", "") not in {"", "0"}

# No deadline: a busy machine must not fail a test. By day the examples are the same for everybody.
settings.register_profile("day", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("night", deadline=None, print_blob=True, max_examples=2_000)
settings.load_profile("night" if NIGHTLY else "day")


@pytest.fixture(scope="session")
def nightly() -> bool:
    """Whether the large numbers are wanted: more seeds, longer histories."""
    return NIGHTLY
