"""Permits are what whoever runs the agents lets them have, whatever their code says: tools by agent, and hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from watership.errors import BadInput

ANY: Final = "*"


class Permits(msgspec.Struct, frozen=True, kw_only=True):
    """`tools`: of the agents named, and of every other one under "*". `hosts`: those that tools may reach at most, by
    `Egress`. None limits nothing."""

    tools: Mapping[str, frozenset[str]] = {}
    hosts: tuple[str, ...] | None = None

    def allows(self, agent: str, tool: str) -> bool:
        """Whether the agent may have the tool."""
        named = self.tools.get(agent, self.tools.get(ANY))
        return named is None or tool in named or ANY in named


EVERYTHING: Final = Permits()

_registered = EVERYTHING


def use_permits(permits: Permits) -> Permits:
    """Have this process keep to `permits` from now on; those before are returned. For wiring."""
    global _registered
    before, _registered = _registered, permits
    return before


def permits() -> Permits:
    """What this process keeps to."""
    return _registered


def permits_of(tools: str, hosts: str) -> Permits:
    """From the settings: "clerk: search, refund; reader: *" and "api.example.com, *.example.org"; empty: no limit."""
    named: dict[str, frozenset[str]] = {}
    for entry in filter(None, map(str.strip, tools.split(";"))):
        agent, colon, listed = (part.strip() for part in entry.partition(":"))
        if not agent or not colon or agent in named:
            raise BadInput(
                f"The permits for tools say {entry!r}.",
                fix='Say each agent once, with its tools: "clerk: search, refund; reader: *". None: "clerk:".',
            )
        named[agent] = frozenset(_words(listed))
    return Permits(tools=named, hosts=_words(hosts) or None)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
