"""A report says what a tool found: when it did so, and about which build, decide whether it proves anything now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeVar

from msgspec import Meta, Struct

from watership.errors import BadInput, NotFound
from watership.releases.book.quantity import spoken
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import decoded
from watership.releases.instruments import Document

T = TypeVar("T")

SCHEMA: Final = "watership/label/v1"
LABEL: Final = ".label.json"
"""What a label's name adds to that of its report."""

WEEK: Final = 7 * 86_400.0
"""Seconds that a report may be old unless it is said otherwise: builds that are older are rarely released."""

BUILD_WORDS: Final = ("build", "digest", "version")
"""What a report may call the build that it is about; each that it does call must be right."""

LABELLED: Final = (
    f"Let the pipeline of this build write it, and its label beside it ({LABEL}): docs/evidence.md"
)

AHEAD: Final = timedelta(minutes=5)
"""How far another machine's clock may go before ours. A report of tomorrow is a forgery, or a broken clock."""


async def report(scene: Scene, path: str) -> Document:
    """A report as it is now. Raises NotFound: what nobody wrote down is not known."""
    document = await scene.look.documents.read(path)
    if document is None:
        raise NotFound(f"There is no report {path}.", fix=LABELLED)
    return document


async def json_report(scene: Scene, path: str, shape: type[T]) -> tuple[Document, T]:
    """A report in JSON, read into its shape. Raises NotFound, BadInput."""
    document = await report(scene, path)
    return document, decoded(document, shape)


class Label(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="schema", tag=SCHEMA):
    """What a report's format has no place for, beside it in REPORT.label.json: of which bytes it is the label, which
    build they are about (its digest or version), when the tool ended, and at how many things it looked."""

    sha256: str
    build: Annotated[str, Meta(min_length=1)]
    ended_at: Annotated[datetime, Meta(tz=True)]
    looked_at: Annotated[int, Meta(ge=0)] = 0


async def label_of(scene: Scene, document: Document) -> Label | None:
    """The label of a report, where it has one. Raises BadInput for that of other bytes: the report is another now."""
    there = await scene.look.documents.read(path := f"{document.path}{LABEL}")
    if there is None:
        return None
    label = decoded(there, Label)
    if label.sha256 != document.sha256:
        raise BadInput(f"{path} is the label of other bytes than {document.path} has.", fix=LABELLED)
    return label


async def stale(
    scene: Scene,
    document: Document,
    *,
    younger_than: float,
    at: datetime | None = None,
    builds: Iterable[str] = (),
) -> list[str]:
    """What is wrong with a report's time and build: what it says of itself, and what its label says, has to be right.

    The time of the file is no time of the report: a fresh checkout makes every file young."""
    label = await label_of(scene, document)
    times = [each for each in (at, None if label is None else label.ended_at) if each is not None]
    named = [*builds, *([label.build] if label is not None else [])]
    old = [words for each in times for words in too_old(scene, each, younger_than)]
    old = old if times else too_old(scene, None, younger_than)
    return [*dict.fromkeys(old), *of_another(scene, named)]


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
