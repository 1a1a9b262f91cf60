"""Scrubbing: a secret that this process knows is replaced wherever something is written down or told.

The journal's codec and its failures go through it, and so do logs and prompts. It knows a secret's own spelling, and
those of JSON and of URLs; what somebody encodes in another way is not found.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final
from urllib.parse import quote

import msgspec

SHORTEST: Final = 8
"""Characters of a secret at least: a shorter one stands in ordinary text by accident, and would be guessed anyway."""


class _Known:
    """What this process replaces, and by what; the longest first, since one spelling may begin another."""

    shown: ClassVar[dict[str, str]] = {}


def keep_out(name: str, value: str) -> bool:
    """Replace `value` by its name from now on; False, and nothing is done, if it is too short to be told from text."""
    if len(value) < SHORTEST:
        return False
    spellings = {value, msgspec.json.encode(value).decode()[1:-1], quote(value, safe=""), quote(value)}
    if not spellings <= _Known.shown.keys():
        both = _Known.shown | dict.fromkeys(spellings, f"[secret {name}]")
        # Another one in its place, since a thread may be going through this one.
        _Known.shown = {each: both[each] for each in sorted(both, key=len, reverse=True)}
    return True


def scrub(text: str) -> str:
    """`text` without a secret."""
    for value, shown in _Known.shown.items():
        if value in text:
            text = text.replace(value, shown)
    return text


def scrub_bytes(data: bytes) -> bytes:
    """The same for encoded text."""
    for value, shown in _Known.shown.items():
        if (raw := value.encode()) in data:
            data = data.replace(raw, shown.encode())
    return data


def scrub_value(value: Any) -> Any:
    """The same for data of JSON's own types, names included."""
    match value:
        case _ if not _Known.shown:
            return value
        case str():
            return scrub(value)
        case dict():
            return {scrub_value(name): scrub_value(part) for name, part in value.items()}
        case list():
            return [scrub_value(part) for part in value]
        case _:
            return value
