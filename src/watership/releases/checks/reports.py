"""A report is a dated file that a tool wrote: it counts while it is fresh, and about the build that it names."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

import msgspec

from watership.errors import Unavailable
from watership.releases.book.quantity import spoken
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed

T = TypeVar("T")


async def fresh(scene: Scene, path: str, *, younger_than: float = 0.0, about: str = "") -> Document | Finding:
    """The file at `path`; a failed finding when there is none, when it is older than `younger_than` seconds, or when
    `about` (`{version}` and `{digest}` are next's) does not stand in it: it is then about something else."""
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}.")
    age = scene.now() - document.changed_at
    if younger_than and age > timedelta(seconds=younger_than):
        return failed(f"{path} is {spoken(age.total_seconds())} old; {spoken(younger_than)} is the limit.")
    if (wanted := filled(scene, about)) and wanted not in document.content.decode(errors="replace"):
        return failed(f"{path} does not name {wanted}: it is about another build.")
    return document


def filled(scene: Scene, text: str) -> str:
    """The text with next's version and digest in their places."""
    if "{" not in text:
        return text
    build = scene.plan.next.build
    return text.replace("{version}", build.version).replace("{digest}", build.digest)


def decoded(document: Document, shape: type[T]) -> T:
    """The JSON of a report as `shape`. Raises Unavailable when it is not of that shape: nothing is known then."""
    try:
        return msgspec.json.decode(document.content, type=shape)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Unavailable(f"{document.path} cannot be read as such a report: {error}.") from error


def shaped(name: str, answer: object, shape: type[T]) -> T:
    """What a system answered, as `shape`. Raises Unavailable when it is not of that shape."""
    try:
        return msgspec.convert(answer, type=shape, strict=False)
    except msgspec.ValidationError as error:
        raise Unavailable(f"{name} answered otherwise than its API says: {error}.") from error
