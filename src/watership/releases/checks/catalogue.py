"""The catalogue of backups: what is kept, of which kind and from when, as an S3 bucket or a manifest tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from watership.errors import BadInput, NotFound, Unavailable
from watership.releases.checks.aws import listed_objects, text
from watership.releases.checks.scene import Scene

Kind = Literal["full", "incremental", "wal", "state"]
KINDS: Final[tuple[Kind, ...]] = ("full", "incremental", "wal", "state")


class Kept(Struct, frozen=True, kw_only=True):
    """One backup. `sha256`: of its bytes, where the catalogue knows it."""

    kind: Kind
    name: str
    taken_at: datetime
    bytes: int
    sha256: str = ""


class Manifest(Struct, frozen=True, kw_only=True):
    """A catalogue as a JSON file."""

    backups: tuple[Kept, ...]


async def kept(scene: Scene, of: str, *kinds: str) -> list[Kept]:
    """The backups of the system `of`, of these kinds, oldest first.

    `http(s)://…/BUCKET`: the objects of an S3 bucket, each kind below a prefix (a fact by the name of the kind; else
    the kind itself, `full/`). `file:PATH`: a manifest of the project.
    """
    if strange := set(kinds) - set(KINDS):
        raise BadInput(
            f"No backup is '{', '.join(sorted(strange))}'.", fix=f"Say one of: {', '.join(KINDS)}."
        )
    wanted = [kind for kind in KINDS if kind in kinds]
    if urlsplit(scene.system(of).url).scheme == "file":
        found = [each for each in await _of_manifest(scene, of) if each.kind in wanted]
    else:
        found = [
            each
            for some in await asyncio.gather(*(_of_bucket(scene, of, kind) for kind in wanted))
            for each in some
        ]
    return sorted(found, key=lambda each: each.taken_at)


async def _of_bucket(scene: Scene, of: str, kind: Kind) -> Sequence[Kept]:
    prefix = str(scene.system(of).facts.get(kind, f"{kind}/"))
    return [
        Kept(
            kind=kind,
            name=text(each, "Key"),
            taken_at=datetime.fromisoformat(text(each, "LastModified")),
            bytes=int(text(each, "Size")),
        )
        for each in await listed_objects(scene, of, prefix)
        if not text(each, "Key").endswith("/")  # the folder itself, as some tools make one
    ]


async def _of_manifest(scene: Scene, of: str) -> Sequence[Kept]:
    path = scene.address(of).removeprefix("file:")
    document = await scene.look.documents.read(path)
    if document is None:
        raise NotFound(f"There is no manifest {path}.", fix="Write one: docs/evidence.md says how.")
    try:
        found = msgspec.json.decode(document.content, type=Manifest).backups
    except msgspec.DecodeError as error:
        raise Unavailable(f"{path} is no manifest of backups: {error}.") from error
    if naive := [each.name for each in found if each.taken_at.tzinfo is None]:
        raise Unavailable(f"{path} does not say in which zone {naive[0]} was taken.")
    return found
