"""A document is strict YAML: read without guessing, refused with the line.

Only `true` and `false` are booleans, only plain digits are integers, everything else is text: `NO` stays
`NO`, `2.10` stays `2.10`, `12:30` stays `12:30`. Duplicate and unknown keys, anchors, aliases, tags and keys
without a value are refused. What a document means is given by msgspec structs; a type that carries a
`text` (see `quantity`) is read from the way people write it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar, cast, get_type_hints

import msgspec
import yaml
from msgspec import inspect as kinds

from watership.errors import BadInput, WatershipError
from watership.releases.book.quantity import READERS, parameter

# A runbook of 60 items is about 30 kB; what is much larger is not a runbook.
MAX_BYTES = 1 << 20
# Deeper nesting than a person would read; also keeps the recursion bounded.
MAX_DEPTH = 32

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")

Value = bool | int | str
T = TypeVar("T")


class DocumentError(BadInput):
    """A document cannot be used; `line` is where to look (counted from 1)."""

    code = "bad_document"

    def __init__(self, source: str, line: int, problem: str) -> None:
        super().__init__(f"{source}:{line}: {problem}")
        self.source = source
        self.line = line
        self.problem = problem


class Misfit(BadInput):
    """What a document says does not fit with the rest: the value `word` of `field`, where it stands the `nth` time."""

    def __init__(self, message: str, *, field: str, word: str, nth: int = 1) -> None:
        super().__init__(message)
        self.field = field
        self.word = word
        self.nth = nth

    def placed(self, files: Mapping[str, bytes]) -> DocumentError | None:
        """The same with its file and line, if it is found in one of these."""
        said = re.compile(rf"""\b{self.field}:\s*["']?{re.escape(self.word)}["']?\s*([,}}#]|$)""")
        places = [
            (file, number)
            for file, content in files.items()
            for number, line in enumerate(content.decode(errors="replace").splitlines(), 1)
            for _ in said.finditer(line)
        ]
        if len(places) < self.nth:
            return None
        file, line = places[self.nth - 1]
        return DocumentError(file, line, self.message)


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text as it stands in the file; `plain` means that it was not quoted."""

    line: int
    text: str
    plain: bool

    def value(self) -> Value:
        if self.plain and self.text in ("true", "false"):
            return self.text == "true"
        if self.plain and _INTEGER.fullmatch(self.text):
            return int(self.text)
        return self.text


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of nodes."""

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Keyed:
    """Keys with their own lines, in the order of the file."""

    line: int
    items: dict[str, Node]
    key_lines: dict[str, int]


Node = Scalar | Listed | Keyed


def load(path: Path, shape: type[T]) -> T:
    """Read a file as `shape`. Raises DocumentError."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    return parse(content, shape, source=path.name)


def parse(content: bytes | str, shape: type[T], *, source: str = "document") -> T:
    """Read text as `shape`. Raises DocumentError."""
    return cast(
        T, _Builder(source).build(tree(content, source=source), kinds.type_info(shape), "the document")
    )


def tree(content: bytes | str, *, source: str = "document") -> Node:
    """The nodes of a text, each with its line, before it is known what they mean. Raises DocumentError."""
    raw = content.encode() if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        raise DocumentError(source, 1, f"longer than {MAX_BYTES:,} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DocumentError(source, line, "not UTF-8 text") from error
    return _Reader(source).read(text)


class _Reader:
    """Turns YAML's events into nodes, refusing what a careful author would not write."""

    def __init__(self, source: str) -> None:
        self.source = source

    def read(self, text: str) -> Node:
        try:
            events = iter(list(yaml.parse(text, Loader=yaml.SafeLoader)))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.refuse(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}")
        except yaml.YAMLError as error:
            self.refuse(1, f"not YAML: {error}")
        next(events)  # the start of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            self.refuse(1, "empty")
        node = self._node(next(events), events, MAX_DEPTH)
        next(events)  # the end of the document
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            self.refuse(_line(after), "a second document begins; one file is one document")
        return node

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        line = _line(event)
        if depth == 0:
            self.refuse(line, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            self.refuse(line, "anchors and aliases are not allowed; write the value out")
        if (tag := getattr(event, "tag", None)) is not None:
            self.refuse(line, f"the tag {tag} is not allowed")
        match event:
            case yaml.ScalarEvent():
                return Scalar(line, event.value, plain=event.style is None)
            case yaml.SequenceStartEvent():
                return Listed(line, tuple(self._sequence(events, depth)))
            case yaml.MappingStartEvent():
                return self._mapping(line, events, depth)
        raise DocumentError(self.source, line, f"unexpected {type(event).__name__}")

    def _sequence(self, events: Iterator[yaml.Event], depth: int) -> Iterator[Node]:
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            yield self._node(event, events, depth - 1)

    def _mapping(self, line: int, events: Iterator[yaml.Event], depth: int) -> Keyed:
        items: dict[str, Node] = {}
        key_lines: dict[str, int] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._node(event, events, depth - 1)
            if not isinstance(key, Scalar):
                self.refuse(key.line, "a key must be text")
            if key.text in items:
                first = key_lines[key.text]
                self.refuse(key.line, f"the key '{key.text}' stands here twice (first on line {first})")
            value = self._node(next(events), events, depth - 1)
            if isinstance(value, Scalar) and value.plain and not value.text:
                self.refuse(key.line, f"the key '{key.text}' has no value (for empty text write \"\")")
            items[key.text], key_lines[key.text] = value, key.line
        return Keyed(line, items, key_lines)

    def refuse(self, line: int, problem: str) -> NoReturn:
        raise DocumentError(self.source, line, problem)


class _Builder:
    """Builds the values of msgspec's types from nodes, so that every refusal knows its line."""

    def __init__(self, source: str) -> None:
        self.source = source

    def build(self, node: Node, kind: kinds.Type, where: str) -> object:
        match kind:
            case kinds.Metadata(extra={"text": "parameter"}):
                scalar = self._scalar(node, where)
                value = scalar.value()
                return parameter(value) if scalar.plain and isinstance(value, str) else value
            case kinds.Metadata(extra=extra) if extra and "text" in extra:
                return self._quantity(node, str(extra["text"]), where)
            case kinds.Metadata(type=inner):
                return self.build(node, inner, where)
            case kinds.StructType():
                return self._struct(node, kind, where)
            case kinds.UnionType(types=types):
                return self._union(node, types, where)
            case kinds.VarTupleType(item_type=item) | kinds.ListType(item_type=item):
                return self._list(node, kind, item, where)
            case kinds.DictType(value_type=value):
                mapping = self._mapping(node, where)
                return {key: self.build(item, value, f"'{key}'") for key, item in mapping.items.items()}
            case kinds.AnyType():
                return _free(node)
            case _:
                return self._leaf(node, kind, where)

    def _struct(self, node: Node, kind: kinds.StructType, where: str) -> object:
        mapping = self._mapping(node, where)
        fields = {field.encode_name: field for field in kind.fields}
        tag = {kind.tag_field} if kind.tag_field else set()
        for key, line in mapping.key_lines.items():
            if key not in fields and key not in tag:
                self.refuse(line, f"unknown key '{key}'{nearest(key, [*fields, *sorted(tag)])}")
        for name, field in fields.items():
            if field.required and name not in mapping.items:
                self.refuse(mapping.line, f"{where} lacks the key '{name}'")
        hints = get_type_hints(kind.cls, include_extras=True)
        values = {
            field.name: self._bounded(mapping.items[name], field, hints[field.name])
            for name, field in fields.items()
            if name in mapping.items
        }
        try:
            return kind.cls(**values)
        except WatershipError as error:
            raise DocumentError(self.source, mapping.line, f"{where}: {error}") from error

    def _bounded(self, node: Node, field: kinds.Field, hint: object) -> object:
        """A field's value, within the bounds that its type states."""
        built = self.build(node, field.type, f"'{field.encode_name}'")
        try:
            return msgspec.convert(built, hint)
        except msgspec.ValidationError as error:
            problem = str(error).partition(" - at ")[0]
            self.refuse(node.line, f"'{field.encode_name}' is out of bounds: {problem}")

    def _union(self, node: Node, types: Sequence[kinds.Type], where: str) -> object:
        structs = [kind for kind in types if isinstance(kind, kinds.StructType)]
        others = [kind for kind in types if not isinstance(kind, kinds.StructType | kinds.NoneType)]
        if structs and isinstance(node, Keyed):
            return self._struct(node, self._chosen(node, structs, where), where)
        if len(others) == 1:
            return self.build(node, others[0], where)
        if structs and not others:
            self._mapping(node, where)
        if isinstance(node, Scalar):
            return node.value()
        raise DocumentError(self.source, node.line, f"{where} must be a single value")

    def _chosen(self, node: Keyed, structs: Sequence[kinds.StructType], where: str) -> kinds.StructType:
        if len(structs) == 1:
            return structs[0]
        field = str(structs[0].tag_field)
        tags = {str(kind.tag): kind for kind in structs}
        given = node.items.get(field)
        if given is None:
            self.refuse(node.line, f"{where} lacks the key '{field}' (one of: {', '.join(tags)})")
        if not isinstance(given, Scalar) or given.text not in tags:
            text = given.text if isinstance(given, Scalar) else "…"
            self.refuse(given.line, f"unknown {field} '{text}'{nearest(text, list(tags))}")
        return tags[given.text]

    def _list(self, node: Node, kind: kinds.Type, item: kinds.Type, where: str) -> object:
        if not isinstance(node, Listed):
            self.refuse(node.line, f"{where} must be a list")
        built = [self.build(each, item, f"an entry of {where}") for each in node.items]
        return built if isinstance(kind, kinds.ListType) else tuple(built)

    def _quantity(self, node: Node, text: str, where: str) -> float:
        try:
            return READERS[text](self._scalar(node, where).text)
        except ValueError as error:
            self.refuse(node.line, f"{where}: {error}")

    def _leaf(self, node: Node, kind: kinds.Type, where: str) -> object:
        scalar = self._scalar(node, where)
        value = scalar.value()
        match kind:
            case kinds.StrType():
                return scalar.text
            case kinds.BoolType():
                wanted, fits = "true or false", isinstance(value, bool)
            case kinds.IntType():
                wanted, fits = "a whole number", isinstance(value, int) and not isinstance(value, bool)
            case kinds.FloatType():
                if scalar.plain and _DECIMAL.fullmatch(scalar.text):
                    return float(scalar.text)
                wanted, fits = "a number", False
            case kinds.LiteralType(values=values):
                if scalar.text in values:
                    return scalar.text
                choices = [str(choice) for choice in values]
                wanted, fits = f"one of: {', '.join(choices)}{nearest(scalar.text, choices)}", False
            case _:
                raise TypeError(f"A document cannot hold {kind}.")
        if not fits:
            self.refuse(node.line, f"{where} is '{scalar.text}', but must be {wanted}")
        return value

    def _mapping(self, node: Node, where: str) -> Keyed:
        if not isinstance(node, Keyed):
            self.refuse(node.line, f"{where} must be a mapping of keys to values")
        return node

    def _scalar(self, node: Node, where: str) -> Scalar:
        if not isinstance(node, Scalar):
            self.refuse(node.line, f"{where} must be a single value")
        return node

    def refuse(self, line: int, problem: str) -> NoReturn:
        raise DocumentError(self.source, line, problem)


def _free(node: Node) -> object:
    """A value whose shape the document itself decides, such as a message's input."""
    match node:
        case Keyed(items=items):
            return {key: _free(item) for key, item in items.items()}
        case Listed(items=entries):
            return [_free(entry) for entry in entries]
        case _:
            return node.value()


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" — did you mean '{close[0]}'?" if close else ""
