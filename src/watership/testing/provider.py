"""A provider of models for tests: a real HTTP server that speaks OpenAI's chat completions and answers from a script.

    with Provider([[("search", {"word": "owl"})], "Owls are birds."]) as provider:
        os.environ |= provider.environment()
        ...  # an Agent(model="openai-chat:scripted") anywhere, in this process or another one

The turn is told by the request alone (by how many answers stand in its messages), so that whoever asks again gets the
same. What it was asked and what it answered stands in a file, whatever becomes of those who asked.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec

from watership.testing.scripted import Answer, Given

Request = Mapping[str, Any]
Turn = Given | Callable[[Request], Given]

OUTPUT_TOOL: Final = "final_result"
"""The tool by which Pydantic AI has a model give an output that is no text."""

LETTERS_PER_TOKEN: Final = 4
BODY_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with this status instead of a turn, and say when to come again, if that is known."""

    status: int
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Work the answer out, which costs what it costs, and close the connection before it is sent; or of a stream
    after so many of its `pieces`."""

    pieces: int = 0


Fault = Refuse | Cut | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider wrote down: `asked` as a request comes in, then what became of it. Tokens are billed with
    `answered` and `cut`: the work was done."""

    number: int
    what: Literal["asked", "answered", "refused", "cut"]
    turn: int
    at: float
    prompt: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


