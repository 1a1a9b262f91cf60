"""A migrated, empty database for each test of the adapter."""

from __future__ import annotations

import pytest

from tests.contracts.postgres import emptied
from watership.testing.servers import PostgresServer


@pytest.fixture
async def url(postgres_server: PostgresServer) -> str:
    return await emptied(postgres_server.url)
