"""A connection to one MCP server, kept by a task of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import httpx2
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import INVALID_PARAMS, METHOD_NOT_FOUND, CallToolResult, RequestParamsMeta
from mcp.types import Tool as SdkTool

from watership.agents.mcp import McpServer, Offered
from watership.durable import Uncertain
from watership.errors import Unavailable

OPEN_SECONDS: Final = 30.0
"""For a server to start and to say what it offers: a command may have to fetch its package first."""

CLOSE_SECONDS: Final = 10.0
"""For a server to end: the SDK closes its input, and kills its processes by their id after a few seconds."""

PAGES: Final = 20
"""Pages of a list: a server that has more goes in circles."""

NOT_MADE: Final = frozenset({METHOD_NOT_FOUND, INVALID_PARAMS})
"""Errors by which a server says that it did nothing. Any other may come after the effect."""

KEY: Final = "watership/idempotency-key"
"""Where a server that checks keys finds that of a call, in its `_meta`."""


class Connection:
    """Open from `open` until `close`, or until it breaks."""

    def __init__(self, server: McpServer) -> None:
        self.server = server
        self.broken = False
        self._client: Client
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        # One task enters and leaves the SDK's scopes, as they ask for; calls come from others.
        self._task = asyncio.create_task(self._live(), name=f"MCP server {server.name}")

    async def open(self) -> None:
        """Return when it is open. Raises Unavailable if it cannot be opened."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await asyncio.shield(self._opened)
        except TimeoutError:
            self._task.cancel()
            raise self._unreachable(f"it said nothing for {OPEN_SECONDS:g} s") from None
        except Exception as reason:
            raise self._unreachable(str(reason) or type(reason).__name__) from reason

    async def close(self) -> None:
        """End the connection, and the server's process with it."""
        self._closing.set()
        await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)
        self._task.cancel()
        await asyncio.wait({self._task})

    async def look(self) -> dict[str, Offered]:
        """What the server offers now. Raises Unavailable when it does not say."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                return await self._list()
        except Exception as reason:
            self.broken = True
            raise self._unreachable(str(reason) or type(reason).__name__) from reason

    async def call(self, tool: str, arguments: Mapping[str, Any], key: str) -> CallToolResult:
        """What the server answers. Raises Uncertain when nobody knows whether the call was made."""
        keyed = cast("RequestParamsMeta", {KEY: key})
        try:
            return await self._client.call_tool(
                tool, dict(arguments), read_timeout_seconds=self.server.seconds, meta=keyed
            )
        except MCPError as reason:
            if reason.code in NOT_MADE:
                raise
            raise self._uncertain(tool, reason) from reason
        except Exception as reason:  # the SDK may raise anything; the call may have been made before it did
            raise self._uncertain(tool, reason) from reason

    def _uncertain(self, tool: str, reason: Exception) -> Uncertain:
        # What comes next is asked over a new connection: this one, or the server behind it, is not well.
        self.broken = True
        return Uncertain(
            f"Whether {tool!r} of MCP server {self.server.name!r} was called is not known: "
            f"{str(reason) or type(reason).__name__}."
        )

    def _unreachable(self, why: str) -> Unavailable:
        return Unavailable(f"MCP server {self.server.name!r} cannot be used: {why}.")

    async def _live(self) -> None:
        try:
            async with _transport(self.server) as client:
                self._client = client
                if not self._opened.done():
                    self._opened.set_result(None)
                await self._closing.wait()
        except Exception as reason:  # noqa: BLE001 - told to whoever opens it; what breaks later is seen by calls
            if not self._opened.done():
                self._opened.set_exception(_cause(reason))
                self._opened.exception()  # perhaps nobody waits any more
        finally:
            self.broken = True

    async def _list(self) -> dict[str, Offered]:
        offered: list[SdkTool] = []
        cursor: str | None = None
        for _ in range(PAGES):
            page = await self._client.list_tools(cursor=cursor, cache_mode="refresh")
            offered += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        return {each.name: _offered(each) for each in offered}


@asynccontextmanager
async def _transport(server: McpServer) -> AsyncIterator[Client]:
    if server.command:
        program, *arguments = server.command
        started = StdioServerParameters(command=program, args=arguments, env=dict(server.environment))
        async with Client(stdio_client(started, errlog=sys.__stderr__ or sys.stderr), cache=None) as client:
            yield client
        return
    timeout = httpx2.Timeout(OPEN_SECONDS, read=server.seconds)
    async with (
        httpx2.AsyncClient(headers=dict(server.headers), timeout=timeout) as http,
        Client(streamable_http_client(server.url, http_client=http), cache=None) as client,
    ):
        yield client


def _cause(reason: BaseException) -> Exception:
    """The error inside of the groups that the SDK's scopes make of it."""
    while isinstance(reason, BaseExceptionGroup):
        reason = reason.exceptions[0]
    return reason if isinstance(reason, Exception) else RuntimeError(repr(reason))


def _offered(tool: SdkTool) -> Offered:
    hints = tool.annotations
    return Offered(
        name=tool.name,
        description=tool.description or "",
        schema=tool.input_schema,
        read_only=bool(hints and hints.read_only_hint),
        idempotent=bool(hints and hints.idempotent_hint),
    )
