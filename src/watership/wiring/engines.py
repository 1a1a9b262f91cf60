"""What runs LLM agents and speaks with MCP servers, imported by the first process that has one: it costs a second."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from watership.agents.llm import Engine, use_engine
from watership.agents.mcp import McpClient, use_mcp
from watership.durable.clock import Clock
from watership.errors import BadInput

if TYPE_CHECKING:
    from watership.adapters.mcp.servers import McpServers


def use_pydantic_ai(*, offline: bool = False) -> None:
    """Have LLM agents run by Pydantic AI's loop; `offline` for replays, which need no provider."""
    use_engine(_offline if offline else _pydantic_ai)


def _offline() -> Engine:
    from watership.adapters.pydantic_ai.engine import offline

    return offline


def _pydantic_ai() -> Engine:
    from watership.adapters.pydantic_ai import engine

    return engine


@asynccontextmanager
async def mcp_servers(clock: Clock) -> AsyncIterator[None]:
    """Have agents reach their MCP servers for the length of the block, and end those that were started for them."""
    async with AsyncExitStack() as stack:
        made: list[McpClient] = []

        def client() -> McpClient:
            if not made:
                servers = _mcp_servers(clock)
                stack.push_async_exit(servers)
                made.append(servers)
            return made[0]

        before = use_mcp(client)
        stack.callback(use_mcp, before)
        yield


def _mcp_servers(clock: Clock) -> McpServers:
    try:
        from watership.adapters.mcp.servers import McpServers
    except ModuleNotFoundError as reason:
        if (reason.name or "").partition(".")[0] != "mcp":
            raise
        raise BadInput(
            "An agent has MCP servers, and the package that speaks with them is not installed.",
            fix="pip install 'watership[mcp]'",
        ) from None
    return McpServers(clock)
