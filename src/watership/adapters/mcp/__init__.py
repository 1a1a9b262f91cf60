"""MCP by its official SDK: connections to servers of tools, by stdio and by streamable HTTP."""
