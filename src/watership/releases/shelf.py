"""The shelf holds runbooks: those that come with Watership, and the user's own, each a folder or a single file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from watership.errors import BadInput, NotFound, WatershipError
from watership.releases.checklist import Section
from watership.releases.document import DocumentError, parse
from watership.releases.runbook import Runbook, validated
from watership.releases.team import Team

FILE = "runbook.yaml"

T = TypeVar("T")

Reader = Callable[[str], bytes]
"""The bytes of a file of the runbook's folder, by its path within it."""


class Source(Struct, frozen=True, kw_only=True):
    """A runbook with the digest of the very bytes it was read from, file by file."""

    runbook: Runbook
    sha256: str
    files: dict[str, bytes] = {}
    """The runbook's own file first, then those that it includes, by their paths within its folder."""


def find(where: str) -> Source:
    """A runbook by the path of its folder or file, or by the name of one that is shipped. Raises as these do."""
    path = Path(where)
    return read(path) if path.exists() else shipped(where)


def read(path: Path) -> Source:
    """A runbook from its folder, or from its file. Raises DocumentError with file and line, NotFound."""
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise NotFound(
            f"There is no runbook {file}.", fix="watership runbook show names those that are shipped."
        )
    return _source(lambda name: (file.parent / name).read_bytes(), file.name)


def found(where: str) -> Source:
    """A runbook by its path, or by its name if it is shipped. Raises DocumentError, NotFound."""
    return read(Path(where)) if "/" in where or Path(where).exists() else shipped(where)


def names() -> list[str]:
    """The runbooks that come with Watership."""
    return sorted(entry.name for entry in _folder().iterdir() if (entry / FILE).is_file())


@cache
def shipped(name: str) -> Source:
    """A runbook that comes with Watership, which stays as it is while a process lives. Raises NotFound."""
    if name not in names():
        raise NotFound(f"No runbook '{name}' is shipped.", fix=f"Choose one of: {', '.join(names())}.")
    folder = _folder() / name
    return _source(lambda path: folder.joinpath(*PurePosixPath(path).parts).read_bytes(), FILE)


def _folder() -> Traversable:
    return resources.files("watership") / "runbooks"


def _source(reader: Reader, name: str) -> Source:
    content = reader(name)
    book = parse(content, Runbook, source=name)
    files = {name: content}
    teams: list[Team] = []
    sections: list[Section] = []
    for path in book.include:
        included = _included(reader, name, path)
        files[path] = included
        if _is_team(included):
            teams.append(parse(included, Team, source=path))
        else:
            sections.append(parse(included, Section, source=path))
    try:
        whole = validated(_joined(book, teams, sections))
    except DocumentError:
        raise
    except WatershipError as error:
        raise DocumentError(name, 1, str(error)) from error
    digests = [hashlib.sha256(each).hexdigest() for each in files.values()]
    sha256 = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return Source(runbook=whole, sha256=sha256, files=files)


def _included(reader: Reader, name: str, path: str) -> bytes:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise DocumentError(name, 1, f"'{path}' lies outside of the runbook's folder")
    try:
        return reader(path)
    except OSError as error:
        raise DocumentError(
            name, 1, f"the included file '{path}' cannot be read: {error.strerror}"
        ) from error


def _is_team(content: bytes) -> bool:
    """By the schema that the file itself names; what names none is refused as a checklist, with the line."""
    return b"watership/team/v1" in content


def _joined(book: Runbook, teams: list[Team], sections: list[Section]) -> Runbook:
    if len(teams) > 1:
        raise BadInput("Two files are included that are a team.")
    for team in teams:
        if book.roles:
            raise BadInput("The roles stand in the runbook and in an included team.")
        book = replace(
            book,
            roles=team.roles,
            authorities=team.authorities,
            contacts=team.contacts,
            on_call=team.on_call,
            escalation=team.escalation,
        )
    return replace(book, checklist=(*book.checklist, *sections))
