"""A signature turns a function's parameters into an input schema, and JSON into its arguments."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_type_hints

import msgspec

from watership.durable.codec import encode
from watership.errors import BadInput, ProgramError

NOTHING = msgspec.Raw(b"null")
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_NAMED = re.compile(r"field `([^`]+)`")


class WrongInput(BadInput):
    """An input that does not fit the signature; `where` is the field, empty for the input as a whole."""

    code = "wrong_input"

    def __init__(self, whose: str, reason: str) -> None:
        place, named = _PLACE.search(reason), _NAMED.search(reason)
        self.where = place[1] if place else named[1] if named else ""
        at = f" at `{place[1]}`" if place and place[1] else ""
        super().__init__(f"The input of {whose} does not fit{at}: {_PLACE.sub('', reason)}.")


class Signature:
    """What `function` takes. `whose` names it in errors ("agent 'hello'").

    A single parameter of type str also takes a bare JSON string. Raises ProgramError for parameters that no
    JSON object can give.
    """

    def __init__(self, function: Callable[..., object], whose: str) -> None:
        self._whose = whose
        parameters = inspect.signature(function).parameters
        hints = _hints(function, whose)
        self._fields = [_field(each, hints, whose) for each in parameters.values()]
        self._bare = self._fields[0][0] if len(self._fields) == 1 and self._fields[0][1] is str else None
        self._shape: type[msgspec.Struct] = msgspec.defstruct(
            "Input", self._fields, forbid_unknown_fields=True, kw_only=True, frozen=True
        )
        self._decode = msgspec.json.Decoder(self._shape).decode
        self.schema = _schema(self._shape, whose)

    def read(self, raw: msgspec.Raw) -> dict[str, object]:
        """The arguments that `raw` gives. Raises WrongInput naming the field that does not fit."""
        return self._arguments(self._parse(raw))

    def check(self, raw: msgspec.Raw) -> msgspec.Raw:
        """`raw` in its normal form, an object with every given field. Raises WrongInput."""
        return encode(self._parse(raw), f"the input of {self._whose}")

    def convert(self, given: Mapping[str, Any]) -> dict[str, object]:
        """The arguments in a decoded JSON object. Raises WrongInput."""
        try:
            return self._arguments(msgspec.convert(given, self._shape))
        except msgspec.ValidationError as reason:
            raise WrongInput(self._whose, str(reason)) from reason

    def _parse(self, raw: msgspec.Raw) -> msgspec.Struct:
        text = bytes(raw).strip()
        if self._bare is not None and text.startswith(b'"'):
            text = b'{"%b":%b}' % (self._bare.encode(), text)
        elif not self._fields and text == b"null":
            text = b"{}"
        try:
            return self._decode(text)
        except msgspec.DecodeError as reason:  # malformed text, and its subclass for text of another shape
            raise WrongInput(self._whose, str(reason)) from reason

    def _arguments(self, parsed: msgspec.Struct) -> dict[str, object]:
        return {name: getattr(parsed, name) for name, *_ in self._fields}


def _hints(function: Callable[..., object], whose: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as reason:
        raise ProgramError(
            f"A type in the signature of {whose} cannot be found: {reason}.",
            fix="Import it, or define it at the module's top.",
        ) from reason


def _field(parameter: inspect.Parameter, hints: Mapping[str, Any], whose: str) -> tuple[str, Any, Any]:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise ProgramError(
            f"{whose} has the parameter {str(parameter)!r}, which no JSON object can give.",
            fix="Name each parameter.",
        )
    kind = hints.get(parameter.name, Any)
    if parameter.default is parameter.empty:
        return (parameter.name, kind, msgspec.NODEFAULT)
    if parameter.default is None or isinstance(parameter.default, str | int | float | bytes | tuple):
        return (parameter.name, kind, parameter.default)
    fresh = partial(copy.deepcopy, parameter.default)
    return (parameter.name, kind, msgspec.field(default_factory=fresh))


def _schema(shape: type[msgspec.Struct], whose: str) -> dict[str, Any]:
    """The shape as one JSON schema, with what it refers to under `$defs`."""
    try:
        (top,), parts = msgspec.json.schema_components([shape], ref_template="#/$defs/{name}")
    except TypeError as reason:
        raise ProgramError(
            f"The signature of {whose} has a type that JSON cannot give: {reason}.",
            fix="Use plain types, dataclasses or msgspec structs.",
        ) from reason
    schema: dict[str, Any] = parts.pop(str(top["$ref"]).rpartition("/")[2])
    del schema["title"]
    return {**schema, "$defs": parts} if parts else schema
