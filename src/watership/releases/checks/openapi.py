"""An OpenAPI document tells of operations; what a client would stumble over in it is found here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

Json = Mapping[str, object]

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

DEEP: Final = 12
"""How far schemas are followed into each other: deeper ones refer to themselves."""

NOTHING: Final[Json] = {}


def mapping(value: object) -> Json:
    """The value when it is an object of JSON, else an empty one."""
    return cast(Json, value) if isinstance(value, dict) else NOTHING


def sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation of everything that the document tells of."""
    for path, item in mapping(document.get("paths")).items():
        for method, operation in mapping(item).items():
            if method in METHODS:
                shared = [
                    *sequence(mapping(item).get("parameters")),
                    *sequence(mapping(operation).get("parameters")),
                ]
                yield path, method, {**mapping(operation), "parameters": shared}


def faults(document: Json) -> list[str]:
    """What makes it no valid OpenAPI 3 document, as far as a client would notice."""
    return [*_head(document), *_dangling(document), *_operations(document)]


def _head(document: Json) -> Iterator[str]:
    if not str(document.get("openapi", "")).startswith("3."):
        yield "it is no OpenAPI 3 document"
    for name in ("title", "version"):
        if not mapping(document.get("info")).get(name):
            yield f"info has no {name}"
    if not any(True for _ in operations(document)):
        yield "it tells of no operation"


def _operations(document: Json) -> Iterator[str]:
    seen: dict[str, str] = {}
    for path, method, operation in operations(document):
        name = f"{method.upper()} {path}"
        if not mapping(operation.get("responses")):
            yield f"{name} has no response"
        for response in mapping(operation.get("responses")).values():
            if not resolved(document, response).get("description"):
                yield f"{name} has a response without a description"
        known = {each.get("name") for each in parameters(document, operation) if each.get("in") == "path"}
        yield from (
            f"{name} does not tell of {{{word}}}"
            for word in re.findall(r"{(\w+)}", path)
            if word not in known
        )
        identity = str(operation.get("operationId", name))
        if identity in seen:
            yield f"{name} and {seen[identity]} have one operationId"
        seen[identity] = name


def _dangling(document: Json) -> Iterator[str]:
    """References to nothing."""
    left: list[object] = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            reference = value.get("$ref")
            if (
                isinstance(reference, str)
                and reference.startswith("#/")
                and _place(document, reference) is None
            ):
                yield f"{reference} leads nowhere"
            left += value.values()
        elif isinstance(value, list):
            left += value


def resolved(document: Json, value: object) -> Json:
    """The object itself, or what it refers to within the document."""
    there = mapping(value)
    for _ in range(DEEP):
        reference = there.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return there
        there = mapping(_place(document, reference))
    return there


def _place(document: Json, reference: str) -> object:
    there: object = document
    for word in reference.removeprefix("#/").split("/"):
        there = mapping(there).get(word.replace("~1", "/").replace("~0", "~"))
    return there


def parameters(document: Json, operation: Json) -> list[Json]:
    return [resolved(document, each) for each in sequence(operation.get("parameters"))]
