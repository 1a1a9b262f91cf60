"""Watching a run: its events and its models' words, over the restarts of the service that tells them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from watership.cli.asked import short
from watership.cli.client import Client
from watership.errors import NotAllowed, Unavailable

AGAIN_SECONDS: Final = 1.0
"""Before a stream that broke is taken up again: as the service asks its clients."""

ATTEMPTS: Final = 30
"""In a row without an event: a service that stays away longer is not restarting."""


def followed(client: Client, path: str, after: int) -> Iterator[tuple[str, str, str]]:
    """The events of a stream until the run's end, taken up again where it broke. Raises Unavailable, NotAllowed."""
    attempts, came = 0, False
    while True:
        try:
            for number, event, data in client.events(path, after):
                attempts, came = 0, True
                after = int(number) if number else after
                yield number, event, data
                if event == "end":
                    return
                if event == "expired":
                    raise NotAllowed("The token has expired.", fix="watership token issue, then watch again.")
        except Unavailable:
            # One that was never there is another matter than one that restarts.
            if not came or attempts >= ATTEMPTS:
                raise
        attempts += 1
        if attempts > ATTEMPTS:
            raise Unavailable(
                "The stream ends again and again, and the run has not.", fix="Watch again later."
            )
        time.sleep(AGAIN_SECONDS)


class Screen:
    """Lines of events, and between them the text of answers as it grows."""

    def __init__(self) -> None:
        self._key = ""
        """Whose answer the present line belongs to."""

    def shown(self, number: str, event: str, data: Any) -> str:
        """What to print of an event."""
        if event == "token":
            begins = "" if data["key"] == self._key else self._ended() + f"{'-':>5}  {data['key']}: "
            self._key = data["key"]
            return begins + str(data["text"])
        return f"{self._ended()}{number or '-':>5}  {event:<16} {short(data)}\n"

    def _ended(self) -> str:
        ended, self._key = "\n" if self._key else "", ""
        return ended
