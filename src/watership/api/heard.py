"""What one follower of a run has heard of its models' speech, and what a piece of it, or an entry, means to them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec

from watership.agents.speech import Said
from watership.durable.events import Entry, StepDone, StepFailed, StepRetried, StepStarted
from watership.durable.ids import Key

OVER: Final = 100
"""Calls that are remembered as over: speech that comes later than a hundred of them is not to be expected."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Of the answer to the model call at `key`. `epoch` and `attempt` tell one entry into the call from the next."""

    EVENT: ClassVar[str]
    key: Key
    epoch: int
    attempt: int


class Token(Told, frozen=True, kw_only=True):
    """The answer goes on with `text`, which begins `offset` characters (Unicode code points) into it."""

    EVENT = "token"
    offset: int
    text: str


class Gap(Told, frozen=True, kw_only=True):
    """`missed` characters are not told; the next token begins at `offset`. The journal will have all of them."""

    EVENT = "gap"
    offset: int
    missed: int


class Discard(Told, frozen=True, kw_only=True):
    """What was told of this answer is void: its worker died, or the call failed. It may begin again."""

    EVENT = "discard"


@dataclass(slots=True)
class _Text:
    """An answer that is being told. `seen`: how many characters of it were."""

    entry: tuple[int, int]
    seen: int = 0


class Heard:
    """Of one follower. Nothing is told twice, nothing of a call that is over, and what is left out is told as a gap."""

    def __init__(self) -> None:
        self._open: dict[Key, _Text] = {}
        self._over: OrderedDict[Key, tuple[int, int]] = OrderedDict()
        self._epoch = 0

    def is_new(self, said: Said) -> bool:
        """Whether an answer begins that is not being told. The journal is to be read before such a piece is heard."""
        text = self._open.get(said.key)
        return not self._is_stale(said) and (text is None or said.entry > text.entry)

    def hear(self, said: Said, *, patient: bool) -> list[Told]:
        """What to tell of a piece. `patient`: the beginning was asked for, and what comes before it is not missed."""
        if self._is_stale(said):
            return []
        text = self._open.get(said.key)
        told: list[Told] = []
        if text is not None and said.entry > text.entry:
            told.append(_discard(said.key, text))
            text = None
        seen = 0 if text is None else text.seen
        if said.end <= seen or (said.offset > seen and patient):
            return told
        if said.offset > seen:
            told.append(_gap(said, seen))
        self._open[said.key] = _Text(said.entry, said.end)
        told.append(_token(said, max(seen, said.offset)))
        return told

    def _is_stale(self, said: Said) -> bool:
        """Whether it is of a worker that has lost the run, or of a call that is over or was entered again."""
        text = self._open.get(said.key)
        over = self._over.get(said.key, (0, 0)) if text is None else text.entry
        return said.epoch < self._epoch or said.entry < over or (text is None and said.entry == over)

    def read(self, entry: Entry) -> list[Told]:
        """What to tell behind an entry of the journal: a later owner, or the call's failure, makes answers void."""
        self._epoch = max(self._epoch, entry.epoch)
        void = [key for key, text in self._open.items() if text.entry[0] < self._epoch]
        match entry.event:
            case StepStarted(key=key, attempt=attempt):
                if key in self._open and self._open[key].entry < (entry.epoch, attempt):
                    void.append(key)
            case StepDone(key=key, attempt=attempt):
                self._end(key, (entry.epoch, attempt))
                self._open.pop(key, None)
                void = [each for each in void if each != key]
            case StepFailed(key=key, attempt=attempt) | StepRetried(key=key, attempt=attempt):
                self._end(key, (entry.epoch, attempt))
                if key in self._open:
                    void.append(key)
            case _:
                pass
        return [_discard(key, self._open.pop(key)) for key in dict.fromkeys(void)]

    def _end(self, key: Key, entry: tuple[int, int]) -> None:
        self._over[key] = entry
        self._over.move_to_end(key)
        if len(self._over) > OVER:
            self._over.popitem(last=False)


def _token(said: Said, start: int) -> Token:
    return Token(
        key=said.key,
        epoch=said.epoch,
        attempt=said.attempt,
        offset=start,
        text=said.text[start - said.offset :],
    )


def _gap(said: Said, seen: int) -> Gap:
    return Gap(
        key=said.key, epoch=said.epoch, attempt=said.attempt, offset=said.offset, missed=said.offset - seen
    )


def _discard(key: Key, text: _Text) -> Discard:
    epoch, attempt = text.entry
    return Discard(key=key, epoch=epoch, attempt=attempt)
