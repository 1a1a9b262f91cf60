"""The AsyncAPI 3 document: what other programs may send us over AMQP, and what they may hear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from watership.adapters.rabbitmq.dead import REASON
from watership.adapters.rabbitmq.letters import JSON, AnnouncementBody, EventBody, Kind, Refusal, Reply
from watership.adapters.rabbitmq.request import CONVERSATION, DEADLINE, WITHIN
from watership.adapters.rabbitmq.topology import EVENTS, EXCHANGES, INBOX
from watership.agents.messages import Card
from watership.durable.states import RunState

REFERENCE: Final = "#/components/schemas/{name}"
BINDING_VERSION: Final = "0.3.0"


def document(cards: Sequence[Card], *, title: str, version: str) -> dict[str, Any]:
    """The whole document, for the agents of one application."""
    kinds = (Reply, Refusal, EventBody, AnnouncementBody)
    (reply, refusal, event, announcement), schemas = msgspec.json.schema_components(
        kinds, ref_template=REFERENCE
    )
    messages = {f"to_{card.name}": _request(card, schemas) for card in cards}
    messages["event"] = {"name": Kind.EVENT.value, "contentType": JSON, "payload": event}
    messages["announcement"] = {
        "name": Kind.ANNOUNCEMENT.value,
        "contentType": JSON,
        "payload": announcement,
    }
    messages["reply"] = {
        "name": Kind.REPLY.value,
        "contentType": JSON,
        "correlationId": {"location": "$message.header#/correlation_id"},
        "payload": {"oneOf": [reply, refusal]},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version},
        "defaultContentType": JSON,
        "channels": _channels([card.name for card in cards]),
        "operations": _operations([card.name for card in cards]),
        "components": {"messages": messages, "schemas": schemas},
    }


def _channels(agents: Sequence[str]) -> dict[str, Any]:
    return {
        "inbox": {
            "address": "{agent}",
            "description": "Messages that start runs. The routing key is the agent.",
            "parameters": {"agent": {"enum": list(agents), "description": "Who is to do it."}},
            "messages": {f"to_{name}": _ref("messages", f"to_{name}") for name in agents},
            "bindings": _exchange(INBOX),
        },
        "events": {
            "address": "run.{state}.{program}",
            "description": "Where runs stand. Bind a queue of your own.",
            "parameters": {
                "state": {"enum": [state.value for state in RunState]},
                "program": {"description": "The agent."},
            },
            "messages": {"event": _ref("messages", "event")},
            "bindings": _exchange(EVENTS),
        },
        "announcements": {
            "address": "announced.{topic}.{program}",
            "description": "What programs announce, such as the rounds of a brainstorm. Bind a queue of your own.",
            "parameters": {
                "topic": {"description": "Words with dots between."},
                "program": {"description": "The agent."},
            },
            "messages": {"announcement": _ref("messages", "announcement")},
            "bindings": _exchange(EVENTS),
        },
        "replies": {
            "address": None,
            "description": "The queue that a message names in reply_to.",
            "messages": {"reply": _ref("messages", "reply")},
        },
    }


def _operations(agents: Sequence[str]) -> dict[str, Any]:
    inbox = {"$ref": "#/channels/inbox"}
    replies = {"$ref": "#/channels/replies"}
    return {
        "start": {
            "action": "receive",
            "channel": inbox,
            "summary": "Start a run, once per message_id.",
            "messages": [{"$ref": f"#/channels/inbox/messages/to_{name}"} for name in agents],
            "reply": {"address": {"location": "$message.header#/reply_to"}, "channel": replies},
        },
        "tell": {
            "action": "send",
            "channel": {"$ref": "#/channels/events"},
            "summary": "Tell whoever listens that a run has moved on.",
        },
        "announce": {
            "action": "send",
            "channel": {"$ref": "#/channels/announcements"},
            "summary": "Tell whoever listens what a program announced.",
        },
    }


def _request(card: Card, schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"to_{card.name}",
        "summary": card.description,
        "contentType": JSON,
        "headers": {
            "type": "object",
            "required": ["message_id"],
            "properties": {
                "message_id": {
                    "type": "string",
                    "description": f"AMQP property; the same one is the same run. Without it: {REASON} no_message_id.",
                },
                "reply_to": {"type": "string", "description": "AMQP property; a queue of yours."},
                "correlation_id": {
                    "type": "string",
                    "description": "AMQP property; comes back with the reply.",
                },
                CONVERSATION: {
                    "type": "string",
                    "description": "Its messages are answered one after the other.",
                },
                WITHIN: {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "description": "Seconds from its acceptance within which the run is to end.",
                },
                DEADLINE: {
                    "type": "string",
                    "format": "date-time",
                    "description": "Until when the run is to have ended; of both the earlier one holds.",
                },
            },
        },
        "payload": _lifted(card, schemas),
    }


def _lifted(card: Card, schemas: dict[str, Any]) -> Any:
    """The agent's input schema, its own definitions moved to where references of this document can reach them."""
    given = dict(card.input_schema)
    for name, schema in given.pop("$defs", {}).items():
        schemas[f"{card.name}.{name}"] = _redirected(schema, card.name)
    return _redirected(given, card.name)


def _redirected(schema: object, agent: str) -> Any:
    match schema:
        case Mapping():
            return {
                name: f"#/components/schemas/{agent}.{value.removeprefix('#/$defs/')}"
                if name == "$ref" and isinstance(value, str)
                else _redirected(value, agent)
                for name, value in schema.items()
            }
        case list():
            return [_redirected(each, agent) for each in schema]
        case _:
            return schema


def _exchange(name: str) -> dict[str, Any]:
    kind = next(one.kind for one in EXCHANGES if one.name == name)
    exchange = {"name": name, "type": kind, "durable": True, "autoDelete": False}
    return {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": BINDING_VERSION}}


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
