"""A PostgreSQL that pgBackRest backs up, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import started
from watership.testing.servers import ArchivedPostgres


@pytest.fixture(scope="session")
def archived_postgres() -> Iterator[ArchivedPostgres]:
    """With a table `orders` of 100 rows in its database `watership`; leave its repository whole."""
    for server in started(ArchivedPostgres):
        server.sql(
            "CREATE TABLE orders AS SELECT g AS id, 'rope' AS item FROM generate_series(1, 100) g",
            url=server.url,
        )
        yield server
