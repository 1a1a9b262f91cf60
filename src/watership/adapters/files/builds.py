"""A build on disk: a folder with sources and a build.toml that states its version and schema."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from watership.errors import BadInput, NotFound
from watership.fleet.build import Build, SchemaRange

if TYPE_CHECKING:
    # Only a release reads these: a worker that asks for its build's digest does without the YAML reader.
    from watership.releases.ports import Migration
    from watership.releases.smoke import Smoke

FILE = "build.toml"
SMOKE = "smoke.yaml"
APP = "app.py:app"
"""Where the App is unless somebody says otherwise."""

FILES = 5_000
"""Files of a build, at most: a folder with more holds something that is not the build."""

IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}")

IGNORED = frozenset(
    {"__pycache__", ".git", ".venv", ".watership", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
)


class BuildFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """build.toml. `reads` are the lowest and the highest schema version that the sources can live with.

    Where the scripts are named by versions (forward_2.10.0.sql), `reads` names those; before the first it is 0.
    `committed_at` is when their newest commit was made, with its zone: what lead time is counted from.
    """

    version: str
    app: str = APP
    reads: tuple[int | str, int | str] = (0, 0)
    committed_at: Annotated[datetime, Meta(tz=True)] | None = None


def read_build(folder: Path) -> Build:
    """The build in `folder`. Raises NotFound or BadInput, saying what is missing."""
    stated = read_build_file(folder)
    low, high = (_place(folder, each) for each in stated.reads)
    return Build(
        version=stated.version, digest=digest(folder), source=str(folder), schema=SchemaRange(low, high)
    )


def _place(folder: Path, said: int | str) -> int:
    """The schema that `reads` means. Raises BadInput for a version that no script leads to."""
    if isinstance(said, int):
        return said
    names = [each.name for each in read_migrations(folder)]
    if said not in names:
        raise BadInput(
            f"{folder / FILE} reads {said}, to which no migration leads; they lead to {', '.join(names) or 'none'}."
        )
    return names.index(said) + 1


def read_build_file(folder: Path) -> BuildFile:
    """What build.toml states."""
    path = folder / FILE
    try:
        return msgspec.toml.decode(path.read_bytes(), type=BuildFile)
    except FileNotFoundError:
        raise NotFound(f"There is no {FILE} in {folder}.", fix='Write one: version = "1.0.0"') from None
    except (msgspec.DecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error


def read_image(folder: Path) -> str:
    """The image that carries the build, from the file beside it; it cannot be in it, since it is made of it.

    Raises NotFound without one, and BadInput for a name without a digest: a tag may be another image tomorrow.
    """
    path = folder.with_name(f"{folder.name}.image")
    if not path.is_file():
        raise NotFound(
            f"There is no {path}, which names the image of the build.",
            fix=f"docker inspect --format '{{{{index .RepoDigests 0}}}}' NAME:TAG > {path}",
        )
    image = path.read_text(encoding="utf-8").strip()
    if not IMAGE.fullmatch(image):
        raise BadInput(
            f"{path} names no image by its digest.", fix="Write NAME@sha256:…, as the registry told it."
        )
    return image


def digest(folder: Path) -> str:
    """sha256 over every file's name and content, in the order of the names."""
    total = hashlib.sha256()
    for path in files(folder):
        content = path.read_bytes()
        total.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        total.update(content)
    return f"sha256:{total.hexdigest()}"


def files(folder: Path) -> Iterator[Path]:
    """Every file that belongs to the build, in the order of the names. Raises BadInput for too many."""
    count = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not IGNORED & set(path.relative_to(folder).parts):
            count += 1
            if count > FILES:
                raise BadInput(
                    f"{folder} holds more than {FILES:,} files.", fix="Name the folder of the build alone."
                )
            yield path


def read_migrations(folder: Path) -> tuple[Migration, ...]:
    """The build's migrations in order: `migrations/forward_N.sql` leads from N-1 to N, `backward_N.sql` back.

    Named by versions (`forward_2.10.0.sql`) they come in the order of versions, and lead from 0 to 1, to 2 and so on:
    the folder keeps them all. Raises BadInput when one has no way back, or when a number is missing.
    """
    from watership.releases.ports import Migration

    forwards = {_version(path): path for path in sorted((folder / "migrations").glob("forward_*.sql"))}
    numbered = {len(version) == 1 for version in forwards}
    if len(numbered) > 1:
        raise BadInput(f"{folder} names its migrations some by numbers and some by versions.")
    first = min(forwards)[0] if numbered == {True} else 1
    found = []
    for end, version in enumerate(sorted(forwards), start=first):
        path = forwards[version]
        name = path.stem.removeprefix("forward_")
        backward = path.with_name(f"backward_{name}.sql")
        if not backward.is_file():
            raise BadInput(f"{path} has no way back.", fix=f"Write {backward.name} beside it.")
        if numbered == {True} and version != (end,):
            raise BadInput(f"{folder} has no migration between {version[0] - 1} and {version[0]}.")
        found.append(
            Migration(
                start=end - 1,
                end=end,
                forward=path.read_text(encoding="utf-8"),
                backward=backward.read_text(encoding="utf-8"),
                name=name,
            )
        )
    return tuple(found)


def pausing(migrations: Iterable[Migration]) -> frozenset[str]:
    """The names of the migrations during which writes are held."""
    return frozenset(each.name for each in migrations if each.header.pauses)


def _version(path: Path) -> tuple[int, ...]:
    """What a script is ordered by: 2.10 comes after 2.9."""
    try:
        return tuple(int(part) for part in path.stem.removeprefix("forward_").split("."))
    except ValueError:
        raise BadInput(f"{path} is named neither forward_NUMBER.sql nor forward_VERSION.sql.") from None


def read_smoke(folder: Path) -> Smoke:
    """The build's smoke test, from smoke.yaml. Raises NotFound: without one nothing could be promoted."""
    path = folder / SMOKE
    if not path.is_file():
        raise NotFound(
            f"There is no {SMOKE} in {folder}.", fix="Write one: what must the build answer, and to what?"
        )
    from watership.releases.book.document import load
    from watership.releases.smoke import Smoke

    return load(path, Smoke)
