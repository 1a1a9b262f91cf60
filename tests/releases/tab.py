"""A tab of a browser, by its DevTools protocol: opens a page, evaluates, and takes pictures."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from typing import Any
from urllib.parse import quote

from websockets.sync.client import ClientConnection, connect

from watership.testing.servers import Chromium

SECONDS = 30.0

Colour = tuple[int, int, int]


class Tab:
    """One page. What it asked of the network, and what it complained of, is kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._loaded = False
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        self._loaded = False
        self.call("Page.navigate", url=url)
        while not self._loaded:
            self._hear(json.loads(self._socket.recv(SECONDS)))

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"]["value"]

    def picture(self, box: dict[str, float]) -> list[Colour]:
        """The pixels within a box of the page: x, y, width, height."""
        found = self.call("Page.captureScreenshot", clip={**box, "scale": 1}, captureBeyondViewport=True)
        return pixels(b64decode(found["data"]))

    def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            heard = json.loads(self._socket.recv(SECONDS))
            if heard.get("id") == number:
                assert "error" not in heard, heard["error"]
                return heard["result"]
            self._hear(heard)

    def _hear(self, event: dict[str, Any]) -> None:
        match event["method"]:
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(event["params"]["entry"]["text"])


@contextmanager
def new_tab(browser: Chromium) -> Iterator[Tab]:
    """A tab of its own."""
    asked = HTTPConnection("127.0.0.1", browser.port, timeout=SECONDS)
    asked.request("PUT", f"/json/new?{quote('about:blank')}")
    opened = json.loads(asked.getresponse().read())
    asked.close()
    with connect(opened["webSocketDebuggerUrl"], max_size=None, open_timeout=SECONDS) as socket:
        yield Tab(socket)


def pixels(png: bytes) -> list[Colour]:
    """The pixels of a PNG of eight bits a channel, without interlace: as browsers make them."""
    place, data, header = 8, b"", b""
    while place < len(png):
        size, kind = int.from_bytes(png[place : place + 4]), png[place + 4 : place + 8]
        content = png[place + 8 : place + 8 + size]
        header, data = (content, data) if kind == b"IHDR" else (header, data)
        data += content if kind == b"IDAT" else b""
        place += size + 12
    width, channels = int.from_bytes(header[:4]), {2: 3, 6: 4}[header[9]]
    raw, row, step = zlib.decompress(data), bytes(width * channels), width * channels + 1
    found: list[Colour] = []
    for at in range(0, len(raw), step):
        row = _unfiltered(raw[at], raw[at + 1 : at + step], row, channels)
        found += list(zip(row[::channels], row[1::channels], row[2::channels], strict=True))
    return found


def _unfiltered(kind: int, line: bytes, above: bytes, channels: int) -> bytes:
    if kind == 0:
        return line
    if kind == 2:
        return bytes((one + other) & 255 for one, other in zip(line, above, strict=True))
    row = bytearray(line)
    for at in range(len(row)):
        left = row[at - channels] if at >= channels else 0
        corner = above[at - channels] if at >= channels else 0
        guess = {1: left, 3: (left + above[at]) // 2, 4: _nearest(left, above[at], corner)}[kind]
        row[at] = (row[at] + guess) & 255
    return bytes(row)


def _nearest(left: int, up: int, corner: int) -> int:
    """Paeth's guess: whichever of the three lies nearest to left + up - corner."""
    return min((left, up, corner), key=lambda each: abs(left + up - corner - each))
