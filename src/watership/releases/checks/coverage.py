"""How much of the code the tests went through, by Cobertura's XML or the JSON of coverage.py.

Both say when they were made, and neither of which build: a label beside them does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from msgspec import Struct

from watership.errors import BadInput
from watership.releases.book.quantity import listed, percent
from watership.releases.checks.documents import marks
from watership.releases.checks.junit import xml
from watership.releases.checks.kind import check
from watership.releases.checks.reports import WEEK, moment, report, stale
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed, found

SHOWN: Final = 5
"""Files that are named in evidence."""


class Lines(Struct, frozen=True):
    """Lines that tests went through, of those that there are."""

    covered: int
    valid: int

    @property
    def share(self) -> float:
        return self.covered / self.valid if self.valid else 1.0


class Coverage(Struct, frozen=True, kw_only=True):
    files: dict[str, Lines]
    at: datetime | None

    @property
    def whole(self) -> Lines:
        lines = self.files.values()
        return Lines(sum(each.covered for each in lines), sum(each.valid for each in lines))


@check("coverage.whole", good_for="24h", fix="Write the tests that are missing; the report shows the lines.")
async def whole(scene: Scene, *, path: str, above: float, younger_than: float = WEEK) -> Finding:
    """More than `above` of all lines of the coverage report (Cobertura, or coverage.py's JSON) were gone through."""
    document, coverage, wrong = await _read(scene, path, younger_than)
    lines = coverage.whole
    if not lines.valid:
        wrong.append("it knows of no line")
    if wrong:
        return failed(f"{path}: {'; '.join(wrong)}.")
    words = f"{percent(lines.share)} of {lines.valid:,} lines; more than {percent(above)} is wanted."
    return found(lines.share > above, words, share=lines.share, **marks(document))


@check("coverage.files", good_for="24h", fix="Write the tests that are missing; the report shows the lines.")
async def files(
    scene: Scene, *, path: str, files: str, at_least: float, younger_than: float = WEEK
) -> Finding:
    """Of the lines of each group of files (patterns with commas between) at least `at_least` were gone through. A
    pattern without a line is not passed over."""
    document, coverage, wrong = await _read(scene, path, younger_than)
    told = []
    for pattern in listed(files):
        meant = [lines for name, lines in coverage.files.items() if fnmatchcase(name, pattern)]
        lines = Lines(sum(each.covered for each in meant), sum(each.valid for each in meant))
        if not lines.valid:
            wrong.append(f"{pattern} has no line")
        elif lines.share < at_least:
            wrong.append(f"{percent(lines.share)} of {pattern}, {percent(at_least)} at least is wanted")
        told.append(f"{percent(lines.share)} of {pattern}")
    return found(not wrong, f"{path}: {'; '.join(wrong or told)}.", **marks(document))


async def _read(scene: Scene, path: str, younger_than: float) -> tuple[Document, Coverage, list[str]]:
    document = await report(scene, path)
    coverage = parsed(document.content, path)
    return document, coverage, await stale(scene, document, younger_than=younger_than, at=coverage.at)


def parsed(content: bytes, path: str) -> Coverage:
    """Read a coverage report. Raises BadInput."""
    return _of_json(content, path) if content.lstrip()[:1] == b"{" else _of_xml(content, path)


def _of_xml(content: bytes, path: str) -> Coverage:
    root = xml(content, path)
    if root.tag != "coverage":
        raise BadInput(f"{path} is no coverage report: it begins with <{root.tag}>.")
    found: dict[str, Lines] = {}
    for each in root.iter("class"):
        hits = [line.get("hits", "0") != "0" for line in each.findall("lines/line")]
        before = found.get(name := each.get("filename", ""), Lines(0, 0))
        found[name] = Lines(before.covered + sum(hits), before.valid + len(hits))
    return Coverage(files=found, at=_stamp(root.get("timestamp", "")))


def _stamp(text: str) -> datetime | None:
    """Cobertura writes milliseconds since 1970, some tools seconds."""
    if not text.isdigit():
        return None
    seconds = int(text) / 1000 if len(text) > 11 else int(text)
    return datetime.fromtimestamp(seconds, UTC)


class _Summary(Struct):
    covered_lines: int
    num_statements: int


class _File(Struct):
    summary: _Summary


class _Meta(Struct):
    timestamp: str = ""


class _Json(Struct):
    files: dict[str, _File]
    meta: _Meta = msgspec.field(default_factory=_Meta)


def _of_json(content: bytes, path: str) -> Coverage:
    try:
        told = msgspec.json.decode(content, type=_Json)
    except msgspec.DecodeError as error:
        raise BadInput(f"{path} is no coverage report: {error}.") from error
    files = {
        name: Lines(each.summary.covered_lines, each.summary.num_statements)
        for name, each in told.files.items()
    }
    return Coverage(files=files, at=moment(told.meta.timestamp))
