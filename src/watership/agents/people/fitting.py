"""Fitting: whether a value is what a JSON schema asks for, and at which field it is not.

For the schemas that msgspec makes of types. What it does not know (formats) it lets pass: the type itself has the
last word, when the program reads the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Schema = Mapping[str, Any]

DEPTH = 100
"""Levels that are looked into; no person writes deeper."""


class Misfit(NamedTuple):
    """The field that does not fit, empty for the value as a whole, and why."""

    where: str
    reason: str


def misfit(schema: Schema, value: object) -> Misfit | None:
    """The first thing in `value` that does not fit; None where all does."""
    return next(_look(schema, value, schema, "", 0), None)


def _look(schema: Schema, value: object, root: Schema, where: str, depth: int) -> Iterator[Misfit]:
    if depth > DEPTH:
        yield Misfit(where, f"it is nested more than {DEPTH} levels deep")
        return
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        yield from _look(root["$defs"][name], value, root, where, depth + 1)
        return
    if "anyOf" in schema:
        yield from _any_of(schema["anyOf"], value, root, where, depth)
        return
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        yield Misfit(where, f"it is none of {', '.join(repr(each) for each in schema['enum'])}")
    if "const" in schema and not _same(value, schema["const"]):
        yield Misfit(where, f"it is not {schema['const']!r}")
    kind = schema.get("type")
    if kind is not None and not _IS[kind](value):
        yield Misfit(where, f"it is no {kind}")
        return
    yield from _bounds(schema, value, where)
    if isinstance(value, dict):
        yield from _fields(schema, value, root, where, depth)
    elif isinstance(value, list):
        yield from _items(schema, value, root, where, depth)


def _any_of(choices: list[Schema], value: object, root: Schema, where: str, depth: int) -> Iterator[Misfit]:
    """The misfit of the one choice that it might be, where there is one; or that it is none of them."""
    wrong = [next(_look(each, value, root, where, depth + 1), None) for each in choices]
    if None in wrong:
        return
    inside = [each for each in wrong if each is not None and each.where != where]
    yield inside[0] if len(inside) == 1 else Misfit(where, "it is none of the types that are taken")


def _bounds(schema: Schema, value: object, where: str) -> Iterator[Misfit]:
    for bound, (fits, words) in _BOUNDS.items():
        if bound in schema and _SIZED[bound](value) and not fits(value, schema[bound]):
            yield Misfit(where, words.format(schema[bound]))


def _fields(
    schema: Schema, value: Mapping[str, Any], root: Schema, where: str, depth: int
) -> Iterator[Misfit]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield Misfit(_at(where, name), "it is missing")
    others = schema.get("additionalProperties", True)
    for name, each in value.items():
        inner = known.get(name, others)
        if inner is False:
            yield Misfit(_at(where, name), "there is no such field")
        elif isinstance(inner, Mapping):
            yield from _look(inner, each, root, _at(where, name), depth + 1)


def _items(schema: Schema, value: list[Any], root: Schema, where: str, depth: int) -> Iterator[Misfit]:
    first = schema.get("prefixItems", ())
    for index, each in enumerate(value):
        inner = first[index] if index < len(first) else schema.get("items", True)
        if isinstance(inner, Mapping):
            yield from _look(inner, each, root, f"{where}[{index}]", depth + 1)


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _same(value: object, other: object) -> bool:
    """Equal as JSON: true is not 1."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return _number(value) and float(value).is_integer()  # type: ignore[arg-type]  # a number, as was just seen


_IS: Mapping[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": _number,
    "integer": _whole,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}

_BOUNDS: Mapping[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (lambda value, bound: value >= bound, "it is below {}"),
    "maximum": (lambda value, bound: value <= bound, "it is above {}"),
    "exclusiveMinimum": (lambda value, bound: value > bound, "it is not above {}"),
    "exclusiveMaximum": (lambda value, bound: value < bound, "it is not below {}"),
    "multipleOf": (lambda value, bound: value % bound == 0, "it is no multiple of {}"),
    "minLength": (lambda value, bound: len(value) >= bound, "it has fewer than {} characters"),
    "maxLength": (lambda value, bound: len(value) <= bound, "it has more than {} characters"),
    "pattern": (lambda value, bound: re.search(bound, value) is not None, "it does not match {}"),
    "minItems": (lambda value, bound: len(value) >= bound, "it has fewer than {} items"),
    "maxItems": (lambda value, bound: len(value) <= bound, "it has more than {} items"),
    "minProperties": (lambda value, bound: len(value) >= bound, "it has fewer than {} fields"),
    "maxProperties": (lambda value, bound: len(value) <= bound, "it has more than {} fields"),
}

_SIZED: Mapping[str, Callable[[object], bool]] = {
    bound: _IS["array"]
    if bound.endswith("Items")
    else _IS["object"]
    if bound.endswith("Properties")
    else _IS["string"]
    if bound.endswith("Length") or bound == "pattern"
    else _number
    for bound in _BOUNDS
}
"""Of which values each bound speaks."""
