"""Speech is a model's answer while it comes: told to whoever watches its run, and kept by nobody.

The answer that counts is the one in the journal. Losing speech, or hearing it late, changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from watership.durable.ids import Key, RunId
from watership.fleet.audience import Audience
from watership.fleet.fanout import Fanout

GATHER_SECONDS: Final = 0.05
"""Between two messages about one answer: faster than anybody reads, and twenty a second at most."""

PIECE: Final = 1_900
"""Characters of one message: in UTF-8 they take up to four bytes each, and a message has 8 KiB."""

RETOLD: Final = 50 * PIECE
"""Characters that are told at once to whoever comes late: half of what an ear holds. Of a longer answer it is the last
of them, and the listener is told where he came in."""


class Said(msgspec.Struct, frozen=True, array_like=True):
    """A piece of the answer to the model call at `key`, which begins `offset` characters into it.

    `epoch` and `attempt` tell one entry into the call from the next, in their order.
    """

    key: Key
    epoch: int
    attempt: int
    offset: int
    text: str

    @property
    def entry(self) -> tuple[int, int]:
        return self.epoch, self.attempt

    @property
    def end(self) -> int:
        return self.offset + len(self.text)


_decoder = msgspec.msgpack.Decoder(Said)
_encode = msgspec.msgpack.Encoder().encode


def speech_topic(run_id: RunId) -> str:
    """Where the speech of a run is told."""
    return f"speech:{run_id}"


def read_said(message: bytes) -> Said | None:
    """What a message says; None where it is not one of ours, or of a later version."""
    try:
        return _decoder.decode(message)
    except msgspec.DecodeError:
        return None


class Speaker:
    """Tells what the models of this process say, where somebody watches."""

    def __init__(self, fanout: Fanout, audience: Audience) -> None:
        self._fanout = fanout
        self._audience = audience

    def watched(self, run_id: RunId) -> bool:
        return self._audience.watched(run_id)

    @contextmanager
    def speaking(self, run_id: RunId, key: Key, epoch: int, attempt: int) -> Iterator[Speech]:
        """The speech of one entry into a model call; all of it has been told at the end of the block."""
        speech = Speech(self._fanout, self._audience, run_id, Said(key, epoch, attempt, 0, ""))
        with self._audience.welcoming(speech.welcome):
            try:
                yield speech
            finally:
                speech.end()


class Speech:
    """One answer as far as it came. Its pieces are gathered for a moment before they are told."""

    def __init__(self, fanout: Fanout, audience: Audience, run_id: RunId, blank: Said) -> None:
        self._fanout = fanout
        self._audience = audience
        self._run_id = run_id
        self._blank = blank
        self._text = ""
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None

    def say(self, text: str) -> None:
        """The answer goes on with `text`."""
        self._text += text
        self._soon()

    def welcome(self, run_id: RunId) -> None:
        """Somebody begins to watch `run_id`: if it is ours, the answer is told from its beginning."""
        if run_id == self._run_id:
            self._told = 0
            self._soon()

    def end(self) -> None:
        """The answer is whole, or has failed."""
        if self._timer is not None:
            self._timer.cancel()
        self._tell()

    def _soon(self) -> None:
        if self._timer is None and self._audience.watched(self._run_id):
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell)

    def _tell(self) -> None:
        self._timer = None
        if not self._audience.watched(self._run_id):
            return
        self._told = max(self._told, len(self._text) - RETOLD)
        while self._told < len(self._text):
            piece = self._text[self._told : self._told + PIECE]
            said = msgspec.structs.replace(self._blank, offset=self._told, text=piece)
            self._fanout.publish(speech_topic(self._run_id), _encode(said))
            self._told += len(piece)


_registered: Speaker | None = None


def use_speaker(speaker: Speaker | None) -> Speaker | None:
    """Have `speaker` tell what the models of this process say; the one before is returned.

    For wiring: what a process tells by is not for its agents to know.
    """
    global _registered
    before, _registered = _registered, speaker
    return before


def speaker_here() -> Speaker | None:
    """The one of this process; None where nobody could be told anything."""
    return _registered
