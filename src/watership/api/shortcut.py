"""A path without parameters goes straight to its endpoint: one look into a table instead of a walk along all routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from watership.api.asked import Asked
from watership.errors import WatershipError

Serve = Callable[[Asked], Awaitable[ASGIApp]]
Refuse = Callable[[Scope, Exception], ASGIApp]


class Shortcut:
    """Around the router, and inside the front door. What it does not know, a wrong method too, is the router's.

    The router and its layers cost more than all that a message's endpoint does itself.
    """

    def __init__(self, app: ASGIApp, table: Mapping[str, Mapping[str, Serve]], refuse: Refuse) -> None:
        """`table`: path → method → endpoint. `refuse` answers for errors of ours and of the framework."""
        self._app = app
        self._table = table
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        serve = self._find(scope)
        if serve is None:
            await self._app(scope, receive, send)
            return
        try:
            answer = await serve(Asked(scope, receive))
        except (WatershipError, HTTPException) as error:
            answer = self._refuse(scope, error)
        await answer(scope, receive, send)

    def _find(self, scope: Scope) -> Serve | None:
        if scope["type"] != "http" or scope.get("root_path"):
            return None
        methods = self._table.get(scope["path"])
        return None if methods is None else methods.get(scope["method"])
