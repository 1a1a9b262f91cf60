"""These tests are about the one engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from watership.adapters.pydantic_ai import engine
from watership.agents.llm import use_engine


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    before = use_engine(lambda: engine)
    yield
    use_engine(before)
