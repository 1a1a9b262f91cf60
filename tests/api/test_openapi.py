"""The document describes what is served: every route, every type, and no reference leads nowhere."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.api.world import world
from watership.api.service import endpoints


async def document() -> dict[str, Any]:
    async with world() as w:
        answer = await w.http.get("/openapi.json")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found


async def test_every_route_is_described_and_nothing_else() -> None:
    async with world() as w:
        routes = {(each.path, each.method.lower()) for each in endpoints(w.service)}
        found = (await w.http.get("/openapi.json")).json()
        assert {(path, method) for path, item in found["paths"].items() for method in item} == routes
        assert found["openapi"].startswith("3.1.")
        assert found["info"]["version"] == "2.1.0"


async def test_no_reference_leads_nowhere() -> None:
    found = await document()
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(found)))
    assert references
    for reference in references:
        place: Any = found
        for part in reference.split("/"):
            place = place[part]
        assert place


async def test_operations_have_names_of_their_own_and_declare_their_parameters() -> None:
    found = await document()
    operations = [(path, operation) for path, item in found["paths"].items() for operation in item.values()]
    names = [operation["operationId"] for _, operation in operations]
    assert len(names) == len(set(names))
    for path, operation in operations:
        declared = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))
        assert "default" in operation["responses"]


async def test_what_needs_no_token_says_so() -> None:
    found = await document()
    assert found["paths"]["/health"]["get"]["security"] == []
    assert found["paths"]["/api/v1/messages"]["post"]["security"] == [{"token": []}]
    assert found["paths"]["/api/v1/messages"]["post"]["x-role"] == "writer"


async def test_answers_have_the_fields_that_the_document_promises() -> None:
    found = await document()
    async with world() as w:
        run_id = await w.send()
        run = (await w.http.get(f"/api/v1/runs/{run_id}", headers=w.bearer("reader"))).json()
        health = (await w.http.get("/health")).json()
    schemas = found["components"]["schemas"]
    assert set(schemas["RunView"]["properties"]) == set(run)
    assert set(schemas["Health"]["properties"]) == set(health)
