"""Of two OpenAPI documents the later one may add, and take nothing away that a client relies on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from watership.releases.checks.openapi import (
    NOTHING,
    Json,
    mapping,
    operations,
    parameters,
    resolved,
    sequence,
)

DEEP: Final = 12
"""How far schemas are followed into each other: deeper ones refer to themselves."""


def breaking(before: Json, after: Json) -> list[str]:
    """What a client that relies on `before` would no longer find, or would now have to send."""
    there = {(_plain(path), method): operation for path, method, operation in operations(after)}
    paths = {path for path, _ in there}
    wrong: list[str] = []
    for path, method, old in operations(before):
        new, name = there.get((_plain(path), method)), f"{method.upper()} {path}"
        if _plain(path) not in paths:
            wrong.append(f"{path} is gone")
        elif new is None:
            wrong.append(f"{name} is gone")
        else:
            wrong += (f"{name}: {words}" for words in _changed(before, old, after, new))
    return list(dict.fromkeys(wrong))


def _plain(path: str) -> str:
    """A path without the names of its parameters, which no client sends."""
    return re.sub(r"{\w+}", "{}", path)


def _changed(before: Json, old: Json, after: Json, new: Json) -> Iterator[str]:
    yield from _parameters(
        {_place(each): each for each in parameters(before, old)},
        {_place(each): each for each in parameters(after, new)},
    )
    was, now = resolved(before, old.get("requestBody")), resolved(after, new.get("requestBody"))
    if now.get("required") and not was.get("required"):
        yield "a body is required now"
    if was and now:
        yield from _asked(Value.of(before, was), Value.of(after, now), "")
    for status, response in mapping(old.get("responses")).items():
        answer = mapping(new.get("responses")).get(status)
        if not status.startswith("2"):
            continue
        if answer is None:
            yield f"it does not answer {status} any more"
        else:
            yield from _told(
                Value.of(before, resolved(before, response)), Value.of(after, resolved(after, answer)), ""
            )


def _place(parameter: Json) -> tuple[str, str]:
    return str(parameter.get("name")), str(parameter.get("in"))


def _parameters(was: dict[tuple[str, str], Json], now: dict[tuple[str, str], Json]) -> Iterator[str]:
    """Those of a path are its own; they stand in the path."""
    for (name, where), parameter in now.items():
        if (
            parameter.get("required")
            and where != "path"
            and not was.get((name, where), NOTHING).get("required")
        ):
            yield f"the parameter {name} ({where}) is required now"
    for name, where in was.keys() - now.keys():
        if where != "path":
            yield f"the parameter {name} ({where}) is not known any more"


@dataclass(frozen=True, slots=True)
class Value:
    """A value that is sent or told, by its schema. `depth`: how many schemas it lies within."""

    document: Json
    schema: Json
    depth: int = 0

    @classmethod
    def of(cls, document: Json, carrier: Json) -> Value:
        """What a body holds, as JSON before any other type."""
        content = mapping(carrier.get("content"))
        chosen = mapping(content.get("application/json", next(iter(content.values()), None)))
        return cls(document, resolved(document, chosen.get("schema")))

    @property
    def comparable(self) -> bool:
        return bool(self.schema) and self.depth < DEEP

    @property
    def fields(self) -> dict[str, Value]:
        """Its fields; what an array holds is the field `[]`."""
        named = dict(mapping(self.schema.get("properties")))
        if "items" in self.schema:
            named["[]"] = self.schema["items"]
        return {
            name: Value(self.document, resolved(self.document, each), self.depth + 1)
            for name, each in named.items()
        }

    @property
    def required(self) -> set[str]:
        return {str(name) for name in sequence(self.schema.get("required"))}

    @property
    def kinds(self) -> set[str]:
        """The types of JSON that it may have; empty where the schema does not say."""
        return _kinds(self.document, self.schema)


def _asked(was: Value, now: Value, at: str) -> Iterator[str]:
    """What a client must send that it needed not, or may not send any more."""
    if not was.comparable or not now.comparable:
        return
    if now.kinds and (lost := was.kinds - now.kinds):
        yield f"the request's {at or 'body'} may not be {', '.join(sorted(lost))} any more"
    for name in sorted(now.required - was.required):
        yield f"the request's field {_below(at, name)} is required now"
    there = now.fields
    for name, field in was.fields.items():
        if name in there:
            yield from _asked(field, there[name], _below(at, name))
        elif now.schema.get("additionalProperties") is False:
            yield f"the request's field {_below(at, name)} is refused now"


def _told(was: Value, now: Value, at: str) -> Iterator[str]:
    """What a client was told and is told no more, or is told in another type."""
    if not was.comparable or not now.comparable:
        return
    if was.kinds and (strange := now.kinds - was.kinds):
        yield f"the answer's {at or 'body'} may be {', '.join(sorted(strange))} now"
    there = now.fields
    for name, field in was.fields.items():
        if name not in there:
            yield f"the answer's field {_below(at, name)} is gone"
            continue
        if name in was.required - now.required:
            yield f"the answer's field {_below(at, name)} may be missing now"
        yield from _told(field, there[name], _below(at, name))


def _below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _kinds(document: Json, schema: Json, depth: int = 0) -> set[str]:
    kind = schema.get("type")
    found = {kind} if isinstance(kind, str) else {str(each) for each in sequence(kind)}
    for word in ("anyOf", "oneOf"):
        for each in sequence(schema.get(word)) if depth < DEEP else ():
            found |= _kinds(document, resolved(document, each), depth + 1)
    return found
