"""What an MCP server answered to a call, as plain data of bounded size."""

from __future__ import annotations

import msgspec
from mcp.types import CallToolResult, ContentBlock, EmbeddedResource, TextContent, TextResourceContents


def plain(result: CallToolResult, *, most: int) -> object:
    """The structured content if there is any, else the texts; under `error` where the server says that it is one.

    Pictures and sounds are named, not passed on. What takes more than `most` bytes is not passed on either, and the
    model is told so: the call was made, so it cannot fail for that.
    """
    value: object = result.structured_content
    if value is None or result.is_error:
        texts = [_text(block) for block in result.content]
        value = texts[0] if len(texts) == 1 else texts
    size = len(msgspec.json.encode(value))
    if size > most:
        return {"error": f"The tool was called. Its result takes {size:,} bytes, and {most:,} are the limit."}
    return {"error": value} if result.is_error else value


def _text(block: ContentBlock) -> str:
    match block:
        case TextContent(text=text):
            return text
        case EmbeddedResource(resource=TextResourceContents(text=text)):
            return text
        case _:
            return f"({block.type}, not shown)"
