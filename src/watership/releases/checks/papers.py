"""A report says what a tool found: when it did so, and about which build, decide whether it proves anything now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec

from watership.errors import BadInput, NotFound
from watership.releases.book.quantity import spoken
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document

T = TypeVar("T")

WEEK: Final = 7 * 86_400.0
"""Seconds that a report may be old unless it is said otherwise: builds that are older are rarely released."""

BUILD_WORDS: Final = ("build", "digest", "version")
"""What a report may call the build that it is about; each that it does call must be right."""

AHEAD: Final = timedelta(minutes=5)
"""How far another machine's clock may go before ours. A report of tomorrow is a forgery, or a broken clock."""


async def report(scene: Scene, path: str) -> Document:
    """A report as it is now. Raises NotFound: what nobody wrote down is not known."""
    document = await scene.look.documents.read(path)
    if document is None:
        raise NotFound(f"There is no report {path}.", fix="Let the pipeline of this build write it.")
    return document


async def json_report(scene: Scene, path: str, shape: type[T]) -> tuple[Document, T]:
    """A report in JSON, read into its shape. Raises NotFound, BadInput."""
    document = await report(scene, path)
    try:
        return document, msgspec.json.decode(document.content, type=shape)
    except msgspec.DecodeError as error:
        raise BadInput(f"{path} is no such report: {error}.") from error


def too_old(scene: Scene, at: datetime | None, younger_than: float) -> list[str]:
    """What is wrong with a report's time, in words."""
    if at is None:
        return ["it does not say when it was written"]
    age = scene.now() - (at if at.tzinfo else at.replace(tzinfo=UTC))
    if age < -AHEAD:
        return [f"it is dated {at:%Y-%m-%d %H:%M}, which has not come yet"]
    if age.total_seconds() > younger_than:
        return [f"it was written {spoken(age.total_seconds())} ago; {spoken(younger_than)} is the limit"]
    return []


def of_another(scene: Scene, named: Iterable[str]) -> list[str]:
    """What is wrong with the builds that a report names: all are to be the one that is released, by digest or
    version, and there is to be at least one. An empty name is a part of it that names none."""
    names, build = sorted(set(named)), scene.plan.next.build
    if not all(names) or not names:
        return [f"it does not say which build it is about (wanted: {build.digest})"]
    strange = [name for name in names if name not in (build.digest, build.version)]
    return [f"it is about {name}, not about {build.version} ({build.digest})" for name in strange]


def moment(text: str) -> datetime | None:
    """A time as reports write it; None for what is none. Without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
