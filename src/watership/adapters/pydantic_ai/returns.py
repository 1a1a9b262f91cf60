"""What a tool returned, in the form in which the library has the outcome of a call journaled."""

from __future__ import annotations

RESERVED = "tool-return"
"""The `kind` of a value that the library would take for one of its own."""


def returned(value: object) -> object:
    """The outcome of a call that returned `value`, where nobody but a check or a person knows that it did.

    What they give is the bare value; what the body's own end journals also tells a return from a correction.
    """
    mistaken = isinstance(value, dict) and value.get("kind") == RESERVED
    # No digests: as the library writes plain data.
    return {
        "kind": "tool_content_result" if mistaken else "tool_return",
        "result": value,
        "content_file_digests": [],
    }
