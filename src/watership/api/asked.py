"""What is asked: a request's head in a form that is quick to look into, and its body, which is still to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope


class Asked:
    """One request, without the framework's objects: those cost more than all that a message's endpoint does itself."""

    __slots__ = ("_headers", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        # Backwards, so that of a name that is there twice the first counts.
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))

    def header(self, name: bytes) -> str | None:
        """The header of that name, which is in small letters; None when there is none."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def path(self) -> Mapping[str, Any]:
        """The parameters of the path."""
        found: Mapping[str, Any] = self.scope.get("path_params", {})
        return found

    def query(self) -> list[tuple[str, str]]:
        """The parameters of the query, as often as they stand there."""
        text = self.scope["query_string"]
        return parse_qsl(text.decode("latin-1"), keep_blank_values=True) if text else []

    async def chunk(self) -> tuple[bytes, bool]:
        """The next part of the body, and whether there is more. Raises ClientDisconnect when nobody sends it."""
        message: Message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        return message.get("body", b""), message.get("more_body", False)
