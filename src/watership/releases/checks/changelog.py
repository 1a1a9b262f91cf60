"""The changelog tells what a version brings; what it brings decides which number it may have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec import Struct

from watership.errors import BadInput
from watership.releases.book.quantity import spoken
from watership.releases.checks.documents import present
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed, found

HEADING = re.compile(
    r"^## +\[?v?(\d+\.\d+\.\d+[0-9A-Za-z.+-]*)\]?(?:\([^)]*\))?[ \t]*(?:[-–—(][ \t]*)?(.*?)\)?[ \t]*$",
    re.MULTILINE,
)
PART = re.compile(r"^### +(.+?)[ \t]*$", re.MULTILINE)
VERSION = re.compile(r"^(\d+)\.(\d+)\.(\d+)")
BREAKING = re.compile(r"\bBREAKING\b|\*\*Breaking", re.IGNORECASE)

BUMPS = ("patch", "minor", "major")


class Entry(Struct, frozen=True, kw_only=True):
    """What stands of one version; `parts` are the lines below each of its headings."""

    version: str
    dated: str
    text: str
    parts: dict[str, list[str]]


def entries(text: str) -> list[Entry]:
    """The versions of a changelog in the order of the file (keepachangelog.com)."""
    heads = list(HEADING.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [_entry(head[1], head[2], text[head.end() : end]) for head, end in zip(heads, ends, strict=True)]


def _entry(version: str, dated: str, body: str) -> Entry:
    marks = [
        *((mark.start(), mark.end(), mark[1]) for mark in PART.finditer(body)),
        (len(body), len(body), ""),
    ]
    parts = {
        name.casefold(): list(_lines(body[end:after])) for (_, end, name), (after, _, _) in pairwise(marks)
    }
    return Entry(version=version, dated=dated.strip(), text=body, parts=parts)


def _lines(body: str) -> Iterator[str]:
    for line in body.splitlines():
        if line.lstrip().startswith(("-", "*", "+")):
            yield line.strip()


def numbers(version: str) -> tuple[int, int, int]:
    """`2.10.0` → (2, 10, 0). Raises BadInput."""
    there = VERSION.match(version)
    if there is None:
        raise BadInput(
            f"'{version}' is no semantic version.", fix="Number releases as semver.org says: 2.1.0."
        )
    return int(there[1]), int(there[2]), int(there[3])


def demanded(entry: Entry) -> int:
    """Which place of BUMPS a version's changes ask for."""
    if BREAKING.search(entry.text) or entry.parts.get("removed"):
        return 2
    return 1 if any(entry.parts.get(part) for part in ("added", "changed", "deprecated")) else 0


def given(before: str, after: str) -> int:
    """Which place was raised; -1 when the version did not rise."""
    old, new = numbers(before), numbers(after)
    if new <= old:
        return -1
    return 2 if new[0] > old[0] else 1 if new[1] > old[1] else 0


@check(
    "code.changelog", good_for="24h", fix="Write what changed, with the date, and commit it with the release."
)
async def changelog(
    scene: Scene, *, path: str = "CHANGELOG.md", younger_than: float = 30 * 86400.0
) -> Finding:
    """The changelog has next's version, dated (YYYY-MM-DD) within `younger_than` and not ahead, and says something."""
    document = await present(scene, path)
    if isinstance(document, Finding):
        return document
    version = scene.plan.next.build.version
    entry = _of(document, version)
    if entry is None:
        return failed(f"{path} has no version {version}.")
    wrong = [] if any(entry.parts.values()) else ["it says nothing of what changed"]
    try:
        age = scene.now() - datetime.strptime(entry.dated, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        wrong.append(f"its date is '{entry.dated}', not YYYY-MM-DD")
    else:
        if not timedelta(days=-1) < age <= timedelta(seconds=younger_than):
            wrong.append(f"its date is {entry.dated}, not within the last {spoken(younger_than)}")
    changes = sum(len(lines) for lines in entry.parts.values())
    words = f"{path} names {changes} changes of {version}, dated {entry.dated}."
    return found(not wrong, f"{path}, {version}: {'; '.join(wrong)}." if wrong else words, changes=changes)


def _of(document: Document, version: str) -> Entry | None:
    there = entries(document.content.decode(errors="replace"))
    return next((entry for entry in there if entry.version == version), None)


@check("code.version", good_for="24h", fix="Raise the version as far as the changes ask for.")
async def version(scene: Scene, *, changelog: str = "CHANGELOG.md") -> Finding:
    """From live to next the version rises as far as the changelog's entries between them demand: something removed or
    breaking a major number, something added or changed a minor one. Below 1.0.0 one place less."""
    document = await present(scene, changelog)
    if isinstance(document, Finding):
        return document
    before, after = scene.plan.live.build.version, scene.plan.next.build.version
    there = entries(document.content.decode(errors="replace"))
    between = [each for each in there if numbers(before) < numbers(each.version) <= numbers(after)]
    if not between:
        return failed(f"{changelog} tells nothing of the versions after {before} up to {after}.")
    asked = max(demanded(each) for each in between)
    if numbers(before)[0] == numbers(after)[0] == 0:
        asked = max(asked - 1, 0)
    did = given(before, after)
    rise = f"raises the {BUMPS[did]} number" if did >= 0 else "does not rise"
    words = f"{before} to {after} {rise}; the changelog asks for {BUMPS[asked]} at least."
    return found(did >= asked, words, asked=BUMPS[asked])
