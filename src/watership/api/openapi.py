"""The OpenAPI 3.1 document, made from the table of endpoints and the types they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from watership.api.endpoint import KEY_CHARACTERS, Endpoint
from watership.api.given import PUBLIC, Facts
from watership.api.page import LINK_PATH
from watership.api.problems import MEDIA_TYPE, Problem

_MEDIA: Final = {LINK_PATH: "text/html"}

REFERENCE: Final = "#/components/schemas/{name}"


def document(endpoints: Sequence[Endpoint], facts: Facts) -> dict[str, Any]:
    """The whole document."""
    types = list(
        dict.fromkeys(kind for each in endpoints for kind in (each.takes, each.gives) if kind is not None)
    )
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=REFERENCE)
    named = dict(zip([*types, Problem], schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Watership", "version": facts.version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": {
                "Problem": {
                    "description": "It was refused; the document says why.",
                    "content": {MEDIA_TYPE: {"schema": named[Problem]}},
                }
            },
        },
    }


def _operation(each: Endpoint, named: dict[type, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(each),
        "summary": each.about,
        "parameters": _parameters(each),
        "responses": {
            str(each.status): _answer(each, named),
            "default": {"$ref": "#/components/responses/Problem"},
        },
        "security": [] if each.scope == PUBLIC else [{"token": []}],
    }
    if each.scope != PUBLIC:
        operation["x-role"] = each.scope
    if each.takes is not None:
        operation["requestBody"] = {
            "required": each.status == 202,
            "content": {"application/json": {"schema": named[each.takes]}},
        }
    return operation


def _answer(each: Endpoint, named: dict[type, dict[str, Any]]) -> dict[str, Any]:
    if each.socket and each.gives is not None:
        words = "The connection is a WebSocket now; each of its messages is one of these."
        return {"description": words, "content": {"application/json": {"schema": named[each.gives]}}}
    if each.gives is not None:
        return {"description": "Done.", "content": {"application/json": {"schema": named[each.gives]}}}
    kind = _MEDIA.get(each.path, "text/event-stream" if each.path.endswith("/events") else "text/plain")
    return {"description": "Done.", "content": {kind: {"schema": {"type": "string"}}}}


def _parameters(each: Endpoint) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", each.path)
    ]
    found += [
        {"name": name, "in": "query", "schema": {"type": "string"}} for name in sorted(each.query or ())
    ]
    if each.method == "POST":
        schema = {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS}
        found.append({"name": "Idempotency-Key", "in": "header", "schema": schema})
    return found


def _operation_id(each: Endpoint) -> str:
    words = re.findall(r"[a-z_]+", each.path.removeprefix("/api/v1").lower())
    return "_".join([each.method.lower(), *words])
