"""OpenAPI documents: our own is without a fault, and what takes something away is found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.world import world
from watership.releases.checks.compatibility import breaking
from watership.releases.checks.openapi import faults


def before() -> dict[str, Any]:
    job = {
        "type": "object",
        "required": ["id", "state"],
        "properties": {
            "id": {"type": "string"},
            "state": {"enum": ["open"], "type": "string"},
            "owner": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}},
        },
    }
    order = {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}, "note": {"type": "string"}},
    }
    told = {
        "description": "A job.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}},
    }
    identity = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    page = {"name": "page", "in": "query", "schema": {"type": "string"}}
    asked = {"content": {"application/json": {"schema": order | {"additionalProperties": False}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Jobs", "version": "1"},
        "paths": {
            "/jobs": {"post": {"operationId": "make", "requestBody": asked, "responses": {"201": told}}},
            "/jobs/{id}": {
                "parameters": [identity],
                "get": {"operationId": "read", "parameters": [page], "responses": {"200": told}},
            },
        },
        "components": {"schemas": {"Job": job}},
    }


def changed(change: Callable[[Any], object]) -> dict[str, Any]:
    document = copy.deepcopy(before())
    change(document)
    return document


def made(document: Any) -> Any:
    return document["paths"]["/jobs"]["post"]


def read(document: Any) -> Any:
    return document["paths"]["/jobs/{id}"]["get"]


def order(document: Any) -> Any:
    return document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]


def job(document: Any) -> Any:
    return document["components"]["schemas"]["Job"]


async def test_our_own_document_is_without_a_fault_and_compatible_with_itself() -> None:
    async with world() as w:
        document = (await w.http.get("/openapi.json")).json()
    assert faults(document) == []
    assert breaking(document, document) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["paths"].pop("/jobs"), "/jobs is gone"),
        (lambda d: d["paths"]["/jobs/{id}"].pop("get"), "/jobs/{id} is gone"),
        (
            lambda d: d["paths"]["/jobs/{id}"].update(put=d["paths"]["/jobs/{id}"].pop("get")),
            "GET /jobs/{id} is gone",
        ),
        (
            lambda d: made(d)["responses"].update({"200": made(d)["responses"].pop("201")}),
            "does not answer 201",
        ),
        (lambda d: made(d)["requestBody"].update(required=True), "a body is required now"),
        (lambda d: order(d)["required"].append("note"), "field note is required now"),
        (lambda d: order(d)["properties"].pop("note"), "field note is refused now"),
        (lambda d: order(d)["properties"]["note"].update(type="integer"), "note may not be string any more"),
        (lambda d: read(d)["parameters"][0].update(required=True), "page (query) is required now"),
        (lambda d: read(d)["parameters"].clear(), "page (query) is not known any more"),
        (lambda d: job(d)["properties"].pop("owner"), "answer's field owner is gone"),
        (lambda d: job(d)["required"].remove("state"), "answer's field state may be missing now"),
        (lambda d: job(d)["properties"]["id"].update(type="integer"), "answer's id may be integer now"),
        (
            lambda d: job(d)["properties"]["parts"].update(items={"type": "string"}),
            "answer's parts.[] may be string",
        ),
    ],
)
def test_what_takes_something_away_is_named(change: Callable[[Any], object], words: str) -> None:
    assert any(words in each for each in breaking(before(), changed(change))), breaking(
        before(), changed(change)
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["paths"].update({"/more": {"get": {"responses": {"200": {"description": "More."}}}}}),
        lambda d: d["paths"].update({"/jobs/{job_id}": d["paths"].pop("/jobs/{id}")}),
        lambda d: order(d)["properties"].update(more={"type": "string"}),
        lambda d: order(d)["required"].clear(),
        lambda d: job(d)["properties"].update(more={"type": "string"}),
        lambda d: job(d)["properties"].update(owner={"type": "string"}),
        lambda d: read(d)["parameters"].append({"name": "q", "in": "query"}),
        lambda d: d["info"].update(version="2"),
    ],
)
def test_what_adds_something_breaks_nothing(change: Callable[[Any], object]) -> None:
    assert breaking(before(), changed(change)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(openapi="2.0"), "no OpenAPI 3"),
        (lambda d: d["info"].pop("version"), "info has no version"),
        (lambda d: d["paths"].clear(), "no operation"),
        (lambda d: made(d).pop("responses"), "POST /jobs has no response"),
        (lambda d: made(d).update(operationId="read"), "have one operationId"),
        (lambda d: d["paths"]["/jobs/{id}"].pop("parameters"), "does not tell of {id}"),
        (lambda d: d["components"]["schemas"].clear(), "#/components/schemas/Job leads nowhere"),
        (
            lambda d: made(d)["responses"]["201"].pop("description"),
            "without a description",
        ),
    ],
)
def test_a_document_with_a_fault_is_not_valid(change: Callable[[Any], object], words: str) -> None:
    assert faults(before()) == []
    assert any(words in each for each in faults(changed(change)))
