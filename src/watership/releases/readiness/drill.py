"""A drill rehearses what nobody hopes for; its record says how long it took, what came of it, and for which build."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from watership.errors import BadInput
from watership.releases.auditing.audit import Plain
from watership.releases.instruments import Document, Documents

FOLDER: Final = "evidence/drills"
"""Where records are kept, below the project's folder: one JSON file each."""

APART: Final = 5.0
"""Seconds that a stopwatch and the calendar may differ by: a clock is set right now and then."""

KINDS: Final = ("rollback", "failover", "backup-restore", "migration", "scaling")

Kind = Literal["rollback", "failover", "backup-restore", "migration", "scaling"]
Words = Annotated[str, Meta(max_length=2_000)]


class Step(Struct, frozen=True, kw_only=True):
    """A part of a drill, measured by itself."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    seconds: Annotated[float, Meta(ge=0)]
    passed: bool
    words: Words = ""


class Drill(Struct, frozen=True, kw_only=True):
    """What a rehearsal writes down at its end, whatever came of it, and `by` whom it was held.

    `rto_seconds`: from the loss until the service was back; `rpo_seconds`: how much of the past was lost with it; None:
    not measured. `build` is the digest that was drilled with, where it matters; `environment` where it was done. Of a
    restored backup `facts` hold its `backup` (the name in the catalogue) and its `sha256`.
    """

    schema: Literal["watership/drill/v1"] = "watership/drill/v1"
    kind: Kind
    environment: str
    began: datetime
    ended: datetime | None = None
    seconds: Annotated[float, Meta(ge=0)]
    outcome: Literal["passed", "failed"]
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=100)]
    by: Annotated[str, Meta(min_length=1, max_length=200)]
    rto_seconds: Annotated[float, Meta(ge=0)] | None = None
    rpo_seconds: Annotated[float, Meta(ge=0)] | None = None
    build: str = ""
    version: str = ""
    words: Words = ""
    facts: dict[str, Plain] = {}

    def __post_init__(self) -> None:
        if self.began.tzinfo is None or (self.ended is not None and self.ended.tzinfo is None):
            raise BadInput("The drill does not say in which zone it began and ended.")
        if self.ended is not None and abs((self.ended - self.began).total_seconds() - self.seconds) > APART:
            raise BadInput(f"The drill took {self.seconds:g} s, which is not from its beginning to its end.")
        if self.outcome == "passed" and not all(step.passed for step in self.steps):
            raise BadInput("A drill with a step that failed has not passed.")

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"

    def step(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.name == name), None)


def file_name(drill: Drill) -> str:
    """What its record is called, so that they stand in order."""
    return f"{drill.kind}-{drill.began:%Y%m%dT%H%M%SZ}.json"


def encoded(drill: Drill) -> bytes:
    """A record as it is written."""
    return msgspec.json.format(msgspec.json.encode(drill), indent=2) + b"\n"


def decoded(document: Document) -> Drill:
    """A record as it was written. Raises BadInput for what is none."""
    try:
        return msgspec.json.decode(document.content, type=Drill)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{document.path} is no record of a drill: {error}.") from error


async def drills(documents: Documents, kind: str, folder: str = FOLDER) -> Sequence[Drill]:
    """Every record of a kind, the oldest first. Raises BadInput for a kind that is none, and for a broken record."""
    if kind not in KINDS:
        raise BadInput(f"No drill is '{kind}'.", fix=f"Say one of: {', '.join(KINDS)}.")
    found = [await documents.read(name) for name in await documents.names(f"{folder}/*.json")]
    every = [decoded(document) for document in found if document is not None]
    return sorted((drill for drill in every if drill.kind == kind), key=lambda drill: drill.began)
