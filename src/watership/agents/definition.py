"""A definition is what an agent is made of, part by part; one whose parts hash alike is the same agent still."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from types import CodeType
from typing import Any, Final, TypeAlias

import msgspec

from watership.agents.tool import Tool
from watership.durable.codec import fingerprint as hashed

HASH: Final = 12
"""Hex digits of a hash: among a build's agents and parts chance makes no two alike."""

Definition: TypeAlias = Mapping[str, str]
"""The hash of each part, by its name."""


def defined(parts: Mapping[str, object]) -> Definition:
    """The definition of what has these parts.

    A function counts by its own text, not by what it calls; a tool by its text, description, parameters and effect;
    an object of another library by its type and the model that it names. What a whole build holds, its digest tells.
    """
    return {name: _hash(part) for name, part in parts.items()}


def fingerprint(definition: Definition) -> str:
    """One hash for all of it."""
    return _hash(definition)


def changes(before: Definition, after: Definition) -> dict[str, str]:
    """What became of the parts that are not the same: "new", "gone" or "changed"."""
    told = dict.fromkeys(before.keys() - after.keys(), "gone")
    told |= dict.fromkeys(after.keys() - before.keys(), "new")
    told |= {name: "changed" for name in before.keys() & after.keys() if before[name] != after[name]}
    return dict(sorted(told.items()))


def _hash(part: object) -> str:
    return hashed(_described(part), "a part of an agent's definition")[:HASH]


def _described(value: object) -> object:
    """`value` as data that is the same in another process, and differs where somebody changed it."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Enum():
            return _described(value.value)
        case Tool():
            return [value.name, value.description, value.signature.schema, _text(value.call)] + [
                _described(each) for each in (value.options, value.approval)
            ]
        case partial():
            return [_text(value.func), _described(value.args), _described(value.keywords)]
        case type():
            return [value.__qualname__, _schema(value)]
        case Mapping():
            return {str(key): _described(each) for key, each in value.items()}
        case Set():
            return sorted(str(each) for each in value)
        case Sequence():
            return [_described(each) for each in value]
        case _ if callable(value) and hasattr(value, "__code__"):
            return _text(value)
        case _:
            return [type(value).__qualname__, _fields(value)]


def _fields(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return {name: _described(getattr(value, name)) for name in value.__struct_fields__}
    if is_dataclass(value):
        # What is not shown may be a secret, and a hash of it is one as well.
        return {each.name: _described(getattr(value, each.name)) for each in fields(value) if each.repr}
    name = getattr(value, "model_name", None)
    return name if isinstance(name, str) else None


def _schema(kind: type[object]) -> object:
    try:
        return msgspec.json.schema(kind)
    except (TypeError, RuntimeError):  # another library's type: its name and its text have to do
        return _text(kind)


def _text(function: Callable[..., Any]) -> object:
    """Its source; where that is not to be had, what it was compiled to."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return _compiled(code) if isinstance(code, CodeType) else repr(type(function))


def _compiled(code: CodeType) -> object:
    inner = [_compiled(each) for each in code.co_consts if isinstance(each, CodeType)]
    plain = [repr(each) for each in code.co_consts if not isinstance(each, CodeType | frozenset)]
    return [code.co_code.hex(), plain, list(code.co_names), inner]
