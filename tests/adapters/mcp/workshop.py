"""An MCP server as anybody writes one, with the official SDK; a program of its own: workshop.py FOLDER [PORT]."""

import asyncio
import os
import sys
import time
from pathlib import Path

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

FOLDER = Path(sys.argv[1])
server = MCPServer("workshop", log_level="ERROR")


def done(what: str) -> None:
    with (FOLDER / "done").open("a") as book:
        book.write(f"{what}\n")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def paint(colour: str) -> str:
    """Paint the shed."""
    done(colour)
    return f"{colour} it is"


@server.tool()
async def paint_slowly(colour: str) -> str:
    """Paint the shed, and never come to an end."""
    done(colour)
    await asyncio.sleep(3600)
    return "never"


@server.tool()
def paint_and_die(colour: str) -> str:
    """Paint the shed, and fall off the ladder."""
    done(colour)
    os._exit(1)


@server.tool()
def refuse() -> str:
    """Say no."""
    raise ToolError("the shed is locked")


@server.tool()
def told() -> dict[str, str]:
    """What this process was told by its environment."""
    return dict(os.environ)


@server.tool()
def process() -> int:
    """Which process this is."""
    return os.getpid()


@server.tool()
def much() -> str:
    """More than anybody wants."""
    return "x" * 100_000


if (FOLDER / "changed").exists():
    server.remove_tool("paint")

    @server.tool(name="paint")
    def paint_otherwise(colour: str, coats: int) -> str:
        """Paint the shed, so many times."""
        done(colour)
        return f"{coats} times {colour}"


if __name__ == "__main__":
    (FOLDER / "started").open("a").write(f"{time.time()}\n")
    if len(sys.argv) > 2:
        asyncio.run(server.run_streamable_http_async(port=int(sys.argv[2])))
    else:
        server.run()
