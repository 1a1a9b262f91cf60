"""The shelf holds runbooks: those that come with Watership, and the user's own, each a folder or a single file.

A folder may hold code for checks of its own; its bytes are the runbook's, and nothing here runs it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from watership.errors import BadInput, Conflict, NotFound, WatershipError
from watership.releases.book.code import FOLDER, MAX_FILES, Code, code
from watership.releases.book.document import DocumentError, Misfit, parse
from watership.releases.book.runbook import Runbook, validated
from watership.releases.book.team import Team
from watership.releases.judging.feed import Feeds
from watership.releases.notices.comms import Comms, templates
from watership.releases.readiness.checklist import Section

FILE = "runbook.yaml"

Part = Team | Comms | Feeds | Section

KINDS: Final[Mapping[bytes, type[Part]]] = {
    b"watership/team/v1": Team,
    b"watership/comms/v1": Comms,
    b"watership/feeds/v1": Feeds,
}

Reader = Callable[[str], bytes]
"""The bytes of a file of the runbook's folder, by its path within it."""


class Source(Struct, frozen=True, kw_only=True):
    """A runbook with the digest of the very bytes it was read from, file by file."""

    runbook: Runbook
    sha256: str
    files: dict[str, bytes] = {}
    """The runbook's own file first, then those that it includes, then its code, by their paths within its folder."""

    @property
    def code(self) -> tuple[Code, ...]:
        """The Python of its own checks. Raises DocumentError."""
        return tuple(
            code(path, content) for path, content in self.files.items() if PurePosixPath(path).suffix == ".py"
        )


def find(where: str) -> Source:
    """A runbook by the path of its folder or file, or by the name of one that is shipped. Raises as these do."""
    path = Path(where)
    if not path.exists() and len(path.parts) > 1:
        raise NotFound(
            f"There is no runbook {where}.",
            fix=f"Name a folder, a file, or a shipped one: {', '.join(names())}.",
        )
    return read(path) if path.exists() else shipped(where)


def read(path: Path, *, instead: Mapping[str, bytes] = MappingProxyType({})) -> Source:
    """A runbook from its folder, or from its file. Raises DocumentError with file and line, NotFound.

    `instead`: what is to be read in place of files, or besides them, as it would be if it were written.
    """
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise NotFound(
            f"There is no runbook {file}.", fix="watership runbook show names those that are shipped."
        )

    def reader(name: str) -> bytes:
        return instead[name] if name in instead else (file.parent / name).read_bytes()

    written = {name for name in instead if PurePosixPath(name).match(f"{FOLDER}/*.py")}
    return _source(reader, file.name, sorted({*_coded(file.parent), *written}))


def names() -> list[str]:
    """The runbooks that come with Watership."""
    return sorted(entry.name for entry in _folder().iterdir() if (entry / FILE).is_file())


@cache
def shipped(name: str) -> Source:
    """A runbook that comes with Watership, which stays as it is while a process lives. Raises NotFound."""
    if name not in names():
        raise NotFound(f"No runbook '{name}' is shipped.", fix=f"Choose one of: {', '.join(names())}.")
    folder = _folder() / name
    return _source(
        lambda path: folder.joinpath(*PurePosixPath(path).parts).read_bytes(), FILE, _coded(folder)
    )


def beside(where: str, name: str) -> bytes:
    """Another file of a runbook's folder, by the runbook's name or path. Raises NotFound."""
    path = Path(where)
    home: Path | Traversable = path if path.is_dir() else path.parent if path.is_file() else _folder() / where
    file = home / name
    if not file.is_file():
        raise NotFound(
            f"The runbook '{where}' has no file {name}.", fix=f"Shipped are: {', '.join(names())}."
        )
    return file.read_bytes()


def copied(name: str, to: Path) -> Path:
    """A shipped runbook as a folder of one's own, with its example of systems. Raises NotFound, Conflict."""
    shipped(name)
    if to.exists():
        raise Conflict(f"{to} is there already.", fix="Name another folder: --to FOLDER")
    with resources.as_file(_folder() / name) as there:
        shutil.copytree(there, to, ignore=shutil.ignore_patterns("__pycache__"))
    return to


def _folder() -> Traversable:
    return resources.files("watership") / "runbooks"


def _coded(folder: Path | Traversable) -> list[str]:
    """The files of Python that a runbook's folder holds, in the order of their names."""
    home = folder / FOLDER
    return (
        sorted(f"{FOLDER}/{each.name}" for each in home.iterdir() if each.name.endswith(".py"))
        if home.is_dir()
        else []
    )


def _source(reader: Reader, name: str, coded: Sequence[str]) -> Source:
    if len(coded) > MAX_FILES:
        raise DocumentError(FOLDER, 1, f"more than {MAX_FILES} files of Python")
    content = reader(name)
    book = parse(content, Runbook, source=name)
    files = {name: content}
    parts: list[Part] = []
    for path in book.include:
        files[path] = _included(reader, name, path)
        part = parse(files[path], _kind(files[path]), source=path)
        if isinstance(part, Comms):
            words = {each: _included(reader, path, each) for each in sorted(templates(part))}
            files |= words
            part = replace(part, texts={each: text.decode() for each, text in words.items()})
        parts.append(part)
    files |= {path: _included(reader, name, path) for path in coded}
    try:
        whole = validated(_joined(book, parts))
    except DocumentError:
        raise
    except WatershipError as error:
        placed = error.placed(files) if isinstance(error, Misfit) else None
        raise (placed or DocumentError(name, 1, str(error))) from error
    digests = [hashlib.sha256(each).hexdigest() for each in files.values()]
    sha256 = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    source = Source(runbook=whole, sha256=sha256, files=files)
    _ = source.code  # refused here, where its folder is known, if it is no text
    return source


def _included(reader: Reader, name: str, path: str) -> bytes:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise DocumentError(name, 1, f"'{path}' lies outside of the runbook's folder")
    try:
        return reader(path)
    except OSError as error:
        raise DocumentError(
            name, 1, f"the included file '{path}' cannot be read: {error.strerror}"
        ) from error


def _kind(content: bytes) -> type[Part]:
    """By the schema that the file itself names; what names none is refused as a checklist, with the line."""
    return next((kind for schema, kind in KINDS.items() if schema in content), Section)


def _joined(book: Runbook, parts: list[Part]) -> Runbook:
    for part in parts:
        match part:
            case Team():
                book = _manned(book, part)
            case Comms():
                if book.comms.channels:
                    raise BadInput("The comms stand there twice.")
                book = replace(book, comms=part)
            case Feeds():
                book = replace(book, feeds=(*book.feeds, *part.feeds))
            case Section():
                book = replace(book, checklist=(*book.checklist, part))
            case _:
                assert_never(part)
    return book


def _manned(book: Runbook, team: Team) -> Runbook:
    if book.roles:
        raise BadInput("The roles stand there twice.")
    return replace(
        book,
        roles=team.roles,
        authorities=team.authorities,
        contacts=team.contacts,
        on_call=team.on_call,
        escalation=team.escalation,
    )
