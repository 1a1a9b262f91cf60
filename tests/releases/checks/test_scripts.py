"""Scripts that lead back, and queries that the database understands."""

from __future__ import annotations

from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.releases.checks.scripts import statements
from watership.testing.servers import free_port

QUERIES = "-- no orphans; none\nSELECT count(*) FROM pg_class c WHERE c.relnamespace = 0;\nSELECT 1 FROM pg_roles;\n"


def test_every_way_forward_has_a_way_back_that_does_something(looker: Looker) -> None:
    looker.fails("scripts.paired", "There is no forward_*.sql", folder="migrations")
    looker.write("migrations/forward_2.1.0.sql", "ALTER TABLE a ADD b int;")
    looker.fails("scripts.paired", "there is no migrations/backward_2.1.0.sql", folder="migrations")
    looker.write("migrations/backward_2.1.0.sql", "BEGIN; /* later */ -- DROP\nCOMMIT;")
    looker.fails("scripts.paired", "takes nothing back", folder="migrations")
    looker.write("migrations/backward_2.1.0.sql", "BEGIN; ALTER TABLE a DROP b; COMMIT;")
    looker.passes("scripts.paired", folder="migrations")
    looker.unsure("scripts.paired", "BadInput", folder="../elsewhere")


def test_queries_are_planned_by_the_database_and_not_run(looker: Looker, postgres_url: str) -> None:
    asked: dict[str, Given] = {"of": "db", "path": "integrity.sql"}
    looker.named("db", postgres_url)
    looker.named("nobody", f"postgresql://x@127.0.0.1:{free_port()}/x")
    looker.fails("scripts.accepted", "There is no integrity.sql", **asked)
    looker.write("integrity.sql", QUERIES)
    assert "2 queries" in looker.passes("scripts.accepted", **asked)
    looker.fails("scripts.accepted", "2 queries; 3 at least", **asked, at_least=3)
    looker.unsure("scripts.accepted", "Unavailable", **(asked | {"of": "nobody"}))
    looker.write("integrity.sql", "".join((QUERIES, "SELECT colour FROM pg_roles;")))
    looker.fails("scripts.accepted", "SELECT colour FROM pg_roles", **asked)


def test_comments_are_no_statements() -> None:
    assert statements("-- a; b\n/* c; */ SELECT 1;;\n") == ["SELECT 1"]
