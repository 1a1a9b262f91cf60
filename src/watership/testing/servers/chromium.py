"""A private Chromium without a screen, spoken to by its DevTools protocol: what a page looks like to a person."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from watership.errors import Unavailable
from watership.testing.servers.ports import LOOPBACK, answer, free_port
from watership.testing.servers.process import Server
from watership.testing.servers.program import find

# By the names that systems give it, in the order of our preference.
PROGRAMS = (
    ("chromium", ()),
    ("chromium-browser", ()),
    ("google-chrome", ()),
    ("Chromium", ("/Applications/Chromium.app/Contents/MacOS",)),
    ("Google Chrome", ("/Applications/Google Chrome.app/Contents/MacOS",)),
)
VERSION = b"GET /json/version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
OK = b"HTTP/1.1 200"


class Chromium(Server):
    """A browser of its own profile that asks nothing of the network. `port`: of its DevTools protocol."""

    name = "chromium"

    def __init__(self, folder: Path | None = None) -> None:
        self.program = _found()
        super().__init__(folder)
        self.port = free_port()

    @property
    def url(self) -> str:
        """Where DevTools answers: PUT /json/new?URL opens a page, and tells its WebSocket."""
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Nothing: it makes its profile itself."""

    def command(self) -> Sequence[str | Path]:
        """The browser in the foreground."""
        flags = [
            "--headless=new",
            f"--remote-debugging-port={self.port}",
            f"--user-data-dir={self.folder / 'profile'}",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",  # containers have 64 MB of it
            "--disable-extensions",
            "--disable-gpu",
            "--force-device-scale-factor=1",
            "--no-first-run",
            "--password-store=basic",
        ]
        # Its sandbox refuses root, who in a container is confined already; it opens our own pages alone.
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []
        return [self.program, *flags, "about:blank"]

    def answers(self) -> bool:
        """Whether DevTools answers."""
        return answer(self.port, VERSION, len(OK)) == OK


def _found() -> Path:
    missing = Unavailable("No Chromium is installed.")
    for program, places in PROGRAMS:
        try:
            return find(program, places, package="chromium", formula="chromium")
        except Unavailable as error:
            missing = Unavailable("No Chromium is installed.", fix=error.fix)
    raise missing
