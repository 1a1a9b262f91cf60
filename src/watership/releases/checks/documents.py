"""Documents are read for what they say: a file that is merely there proves nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import takewhile

from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.reports import moment
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed, passed

HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")

DATE = re.compile(r"\b20\d\d-[01]\d-[0-3]\d\b")

PLACEHOLDER = re.compile(
    r"\b(TODO|TBD|FIXME|XXX|lorem ipsum)\b|_{4,}|\[(?:Name|Date|Time|description)\]", re.IGNORECASE
)
"""What stands in a document that nobody has finished."""


@check("document.says", good_for="48h", fix="Write the section, and commit it with the release.")
async def says(
    scene: Scene, *, path: str, section: str, mentions: str = "", words: int = 20, younger_than: float = 0.0
) -> Finding:
    """The Markdown file at `path` has a section of that title with at least `words` words of its own, without
    placeholders, that mentions each of `mentions` (with commas between; `{version}` is the release's).

    With `younger_than` it bears a date (2026-11-20) within that time: when somebody last went through it. The time of
    the file is no such date, for a fresh checkout makes every file young.
    """
    document = await present(scene, path)
    if isinstance(document, Finding):
        return document
    body = section_of(document.content.decode(errors="replace"), section)
    if body is None:
        return failed(f"{path} has no section '{section}'.")
    wrong = list(_faults(scene, body, mentions, words))
    if younger_than:
        wrong += _outdated(scene, body, younger_than)
    if wrong:
        return failed(f"{path}, '{section}': {'; '.join(wrong)}.")
    return passed(f"{path}, '{section}': {len(body.split())} words.", **marks(document))


def _faults(scene: Scene, body: str, mentions: str, words: int) -> list[str]:
    wrong = [f"{len(body.split())} words, {words} at least"] if len(body.split()) < words else []
    if unfinished := PLACEHOLDER.search(body):
        wrong.append(f"'{unfinished[0]}' is not filled in")
    for each in listed(mentions):
        wanted = filled(scene, each)
        if wanted.casefold() not in body.casefold():
            wrong.append(f"it does not mention {wanted}")
    return wrong


def _outdated(scene: Scene, body: str, younger_than: float) -> list[str]:
    """What is wrong with the newest date in a text."""
    dates = [at for each in DATE.findall(body) if (at := moment(each)) is not None]
    if not dates:
        return ["it bears no date (YYYY-MM-DD)"]
    age = scene.now() - max(dates)
    if age < -timedelta(days=1):
        return [f"it is dated {max(dates):%Y-%m-%d}, which has not come yet"]
    if age > timedelta(seconds=younger_than) + timedelta(days=1):  # a day has no hour
        return [f"it is dated {max(dates):%Y-%m-%d}, before {spoken(younger_than)}"]
    return []


async def present(scene: Scene, path: str) -> Document | Finding:
    """The file of the project at `path`; a failed finding where there is none: what it should say is not said."""
    document = await scene.look.documents.read(path)
    return failed(f"There is no {path}.") if document is None else document


def filled(scene: Scene, text: str) -> str:
    """The text with next's version and digest in the places of {version} and {digest}."""
    if "{" not in text:
        return text
    build = scene.plan.next.build
    return text.replace("{version}", build.version).replace("{digest}", build.digest)


def section_of(text: str, title: str) -> str | None:
    """What stands below a heading, up to the next one of its level; None without such a heading."""
    lines = iter(text.splitlines())
    level = next((depth for line in lines if (depth := _depth(line, title))), 0)
    if not level:
        return None
    body = takewhile(lambda line: not (heading := HEADING.match(line)) or len(heading[1]) > level, lines)
    return "\n".join(line for line in body if not HEADING.match(line)).strip()


def _depth(line: str, title: str) -> int:
    """How deep the heading of that title is; 0 for any other line."""
    heading = HEADING.match(line)
    return len(heading[1]) if heading and heading[2].casefold() == title.casefold() else 0


def marks(document: Document) -> dict[str, str | int | float | bool | None]:
    """What makes a document the evidence that it is."""
    return {"path": document.path, "sha256": document.sha256}
