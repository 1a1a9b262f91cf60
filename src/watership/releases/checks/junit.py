"""JUnit's XML, as every test runner writes it: cases with their outcome, and what their suites say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from re import split
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

    `path`: the same in its whole segments. `properties` are its own and those of its suites; `at` is when its suite
    began."""

    name: str
    path: tuple[str, ...]
    state: State
    properties: dict[str, str]
    at: datetime | None

    def within(self, pattern: str) -> bool:
        """Whether whole segments that follow one another are those of the pattern: `tests.api.test_jobs`, or with
        `*` in a segment."""
        wanted = segments(pattern)
        starts = range(len(self.path) - len(wanted) + 1)
        return bool(wanted) and any(
            all(
                fnmatchcase(there, part)
                for there, part in zip(self.path[start : start + len(wanted)], wanted, strict=True)
            )
            for start in starts
        )


class Results(Struct, frozen=True, kw_only=True):
    """All cases of a report."""

    cases: tuple[Case, ...]

    def times(self) -> tuple[datetime | None, datetime | None]:
        """When the first suite that has a case began, and the last; None where one of them does not say so."""
        known = [case.at for case in self.cases if case.at is not None]
        return (min(known), max(known)) if known and len(known) == len(self.cases) else (None, None)

    def builds(self) -> tuple[str, ...]:
        """All that its cases say they are about; an empty word where one says nothing."""
        return tuple(sorted({name for case in self.cases for name in _about(case)}))

    def executed(self) -> list[Case]:
        return [case for case in self.cases if case.state is not State.SKIPPED]

    def failures(self) -> list[Case]:
        return [case for case in self.cases if case.state is State.FAILED]


def parsed(content: bytes, path: str) -> Results:
    """Read a report. Raises BadInput."""
    root = xml(content, path)
    if root.tag not in ("testsuites", "testsuite"):
        raise BadInput(f"{path} is no JUnit report: it begins with <{root.tag}>.")
    return Results(cases=tuple(_cases(root, (), {}, None)))


def _about(case: Case) -> Sequence[str]:
    return [case.properties[word] for word in BUILD_WORDS if word in case.properties] or [""]


def xml(content: bytes, path: str) -> Element:
    """The root of an XML document. Raises BadInput; entities are refused, for they can fill the memory."""
    if b"<!ENTITY" in content:
        raise BadInput(f"{path} declares entities, which no report needs.")
    try:
        return fromstring(content)  # noqa: S314 - see above
    except ParseError as error:
        raise BadInput(f"{path} is no XML: {error}.") from error


def _cases(
    node: Element, suites: tuple[str, ...], outer: Mapping[str, str], at: datetime | None
) -> Iterator[Case]:
    properties = {**outer, **_properties(node)}
    at = moment(node.get("timestamp", "")) or at
    for child in node:
        name = child.get("name", "")
        if child.tag == "testsuite":
            yield from _cases(child, (*suites, name), properties, at)
        elif child.tag == "testcase":
            words = (*suites, child.get("classname", ""), name)
            yield Case(
                name=plain(" ".join(words)),
                path=tuple(part for word in words for part in segments(word)),
                state=_state(child),
                properties={**properties, **_properties(child)},
                at=at,
            )


def segments(text: str) -> tuple[str, ...]:
    """`tests/api/test_jobs.py::test_x[1.5]` → tests, api, test_jobs, py, test_x: what stands in brackets at the end are
    the parameters of one case."""
    return tuple(each for part in split(r"[./\\]|::", text.partition("[")[0]) if (each := part.strip()))


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
