"""The checklist says what must be so before, during and after a release: items of points, each measured or attested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from watership.errors import BadInput, NotFound
from watership.releases.book.document import Misfit, nearest
from watership.releases.book.quantity import Duration, Offset, Parameter

Id = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]*$", max_length=60)]
CheckName = Annotated[str, Meta(pattern=r"^[a-z]+(\.[a-z_]+)*$", max_length=60)]
Words = Annotated[str, Meta(min_length=1, max_length=500)]

ATTESTED_FOR = 48 * 3600.0
"""Seconds that a person's word counts unless the point says otherwise: from T-24h to the end of the watch."""


class Point(Struct, frozen=True, kw_only=True):
    """One line of an item: what must be so, and how it is known.

    Either `check` measures it, with its `parameters`; or a person attests it, and `attest` says why no program can see
    it. `good_for`: how long evidence counts, where it is not as long as the check's kind says.
    """

    id: Id
    text: Words
    check: CheckName | None = None
    parameters: dict[str, Parameter] = {}
    attest: Words | None = None
    good_for: Duration | None = None
    timeout: Duration = 30.0

    def __post_init__(self) -> None:
        if (self.check is None) == (self.attest is None):
            raise BadInput(f"The point '{self.id}' has either a check, or a reason to attest it.")
        if self.attest is not None and self.parameters:
            raise BadInput(f"The point '{self.id}' is attested, so that nothing takes its parameters.")


class ChecklistItem(Struct, frozen=True, kw_only=True):
    """Points that one role answers for, due at a moment of the calendar.

    `verification` is how people used to verify it; `command` does it here.
    """

    id: Id
    number: Annotated[int, Meta(ge=1, le=999)]
    title: Words
    owner: str
    by: Offset
    verification: Words
    command: Words
    points: Annotated[tuple[Point, ...], Meta(min_length=1, max_length=50)]

    def keys(self) -> tuple[str, ...]:
        return tuple(key(self, point) for point in self.points)


class Section(Struct, frozen=True, kw_only=True):
    """A part of the checklist, as one file holds it."""

    schema: Literal["watership/checklist/v1"]
    section: Annotated[str, Meta(pattern="^[A-Z]$")]
    id: Id
    title: Words
    items: Annotated[tuple[ChecklistItem, ...], Meta(min_length=1, max_length=200)]


Checklist = tuple[Section, ...]


def key(item: ChecklistItem, point: Point) -> str:
    """What a point is called everywhere: `tls/days-left`."""
    return f"{item.id}/{point.id}"


def items_of(checklist: Checklist) -> Iterator[ChecklistItem]:
    for section in checklist:
        yield from section.items


def points_of(checklist: Checklist) -> Iterator[tuple[ChecklistItem, Point]]:
    for item in items_of(checklist):
        for point in item.points:
            yield item, point


def chosen(checklist: Checklist, words: Sequence[str]) -> list[tuple[ChecklistItem, Point]]:
    """The points that words name; all of them without a word. Raises BadInput for a word that names none.

    A word is a point's key, an item's id or number, a section's letter or id, a kind of check or its beginning
    (`tls`), `pre` for what is due by T+0, or `post` for the rest.
    """
    everything = list(points_of(checklist))
    if not words:
        return everything
    homes = {item.id: section for section in checklist for item in section.items}
    found: list[tuple[ChecklistItem, Point]] = []
    for word in words:
        meant = [pair for pair in everything if word in names(homes[pair[0].id], *pair)]
        if not meant:
            known = {name for pair in everything for name in names(homes[pair[0].id], *pair)}
            raise NotFound(
                f"Nothing of the checklist is named {word!r}{nearest(word, known)}",
                fix="watership check list",
            )
        found += [pair for pair in meant if pair not in found]
    return found


def names(section: Section, item: ChecklistItem, point: Point) -> set[str]:
    """What people may call a point by."""
    kinds = point.check.split(".") if point.check else []
    prefixes = {".".join(kinds[:length]) for length in range(1, len(kinds) + 1)}
    stage = "pre" if item.by <= 0 else "post"
    return {key(item, point), item.id, str(item.number), section.section, section.id, stage, *prefixes}


def require_whole(checklist: Checklist) -> None:
    """Nothing stands there twice. Raises BadInput."""
    for what, field, names in (
        ("section", "section", [section.section for section in checklist]),
        ("item", "id", [item.id for item in items_of(checklist)]),
        ("number", "number", [str(item.number) for item in items_of(checklist)]),
        ("point", "id", [key(item, point) for item, point in points_of(checklist)]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            word = twice[0].rpartition("/")[2]
            raise Misfit(
                f"The {what} '{twice[0]}' stands in the checklist twice.", field=field, word=word, nth=2
            )
