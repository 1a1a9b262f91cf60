"""What an editor is told of a runbook's files agrees with what the loader reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.releases.book.lint.books import changed
from watership.releases.book.document import DocumentError, Keyed, Listed, Node, Scalar, parse, tree
from watership.releases.book.quantity import PATTERNS, duration, offset, share, written
from watership.releases.book.schema import FILES, Schema, schema
from watership.releases.book.shelf import Source, names, read, shipped


def plain(node: Node) -> Any:
    """A node as an editor's YAML sees it."""
    match node:
        case Keyed(items=items):
            return {key: plain(value) for key, value in items.items()}
        case Listed(items=entries):
            return [plain(each) for each in entries]
        case Scalar():
            value = node.value()
            if isinstance(value, str) and node.plain and re.fullmatch(r"-?\d+\.\d+", value):
                return float(value)
            return value


TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def against(value: Any, rule: Schema, whole: Schema) -> Iterator[str]:
    """What is wrong with a value by the words of JSON Schema that we use."""
    if "$ref" in rule:
        rule = whole["$defs"][rule["$ref"].rpartition("/")[2]]
    if "anyOf" in rule:
        if all(any(against(value, each, whole)) for each in rule["anyOf"]):
            yield f"{value!r} fits none of {len(rule['anyOf'])}"
    elif "enum" in rule:
        if value not in rule["enum"]:
            yield f"{value!r} is none of {rule['enum']}"
    elif not isinstance(value, TYPES[rule["type"]]):
        yield f"{value!r} is no {rule['type']}"
    else:
        yield from within(value, rule, whole)


def within(value: Any, rule: Schema, whole: Schema) -> Iterator[str]:
    """The same, of a value of the right type."""
    match value:
        case dict():
            properties, more = rule.get("properties", {}), rule.get("additionalProperties", {})
            yield from (f"lacks {name}" for name in rule.get("required", []) if name not in value)
            yield from (f"knows no {name}" for name in value if name not in properties and more is False)
            for name in value if more is not False else value.keys() & properties.keys():
                yield from against(value[name], properties.get(name, more), whole)
        case list():
            yield from ["too few"] * (len(value) < rule.get("minItems", 0))
            for each in value:
                yield from against(each, rule["items"], whole)
        case str() if "pattern" in rule and not re.search(rule["pattern"], value):
            yield f"{value!r} is not like {rule['pattern']}"
        case int() | float() if value < rule.get("minimum", value) or value > rule.get("maximum", value):
            yield f"{value!r} is out of bounds"


def kind(content: bytes) -> str:
    return next(name for name in FILES if f"watership/{name}/v1".encode() in content)


def problems(source: Source) -> list[str]:
    found = []
    for name, content in source.files.items():
        if name.endswith(".md"):
            continue
        whole = schema(FILES[kind(content)])
        found += [f"{name}: {each}" for each in against(plain(tree(content)), whole, whole)]
    return found


@pytest.mark.parametrize("name", names())
def test_what_is_shipped_fits_the_schema(name: str) -> None:
    assert problems(shipped(name)) == []


def test_the_shipped_sla_fits_the_schema() -> None:
    content = (resources.files("watership") / "runbooks" / "agent-orchestrator" / "sla.yaml").read_bytes()
    whole = schema(FILES["sla"])
    assert list(against(plain(tree(content)), whole, whole)) == []


def test_a_runbook_of_several_files_fits_them(tmp_path: Path) -> None:
    source = read(changed(tmp_path))
    assert problems(source) == []
    assert {kind(content) for content in source.files.values()} == {"runbook", "team", "checklist"}


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("expires: 24h", "expires: 24"),
        ("expires: 24h", "expires: a day"),
        ("at: T-1h", "at: -1h"),
        ("weight: 50%", "weight: 0.5"),
        ("title: A small go-live", "titel: A small go-live"),
        ("    owner: lead\n", ""),
        ("do: soak", "do: soke"),
        ("min_samples: 3000", "min_samples: 0"),
        ("on_failure: stop", "on_failure: NO"),
        ("arms: [{ against: limit, of: errors, limit: 2%, sees: 5% }]", "arms: []"),
    ],
)  # fmt: skip
def test_what_the_loader_refuses_the_schema_refuses(tmp_path: Path, was: str, becomes: str) -> None:
    content = (changed(tmp_path) / "runbook.yaml").read_bytes().replace(was.encode(), becomes.encode(), 1)
    with pytest.raises(DocumentError):
        parse(content, FILES["runbook"])
    whole = schema(FILES["runbook"])
    assert list(against(plain(tree(content)), whole, whole))


def test_a_default_is_written_as_a_person_would() -> None:
    definitions = schema(FILES["runbook"])["$defs"]
    assert definitions["fuse.ErrorRate"]["properties"]["up_to"]["default"] == "100%"
    assert definitions["runbook.Deploy"]["properties"]["timeout"]["default"] == "5m"
    assert "at least 1s; at most 1h" in definitions["fuse.ErrorRate"]["properties"]["window"]["description"]


@given(st.integers(0, 10**9))
def test_a_quantity_that_is_written_is_read_as_it_was(milliseconds: int) -> None:
    seconds, part = milliseconds / 1000, (milliseconds % 100_001) / 100_000
    for kind_, value, reader in (
        ("duration", seconds, duration),
        ("offset", seconds, offset),
        ("offset", -seconds, offset),
        ("share", part, share),
    ):
        text = written(kind_, value)
        assert reader(text) == pytest.approx(value, abs=1e-9), text
        assert re.search(PATTERNS[kind_], text)


def test_a_quantity_is_written_in_the_largest_unit_that_is_exact() -> None:
    lengths = [written("duration", each) for each in (0.0, 0.25, 1.0, 90.0, 300.0, 86_400.0, 604_800.0)]
    assert lengths == ["0s", "250ms", "1s", "90s", "5m", "24h", "168h"]
    assert [written("offset", each) for each in (0.0, -86_400.0, 2_700.0)] == ["T+0m", "T-24h", "T+45m"]
    assert [written("share", each) for each in (0.0, 0.001, 0.5, 1.0)] == ["0%", "0.1%", "50%", "100%"]
