"""A schema tells an editor what a file of a runbook may hold, in JSON Schema and as strictly as the loader.

Quantities are text in a file, and no key may be empty: so the schema follows the loader, not the types in memory.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from msgspec import NODEFAULT
from msgspec import inspect as kinds

from watership.releases.book.quantity import PATTERNS, written
from watership.releases.book.runbook import Runbook
from watership.releases.book.system import Systems
from watership.releases.book.team import Team
from watership.releases.judging.feed import Feeds
from watership.releases.notices.comms import Comms
from watership.releases.readiness.checklist import Section
from watership.releases.service.sla import Sla

Schema = dict[str, Any]  # JSON Schema is made of JSON

FILES: Final[Mapping[str, type]] = {
    "runbook": Runbook,
    "team": Team,
    "checklist": Section,
    "comms": Comms,
    "feeds": Feeds,
    "systems": Systems,
    "sla": Sla,
}
"""The kinds of files that a runbook is made of."""

_EXAMPLES: Final = {"duration": "60s, 5m or 24h", "offset": "T-24h or T+45m", "share": "0.1% or 50%"}
_BOUNDS: Final = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_LENGTHS: Final = {"min_length": ("minLength", "minItems"), "max_length": ("maxLength", "maxItems")}


def schema(kind: type) -> Schema:
    """The JSON Schema of a file that holds this type."""
    drawn = _Drawing()
    root = drawn.of(kinds.type_info(kind))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": drawn.definitions}


class _Drawing:
    """Collects the definitions of the structs that a schema refers to."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def of(self, kind: kinds.Type) -> Schema:
        match kind:
            case kinds.Metadata(type=inner, extra=extra):
                text = str((extra or {}).get("text", ""))
                return _quantity(text, inner) if text in PATTERNS else self.of(inner)
            case kinds.StructType():
                return {"$ref": f"#/$defs/{self._defined(kind)}"}
            case kinds.UnionType(types=types):
                there = [self.of(each) for each in types if not isinstance(each, kinds.NoneType)]
                return there[0] if len(there) == 1 else {"anyOf": there}
            case kinds.VarTupleType(item_type=item) | kinds.ListType(item_type=item):
                return {"type": "array", "items": self.of(item), **_lengths(kind, 1)}
            case kinds.DictType(key_type=key, value_type=value):
                return {
                    "type": "object",
                    "propertyNames": self.of(key),
                    "additionalProperties": self.of(value),
                }
            case kinds.LiteralType(values=values):
                return {"enum": list(values)}
            case kinds.StrType(pattern=pattern):
                return {"type": "string", **({"pattern": pattern} if pattern else {}), **_lengths(kind, 0)}
            case kinds.IntType():
                return {"type": "integer", **_bounds(kind)}
            case kinds.FloatType():
                return {"type": "number", **_bounds(kind)}
            case kinds.BoolType():
                return {"type": "boolean"}
            case kinds.AnyType():
                return {}
        raise TypeError(f"A document cannot hold {kind}.")

    def _defined(self, kind: kinds.StructType) -> str:
        # Two modules may have a struct of one name.
        name = f"{kind.cls.__module__.rpartition('.')[2]}.{kind.cls.__name__}"
        if name in self.definitions:
            return name
        self.definitions[name] = {}  # what refers to itself finds the name taken
        properties: dict[str, Schema] = {}
        if kind.tag_field:
            properties[kind.tag_field] = {"enum": [kind.tag]}
        for field in kind.fields:
            properties[field.encode_name] = self.of(field.type) | _default(field)
        needed = [kind.tag_field] if kind.tag_field else []
        self.definitions[name] = {
            "description": inspect.cleandoc(kind.cls.__doc__ or ""),
            "type": "object",
            "properties": properties,
            "required": [*needed, *(field.encode_name for field in kind.fields if field.required)],
            "additionalProperties": False,
        }
        return name


def _quantity(text: str, inner: kinds.Type) -> Schema:
    bounds = [
        f"{word} {written(text, value)}"
        for name, word in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))
        if (value := getattr(inner, name, None)) is not None
    ]
    said = "; ".join([f"Such as {_EXAMPLES[text]}", *bounds])
    return {"type": "string", "pattern": PATTERNS[text], "description": f"{said}."}


def _default(field: kinds.Field) -> Schema:
    """What a field has that is not written, as it would be written."""
    value = field.default
    if value is NODEFAULT or value is None or not isinstance(value, bool | int | float | str):
        return {}
    text = _text_of(field.type)
    return {"default": written(text, value) if text and isinstance(value, float) else value}


def _text_of(kind: kinds.Type) -> str | None:
    match kind:
        case kinds.Metadata(extra=extra) if extra and extra.get("text") in PATTERNS:
            return str(extra["text"])
        case kinds.Metadata(type=inner):
            return _text_of(inner)
        case _:
            return None


def _bounds(kind: kinds.IntType | kinds.FloatType) -> Schema:
    return {word: value for name, word in _BOUNDS.items() if (value := getattr(kind, name)) is not None}


def _lengths(kind: kinds.StrType | kinds.VarTupleType | kinds.ListType, which: int) -> Schema:
    return {
        words[which]: value for name, words in _LENGTHS.items() if (value := getattr(kind, name)) is not None
    }
