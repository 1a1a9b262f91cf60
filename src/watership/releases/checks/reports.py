"""A report says what a tool found: when it did so, and about which build, decide whether it proves anything now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from watership.errors import NotFound
from watership.releases.book.quantity import spoken
from watership.releases.checks.documents import filled, present
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import decoded
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed

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


async def fresh(scene: Scene, path: str, *, younger_than: float, about: str = "") -> Document | Finding:
    """The file at `path`; a failed finding when there is none, when it is older than `younger_than` seconds, or when
    `about` (`{version}` and `{digest}` are next's) does not stand in it: it is then about something else."""
    document = await present(scene, path)
    if isinstance(document, Finding):
        return document
    age = scene.now() - document.changed_at
    if age > timedelta(seconds=younger_than):
        return failed(f"{path} is {spoken(age.total_seconds())} old; {spoken(younger_than)} is the limit.")
    if (wanted := filled(scene, about)) and wanted not in document.content.decode(errors="replace"):
        return failed(f"{path} does not name {wanted}: it is about another build.")
    return document


async def json_report(scene: Scene, path: str, shape: type[T]) -> tuple[Document, T]:
    """A report in JSON, read into its shape. Raises NotFound, BadInput."""
    document = await report(scene, path)
    return document, decoded(document, shape)


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
