"""The MCP servers of a process: each connected when it is first needed, and again after it broke, within a bound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from mcp import MCPError

from watership.adapters.mcp.connection import Connection
from watership.adapters.mcp.results import plain
from watership.agents.mcp import McpServer, McpToolChanged, Offered
from watership.durable.clock import Clock
from watership.errors import Unavailable

STARTS: Final = 5
START_WINDOW: Final = 60.0
"""A server is started, or connected to, so often in so many seconds at most: what breaks more often is left alone."""

PAUSES: Final = (0.1, 1.0)
"""Seconds before a server is tried to be reached again. Nothing was called yet, so that harms nobody; and an unsafe
step, which fails for good, shall not fail for a server that was just restarted."""


class McpServers:
    """An McpClient, for the length of its block. The servers that it started end with it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[McpServer, _Kept] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(each.close() for each in self._kept.values()))

    async def tools(self, server: McpServer) -> Sequence[Offered]:
        _, offered = await self._reached(server)
        return tuple(offered.values())

    async def call(self, server: McpServer, tool: Offered, arguments: Mapping[str, Any], key: str) -> object:
        connection, offers = await self._reached(server)
        offered = offers.get(tool.name)
        if offered is None or offered.schema != tool.schema:
            raise McpToolChanged(
                f"The tool {tool.name!r} of MCP server {server.name!r} is not what it was when this run first looked: "
                f"{'it is gone' if offered is None else 'it takes other arguments'}. It was not called.",
                fix="Start a new run, which will look anew.",
            )
        try:
            result = await connection.call(tool.name, arguments, key)
        except MCPError as reason:
            return {"error": reason.message}
        return plain(result, most=server.result_bytes)

    async def _reached(self, server: McpServer) -> tuple[Connection, dict[str, Offered]]:
        """A connection that just told what the server offers: one that died while nobody asked it is made anew."""
        for pause in PAUSES:
            try:
                connection = await self._connected(server)
                return connection, await connection.look()
            except Unavailable:
                await self._clock.sleep(pause)
        connection = await self._connected(server)
        return connection, await connection.look()

    async def _connected(self, server: McpServer) -> Connection:
        kept = self._kept.get(server)
        if kept is None:
            kept = self._kept[server] = _Kept(server, self._clock)
        return await kept.connected()


class _Kept:
    """One server's connection, and when it was last made."""

    def __init__(self, server: McpServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._starts: deque[float] = deque(maxlen=STARTS)
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None

    async def connected(self) -> Connection:
        async with self._lock:
            if self._connection is None or self._connection.broken:
                await self.close()
                self._may_start()
                self._connection = Connection(self._server)
                await self._connection.open()
            return self._connection

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _may_start(self) -> None:
        now = self._clock.monotonic()
        if len(self._starts) == STARTS and now - self._starts[0] < START_WINDOW:
            raise Unavailable(
                f"MCP server {self._server.name!r} was begun {STARTS} times in the last {START_WINDOW:g} s, "
                "and broke each time.",
                retry_after=self._starts[0] + START_WINDOW - now,
            )
        self._starts.append(now)
