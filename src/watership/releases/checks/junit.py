"""JUnit's XML, as every test runner writes it: cases with their outcome, and what their suites say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from xml.etree.ElementTree import Element, ParseError, fromstring

from msgspec import Struct

from watership.errors import BadInput
from watership.releases.checks.reports import BUILD_WORDS, moment


class State(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Case(Struct, frozen=True, kw_only=True):
    """A test. `name`: suite, class and name, in small letters, with spaces for dashes and underscores.

    `properties` are its own and those of its suites."""

    name: str
    state: State
    properties: dict[str, str]


class Results(Struct, frozen=True, kw_only=True):
    """All cases of a report. `at`: when its last suite began. `builds`: all that it says it is about."""

    cases: tuple[Case, ...]
    at: datetime | None
    builds: tuple[str, ...]

    def executed(self) -> list[Case]:
        return [case for case in self.cases if case.state is not State.SKIPPED]

    def failures(self) -> list[Case]:
        return [case for case in self.cases if case.state is State.FAILED]


def parsed(content: bytes, path: str) -> Results:
    """Read a report. Raises BadInput."""
    root = xml(content, path)
    if root.tag not in ("testsuites", "testsuite"):
        raise BadInput(f"{path} is no JUnit report: it begins with <{root.tag}>.")
    suites = [root, *root.iter("testsuite")]
    times = [at for each in suites if (at := moment(each.get("timestamp", ""))) is not None]
    cases = tuple(_cases(root, "", {}))
    named = {each.properties[word] for each in cases for word in BUILD_WORDS if word in each.properties}
    return Results(cases=cases, at=max(times, default=None), builds=tuple(sorted(named)))


def xml(content: bytes, path: str) -> Element:
    """The root of an XML document. Raises BadInput; entities are refused, for they can fill the memory."""
    if b"<!ENTITY" in content:
        raise BadInput(f"{path} declares entities, which no report needs.")
    try:
        return fromstring(content)  # noqa: S314 - see above
    except ParseError as error:
        raise BadInput(f"{path} is no XML: {error}.") from error


def _cases(node: Element, suite: str, outer: Mapping[str, str]) -> Iterator[Case]:
    properties = {**outer, **_properties(node)}
    for child in node:
        if child.tag == "testsuite":
            yield from _cases(child, f"{suite} {child.get('name', '')}", properties)
        elif child.tag == "testcase":
            name = f"{suite} {child.get('classname', '')} {child.get('name', '')}"
            yield Case(name=plain(name), state=_state(child), properties={**properties, **_properties(child)})


def _properties(node: Element) -> dict[str, str]:
    found = node.findall("properties/property")
    return {each.get("name", ""): each.get("value", each.text or "") for each in found}


_STATES: Final = {"failure": State.FAILED, "error": State.FAILED, "skipped": State.SKIPPED}


def _state(case: Element) -> State:
    told = {_STATES[child.tag] for child in case if child.tag in _STATES}
    return State.FAILED if State.FAILED in told else State.SKIPPED if told else State.PASSED


def plain(text: str) -> str:
    """`test_SQL-injection` → `test sql injection`: how names are compared."""
    return " ".join(text.replace("_", " ").replace("-", " ").replace(".", " ").casefold().split())
