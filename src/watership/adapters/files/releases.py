"""A release's papers on disk: the plan, and the report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

import msgspec

from watership.adapters.files.replace import replace_file
from watership.errors import BadInput, NotFound
from watership.releases.book.code import Code
from watership.releases.plan import Plan
from watership.releases.ports import Migration
from watership.releases.smoke import Smoke

T = TypeVar("T")

NAME = re.compile(r"[\w.-]{1,100}")


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A plan before it is started, with the bytes of what it names by digest."""

    plan: Plan
    scripts: tuple[Migration, ...]
    smoke: Smoke
    code: tuple[Code, ...] = ()


class ReleaseFolder:
    """The papers of one release in `folder`/NAME."""

    def __init__(self, folder: Path, name: str) -> None:
        if not NAME.fullmatch(name):
            raise BadInput(
                f"A release cannot be named {name!r}.", fix="Use letters, digits, '.', '_' and '-'."
            )
        self.name = name
        self.folder = folder / name

    def save_draft(self, draft: Draft) -> None:
        """Write a new plan, over an earlier one."""
        self._write(self._draft, draft)

    def draft(self) -> Draft:
        return self._read(self._draft, Draft, f"There is no plan of a release {self.name}.")

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def _draft(self) -> Path:
        return self.folder / "plan.json"

    def _write(self, path: Path, value: object) -> None:
        replace_file(path, msgspec.json.format(msgspec.json.encode(value)))

    def _read(self, path: Path, shape: type[T], absent: str) -> T:
        try:
            return msgspec.json.decode(path.read_bytes(), type=shape)
        except FileNotFoundError:
            raise NotFound(absent, fix="watership release plan BUILD") from None
        except msgspec.DecodeError as error:
            raise BadInput(f"{path} cannot be read: {error}.") from error


def latest(folder: Path) -> ReleaseFolder:
    """The release whose papers changed last. Raises NotFound when there is none."""
    found = [path for path in folder.iterdir() if (path / "plan.json").is_file()] if folder.is_dir() else []
    if not found:
        raise NotFound("There is no release yet.", fix="watership release plan BUILD")
    return ReleaseFolder(folder, max(found, key=_changed).name)


def _changed(folder: Path) -> float:
    """When a paper was changed last. What is being written has a name that begins with a dot, and is soon gone."""
    return max(each.stat().st_mtime for each in folder.iterdir() if not each.name.startswith("."))
