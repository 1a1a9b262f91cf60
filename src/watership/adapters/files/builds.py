"""A build on disk: a folder with sources and a build.toml that states its version and schema."""

from __future__ import annotations

import hashlib
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

PAUSES = "-- pauses writes"
"""The first line of a forward migration that must not meet a write: new work is refused while it runs."""

FILES = 5_000
"""Files of a build, at most: a folder with more holds something that is not the build."""

IGNORED = frozenset(
    {"__pycache__", ".git", ".venv", ".watership", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
)


class BuildFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """build.toml. `reads` are the lowest and the highest schema version that the sources can live with.

    `committed_at` is when their newest commit was made, with its zone: what lead time is counted from.
    """

    version: str
    app: str = APP
    reads: tuple[int, int] = (0, 0)
    committed_at: Annotated[datetime, Meta(tz=True)] | None = None


def read_build(folder: Path) -> Build:
    """The build in `folder`. Raises NotFound or BadInput, saying what is missing."""
    stated = read_build_file(folder)
    low, high = stated.reads
    return Build(
        version=stated.version, digest=digest(folder), source=str(folder), schema=SchemaRange(low, high)
    )


def read_build_file(folder: Path) -> BuildFile:
    """What build.toml states."""
    path = folder / FILE
    try:
        return msgspec.toml.decode(path.read_bytes(), type=BuildFile)
    except FileNotFoundError:
        raise NotFound(f"There is no {FILE} in {folder}.", fix='Write one: version = "1.0.0"') from None
    except (msgspec.DecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error


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

    Raises BadInput when one has no way back, or when a number is missing.
    """
    from watership.releases.ports import Migration

    forwards = {_number(path): path for path in sorted((folder / "migrations").glob("forward_*.sql"))}
    found = []
    for position, number in enumerate(sorted(forwards)):
        backward = forwards[number].with_name(f"backward_{number}.sql")
        if not backward.is_file():
            raise BadInput(f"{forwards[number]} has no way back.", fix=f"Write {backward.name} beside it.")
        if number != min(forwards) + position:
            raise BadInput(f"{folder} has no migration between {number - 1} and {number}.")
        found.append(
            Migration(
                start=number - 1,
                end=number,
                forward=forwards[number].read_text(encoding="utf-8"),
                backward=backward.read_text(encoding="utf-8"),
                name=str(number),
            )
        )
    return tuple(found)


def pausing(migrations: Iterable[Migration]) -> frozenset[str]:
    """The names of the migrations that ask for the read-only window."""
    return frozenset(each.name for each in migrations if _first_line(each.forward) == PAUSES)


def _first_line(script: str) -> str:
    return script.lstrip().partition("\n")[0].strip().lower()


def _number(path: Path) -> int:
    try:
        return int(path.stem.removeprefix("forward_"))
    except ValueError:
        raise BadInput(f"{path} is not named forward_NUMBER.sql.") from None


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
