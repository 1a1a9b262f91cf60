"""A GraphQL schema, by introspection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

OF = {"of": "next"}


def told(*types: dict[str, Any]) -> Answer:
    schema = {"queryType": {"name": "Query"}, "mutationType": None, "types": types}
    return Answer({"data": {"__schema": schema}})


def kind(name: str, *fields: dict[str, Any], kind: str = "OBJECT") -> dict[str, Any]:
    return {"kind": kind, "name": name, "fields": list(fields) or None, "inputFields": None}


def field(name: str, uses: str) -> dict[str, Any]:
    named = {"kind": "OBJECT", "name": uses, "ofType": None}
    return {"name": name, "args": [], "type": {"kind": "NON_NULL", "name": None, "ofType": named}}


@pytest.fixture
def next(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as standin:
        looker.named("next", standin.url, graphql="/graphql")
        looker.named("none", standin.url, graphql="none")
        looker.named("unsaid", standin.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}", graphql="none")
        yield standin


def test_a_schema_whose_types_fit_together_passes(looker: Looker, next: StandIn) -> None:
    def answer(asked: Asked) -> Answer:
        assert "__schema" in msgspec.json.decode(asked.body)["query"]
        return told(
            kind("Query", field("job", "Job")), kind("Job", field("id", "ID")), kind("ID", kind="SCALAR")
        )

    next.routes["POST /graphql"] = answer
    looker.passes("graphql.schema", **OF)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (told(kind("Query", field("job", "Job"))), "Query.job uses Job, which is not among the types"),
        (told(kind("Job", field("id", "Job"))), "Query is not among the types"),
        (told(kind("Query")), "Query has no field"),
        (
            Answer({"errors": [{"message": "introspection is disabled"}], "data": None}),
            "introspection is disabled",
        ),
    ],
)
def test_a_schema_with_a_hole_fails(looker: Looker, next: StandIn, answer: Answer, words: str) -> None:
    next.routes["POST /graphql"] = answer
    looker.fails("graphql.schema", words, **OF)


def test_that_there_is_none_has_to_be_said_and_is_looked_at(looker: Looker, next: StandIn) -> None:
    looker.passes("graphql.schema", of="none")
    next.routes["POST /graphql"] = Answer({"data": None})
    looker.fails("graphql.schema", "POST", of="none")
    looker.unsure("graphql.schema", "it is not known: graphql", of="unsaid")
    looker.unsure("graphql.schema", "Unavailable", of="nobody")
    next.routes["POST /graphql"] = Answer("<html>")
    looker.unsure("graphql.schema", "no JSON", **OF)
