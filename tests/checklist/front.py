"""A front stands before a real server: it hands on what it is asked, and may change what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec

from watership.testing.standin import Answer, Asked, Route, StandIn

Edit = Callable[[Any], Any]


class House:
    """One of several systems that a stand-in plays, each below a path of its own."""

    def __init__(self, standin: StandIn, path: str, routes: Mapping[str, Route] | None = None) -> None:
        self.url = f"{standin.url}{path}"
        self._standin = standin
        self._path = path
        self.keep(routes or {})

    def keep(self, routes: Mapping[str, Route]) -> None:
        """Answer these from now on."""
        self._standin.routes |= {self._whole(route): answer for route, answer in routes.items()}

    def changed(self, route: str, to: Route | None) -> AbstractContextManager[None]:
        """Another answer for a while; None: the route is gone."""
        return self._standin.changed(self._whole(route), to)

    def _whole(self, route: str) -> str:
        method, _, path = route.partition(" ")
        return f"{method} {self._path}{path}"


class Front(StandIn):
    """Before the server at `url`, which answers in JSON. `edits` change answers, by path, or by the query of PromQL."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.edits: dict[str, list[Edit]] = {}
        self._url = url

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        told = msgspec.json.decode(httpx2.request(asked.method, self._url + asked.path, timeout=5.0).content)
        parts = urlsplit(asked.path)
        for name in (parts.path, *parse_qs(parts.query).get("query", ())):
            for edit in self.edits.get(name, []):
                told = edit(told)
        return Answer(told)

    @contextmanager
    def edited(self, name: str, edit: Edit) -> Iterator[None]:
        """Change what is answered for a while."""
        edits = self.edits.setdefault(name, [])
        edits.append(edit)
        try:
            yield
        finally:
            edits.remove(edit)
