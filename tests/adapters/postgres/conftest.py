"""A migrated, empty database for each test of the adapter."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.contracts.postgres import emptied
from watership.testing.link import Link
from watership.testing.servers import PostgresServer


@pytest.fixture
async def url(postgres_server: PostgresServer) -> str:
    return await emptied(postgres_server.url)


@pytest.fixture
def link(postgres_url: str) -> Iterator[Link]:
    port = urlsplit(postgres_url).port
    assert port is not None
    with Link("127.0.0.1", port) as link:
        yield link
