"""Between a client of AWS and moto: it fails as networks and APIs do, and looks at targets as a load balancer does."""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode

from watership.testing.servers.ports import LOOPBACK
from watership.testing.standin import Answer

PROBE_SECONDS = 0.5

HANG_SECONDS = 5.0
"""Longer than a test's client waits."""


class Fault(Enum):
    """What becomes of a call."""

    REFUSED = "refused"
    """AWS says that it is asked too often."""
    HANGS = "hangs"
    """Nothing is done, and no answer comes."""
    DEAF = "deaf"
    """It is done, and the connection breaks before the answer."""
    LIES = "lies"
    """200, and nothing is done."""
    HALF = "half"
    """200, and of two weights, or two targets, one is done."""


WRITES = ("AddTags", "ModifyTargetGroupAttributes", "RegisterTargets", "ModifyRule", "DeregisterTargets")
READS = ("DescribeRules", "DescribeTags", "DescribeTargetHealth", "DescribeTargetGroupAttributes")


class GoBetween:
    """`faults` says of an action which faults its next calls meet, one after the other; `asked` are all actions."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.faults: dict[str, deque[Fault]] = {}
        self.asked: list[str] = []
        self.ends = threading.Event()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _calls(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def __enter__(self) -> GoBetween:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ends.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)

    def fails(self, action: str, fault: Fault, times: int = 1) -> None:
        self.faults[action] = deque([fault] * times)

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """What becomes of a call; None: its connection is closed without an answer."""
        form = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        action = form["Action"]
        self.asked.append(action)
        waiting = self.faults.get(action)
        match waiting.popleft() if waiting else None:
            case Fault.REFUSED:
                return _error(503, "ServiceUnavailable")
            case Fault.HANGS:
                self.ends.wait(HANG_SECONDS)
                return None
            case Fault.DEAF:
                self._forward(headers, form)
                return None
            case Fault.LIES:
                return _done(action)
            case Fault.HALF:
                self._forward(headers, _halved(form))
                return _done(action)
            case None:
                said = self._forward(headers, form)
                return _looked_at(said) if action == "DescribeTargetHealth" else said

    def _forward(self, headers: Mapping[str, str], form: dict[str, str]) -> Answer:
        kept = {name: headers[name] for name in ("Authorization", "Content-Type", "X-Amz-Date")}
        # The address is moto's.
        wanted = urllib.request.Request(self._url, urlencode(form).encode(), kept)  # noqa: S310
        try:
            with urllib.request.urlopen(wanted) as said:  # noqa: S310
                return Answer(said.read(), said.status)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.read(), error.code)


def _calls(between: GoBetween) -> type[BaseHTTPRequestHandler]:
    class Calls(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = between.answer(dict(self.headers), body)
            if answer is None:
                self.close_connection = True
                return
            content, _ = answer.content()
            self.send_response(answer.status)
            self.send_header("content-type", "text/xml")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Tests do not want it."""

    return Calls


def _error(status: int, code: str) -> Answer:
    text = f"<ErrorResponse><Error><Code>{code}</Code><Message>as the test wants it</Message></Error></ErrorResponse>"
    return Answer(text.encode(), status)


def _done(action: str) -> Answer:
    text = f"<{action}Response><{action}Result/><ResponseMetadata/></{action}Response>"
    return Answer(text.encode(), 200)


def _halved(form: dict[str, str]) -> dict[str, str]:
    """The first of the targets alone; of the weights that of the first group, as if the other had stayed at 0."""
    second = re.compile(r"Targets\.member\.[2-9]\.")
    halved = {name: value for name, value in form.items() if not second.match(name)}
    return {
        name: "0" if name.endswith("TargetGroups.member.2.Weight") else value
        for name, value in halved.items()
    }


def _looked_at(said: Answer) -> Answer:
    """moto finds every target healthy without a look; a load balancer asks each for its readiness."""
    assert isinstance(said.body, bytes)
    return Answer(
        re.sub(rb"<member>.*?</member>", _member, said.body, flags=re.DOTALL), said.status, said.headers
    )


def _member(found: re.Match[bytes]) -> bytes:
    host = re.search(rb"<Id>([^<]*)</Id>", found[0])
    port = re.search(rb"<Port>([^<]*)</Port>", found[0])
    if host is None or port is None or _ready(f"http://{host[1].decode()}:{port[1].decode()}/readyz"):
        return found[0]
    return found[0].replace(b"<State>healthy</State>", b"<State>unhealthy</State>")


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS) as said:  # noqa: S310 - of this machine
            return bool(said.status == 200)
    except OSError:
        return False
