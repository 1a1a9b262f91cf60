"""A finding is what one look at a part of the system saw, and the command that mends it."""

from __future__ import annotations

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: ok, warning, problem, or unknown where the look could not see; `fix` mends what is not ok."""

    what: str
    state: Literal["ok", "warning", "problem", "unknown"]
    detail: str
    fix: str = ""
