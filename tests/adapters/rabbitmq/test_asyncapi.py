"""The AsyncAPI document says what the code does, and points to nothing that is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from tests.adapters.rabbitmq.world import GREEN, ended
from watership import App
from watership.adapters.rabbitmq.asyncapi import document
from watership.adapters.rabbitmq.letters import messages
from watership.adapters.rabbitmq.topology import EVENTS
from watership.durable.ids import RunId
from watership.durable.outbox import Announced, Letter, Posted


class Place(msgspec.Struct):
    town: str


class Trip(msgspec.Struct):
    to: Place
    days: int = 1


def made() -> dict[str, Any]:
    app = App("travel")

    @app.agent
    async def planner(trip: Trip) -> str:
        """Plans trips."""
        return "done"

    @app.agent
    async def greeter(name: str) -> str:
        """Greets."""
        return f"Hello, {name}!"

    return document(app.directory.cards(), title="travel", version="1")


def references(tree: object) -> Iterator[str]:
    match tree:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for value in tree.values():
                yield from references(value)
        case list():
            for value in tree:
                yield from references(value)


def test_every_reference_leads_somewhere() -> None:
    whole = made()
    found = list(references(whole))
    assert len(found) > 8
    for reference in found:
        place: Any = whole
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_it_names_every_agent_and_its_input() -> None:
    whole = made()
    assert whole["asyncapi"] == "3.0.0"
    assert set(whole["channels"]["inbox"]["messages"]) == {"to_planner", "to_greeter"}
    assert whole["channels"]["inbox"]["bindings"]["amqp"]["exchange"]["name"] == "watership.inbox"
    assert whole["components"]["schemas"]["planner.Place"]["required"] == ["town"]


def test_an_announcement_has_no_field_that_the_document_does_not_name() -> None:
    said = Announced(
        topic="brainstorm.round", value=msgspec.Raw(b"{}"), run_id=RunId("r"), program="panel", tenant="acme",
        deployment=GREEN, at=datetime(2026, 1, 1, tzinfo=UTC), seq=3, conversation="c", parent=RunId("p"),
    )  # fmt: skip
    (told,) = messages(Posted(number=1, letter=Letter(announced=(said,))))
    assert (told.exchange, told.key, told.mandatory) == (EVENTS, "announced.brainstorm.round.panel", False)
    named = made()["components"]["schemas"]["Announcement"]["properties"]
    assert set(json.loads(told.body)["events"][0]) == set(named)


def test_an_event_has_no_field_that_the_document_does_not_name() -> None:
    event = messages(Posted(number=1, letter=Letter(moved=(ended(),))))[0]
    named = made()["components"]["schemas"]["Event"]["properties"]
    assert set(json.loads(event.body)["events"][0]) <= set(named)
    assert "reply_to" not in named
