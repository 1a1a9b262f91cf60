"""A client of the public API: the commands ask the same endpoints as anybody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

from watership.cli.options import read_config
from watership.errors import BadInput, Conflict, NotAllowed, NotFound, Unavailable, WatershipError

TIMEOUT_SECONDS = 30.0

_BY_STATUS: dict[int, type[WatershipError]] = {
    400: BadInput,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: BadInput,
    422: BadInput,
}


class Client:
    """Asks one service. Problems come back as our own errors, with the service's words."""

    def __init__(self, server: str | None, token: str | None) -> None:
        if server is None:
            http = read_config().http
            server = f"http://{http.host}:{http.port}"
        self._server = server.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def address(self, path: str) -> str:
        """Where `path` of this service is."""
        return self._server + path

    def get(self, path: str, **query: object) -> Any:
        """The JSON at `path`; what is None in the query is left out."""
        return self._ask("GET", path, params={k: str(v) for k, v in query.items() if v is not None})

    def post(self, path: str, body: Mapping[str, object], *, key: str | None = None) -> Any:
        headers = {"idempotency-key": key} if key else {}
        return self._ask("POST", path, json=dict(body), headers=headers)

    def put(self, path: str, body: Mapping[str, object]) -> Any:
        return self._ask("PUT", path, json=dict(body))

    def events(self, path: str, after: int) -> Iterator[tuple[str, str, str]]:
        """Server-sent events as (id, event, data), until the stream ends."""
        headers = self._headers | ({"last-event-id": str(after)} if after else {})
        try:
            with httpx2.stream("GET", self._server + path, headers=headers, timeout=None) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise _problem(answer)
                yield from _events(answer.iter_lines())
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None

    def _ask(self, method: str, path: str, **kwargs: Any) -> Any:
        headers = self._headers | kwargs.pop("headers", {})
        try:
            answer = httpx2.request(
                method, self._server + path, headers=headers, timeout=TIMEOUT_SECONDS, **kwargs
            )
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        if answer.status_code >= 400:
            raise _problem(answer)
        return answer.json()

    def _unreachable(self, error: Exception) -> Unavailable:
        words = str(error) or type(error).__name__
        return Unavailable(
            f"{self._server} does not answer: {words}.",
            fix="Start it with `watership dev`, or name it: --server URL",
        )


def _problem(answer: httpx2.Response) -> WatershipError:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    message = str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}")
    kind = _BY_STATUS.get(answer.status_code, Unavailable)
    return kind(message, fix=str(problem.get("fix") or problem.get("next") or ""))


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield fields.get("id", ""), fields.get("event", "message"), fields["data"]
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
