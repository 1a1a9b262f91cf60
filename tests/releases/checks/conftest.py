"""What every test of a check shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.releases.checks.scenes import Looker


@pytest.fixture
def looker(tmp_path: Path) -> Looker:
    """Measures in an empty folder, with no systems."""
    return Looker(tmp_path)