class Provider:
    """Use it as a context manager. `seconds` is how long each answer takes; `fault` may spoil the n-th request, from 1.

    `pause`: seconds between the pieces of an answer that is streamed. `output_tokens`: of every answer; by the length
    of its text where not given. Who goes away in the middle of a stream is billed for all of it.
    """

    def __init__(
        self,
        turns: Sequence[Turn],
        *,
        log: Path | None = None,
        seconds: float = 0.0,
        pause: float = 0.0,
        output_tokens: int | None = None,
        fault: Callable[[int, Request], Fault] = lambda number, request: None,
    ) -> None:
        self.turns = turns
        self.seconds = seconds
        self.pause = pause
        self.output_tokens = output_tokens
        self.fault = fault
        self._log = log
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._number = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.provider = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL, as clients take it."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def environment(self) -> dict[str, str]:
        """What has OpenAI's own client ask here."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "none is needed"}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # --- what it has on record --------------------------------------------------------------------------------

    def lines(self, what: str | None = None) -> list[Line]:
        with self._lock:
            return [line for line in self._lines if what in (None, line.what)]

    def billed(self, *, input: float, output: float) -> int:
        """What it would bill so far, in millionths of a dollar, by prices in dollars for a million tokens."""
        done = [line for line in self.lines() if line.what in ("answered", "cut")]
        return sum(round(line.input_tokens * input + line.output_tokens * output) for line in done)

    def write(self, line: Line) -> None:
        with self._lock:
            self._lines.append(line)
            if self._log is not None:
                with self._log.open("ab") as log:
                    log.write(msgspec.json.encode(line) + b"\n")
                    log.flush()
                    os.fsync(log.fileno())

    def next_number(self) -> int:
        with self._lock:
            self._number += 1
            return self._number

    # --- what it says -----------------------------------------------------------------------------------------

    def said(self, request: Request) -> tuple[int, dict[str, Any]]:
        """The turn's number, and its message."""
        number = sum(message["role"] == "assistant" for message in request["messages"])
        turn = self.turns[min(number, len(self.turns) - 1)]
        given = turn(request) if callable(turn) else turn
        if isinstance(given, str):
            return number, {"role": "assistant", "content": given}
        calls = [(OUTPUT_TOOL, given.value)] if isinstance(given, Answer) else given
        return number, {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": f"call-{number + 1}-{index + 1}",
                    "type": "function",
                    "function": {"name": tool, "arguments": json.dumps(dict(arguments))},
                }
                for index, (tool, arguments) in enumerate(calls)
            ],
        }

    def usage(self, request: Request, message: Mapping[str, Any]) -> dict[str, int]:
        asked = len(json.dumps(request["messages"])) // LETTERS_PER_TOKEN
        answered = self.output_tokens or max(1, len(json.dumps(message)) // LETTERS_PER_TOKEN)
        return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    provider: Provider

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked was killed, or cut its line: nothing that a provider would mind."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if self.path != "/v1/chat/completions" or not 0 < length <= BODY_BYTES:
            self._reply(404, _problem("There is nothing here but POST /v1/chat/completions."))
            return
        request: Request = json.loads(self.rfile.read(length))
        self._complete(request)

    def _complete(self, request: Request) -> None:
        provider = self.server.provider
        number = provider.next_number()
        turn, message = provider.said(request)
        usage = provider.usage(request, message)
        asked = Line(number=number, what="asked", turn=turn, at=time.time(), prompt=_prompt(request))
        provider.write(asked)
        fault = provider.fault(number, request)
        if isinstance(fault, Refuse):
            provider.write(msgspec.structs.replace(asked, what="refused", at=time.time()))
            headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
            self._reply(fault.status, _problem("Not now."), headers)
            return
        time.sleep(provider.seconds)
        tokens = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
        whole = fault is None
        if request.get("stream"):
            whole = self._stream(request, number, message, fault.pieces if fault else None)
        provider.write(
            msgspec.structs.replace(asked, what="answered" if whole else "cut", at=time.time(), **tokens)
        )
        if not whole:
            self.close_connection = True
            self.connection.close()
        elif request.get("stream"):
            self._end_stream(request, number, message, usage)
        else:
            self._reply(200, _completion(request, number, message, usage))

    def _stream(self, request: Request, number: int, message: Mapping[str, Any], cut: int | None) -> bool:
        """The answer in pieces, as server-sent events, but for the last one; whether all of them could be sent."""
        if cut == 0:
            return False
        try:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for count, piece in enumerate(_pieces(message)[:-1], 1):
                self._event(_chunk(request, number, {"index": 0, **piece}))
                if count == cut:
                    return False
                time.sleep(self.server.provider.pause)
        except OSError:  # whoever asked has gone
            return False
        return cut is None

    def _end_stream(
        self, request: Request, number: int, message: Mapping[str, Any], usage: Mapping[str, int]
    ) -> None:
        """The last piece, which says why it ended, and the usage where it was asked for."""
        try:
            self._event(_chunk(request, number, {"index": 0, **_pieces(message)[-1]}))
            if (request.get("stream_options") or {}).get("include_usage"):
                self._event({**_chunk(request, number, None), "usage": dict(usage)})
            self._send_chunk(b"data: [DONE]\n\n")
            self._send_chunk(b"")
        except OSError:  # as above; what was answered is on record
            self.close_connection = True

    def _event(self, data: Mapping[str, Any]) -> None:
        self._send_chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def _send_chunk(self, data: bytes) -> None:
        """In chunks, as providers do: a connection that breaks is then no end."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _reply(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
        except OSError:  # whoever asked was killed meanwhile; what was answered is on record
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """The record is the provider's own."""


def _completion(
    request: Request, number: int, message: Mapping[str, Any], usage: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "id": f"completion-{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": _reason(message)}],
        "usage": dict(usage),
    }


def _chunk(request: Request, number: int, choice: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "id": f"completion-{number}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": request["model"],
        "choices": [] if choice is None else [choice],
    }


def _pieces(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A message as the deltas of a stream: its words one by one, or its calls, and why it ended."""
    deltas: list[dict[str, Any]] = [{"role": "assistant"}]
    if message["content"] is not None:
        deltas += [{"content": word + " "} for word in message["content"].split(" ")]
        deltas[-1]["content"] = deltas[-1]["content"].removesuffix(" ")
    deltas += [{"tool_calls": [{"index": n, **call}]} for n, call in enumerate(message.get("tool_calls", ()))]
    ended = {"delta": {}, "finish_reason": _reason(message)}
    return [*({"delta": delta, "finish_reason": None} for delta in deltas), ended]


def _reason(message: Mapping[str, Any]) -> str:
    return "tool_calls" if "tool_calls" in message else "stop"


def _prompt(request: Request) -> str:
    """What a person asked first, to tell the conversations apart."""
    said = [message["content"] for message in request["messages"] if message["role"] == "user"]
    return str(said[0]) if said else ""


def _problem(words: str) -> dict[str, Any]:
    return {"error": {"message": words, "type": "test", "param": None, "code": None}}
