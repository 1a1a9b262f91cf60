"""A cassette is one run with its journal, as text: enough to replay it anywhere, at any later time."""

from __future__ import annotations

import msgspec

from watership.durable.events import AnyEvent, dump, load
from watership.durable.run import Run
from watership.errors import BadInput


class Kept(msgspec.Struct, frozen=True):
    """An event with the version of its shape, so that an older one is lifted when it is read."""

    version: int
    event: msgspec.Raw


class Cassette(msgspec.Struct, frozen=True, kw_only=True):
    """`run` as its row stood, with its input."""

    run: Run
    journal: tuple[Kept, ...]

    def events(self) -> tuple[AnyEvent, ...]:
        return tuple(load(kept.version, bytes(kept.event)) for kept in self.journal)


def record(run: Run, events: tuple[AnyEvent, ...]) -> str:
    """The run as text."""
    journal = tuple(Kept(version, msgspec.Raw(body)) for version, body in map(dump, events))
    return msgspec.json.encode(Cassette(run=run, journal=journal)).decode()


def read(text: str) -> Cassette:
    """Raises BadInput where the text is no cassette."""
    try:
        return msgspec.json.decode(text, type=Cassette)
    except msgspec.DecodeError as reason:
        raise BadInput(
            f"This is no cassette: {reason}.", fix="Make one with: watership run export RUN"
        ) from None
