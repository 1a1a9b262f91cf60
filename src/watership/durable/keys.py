"""Keys name a call's place in the structure of a program, so that replays find it in any order of events.

    search/0                the first step called `search` in the root branch
    gather#0/2/search/0     the same in the third branch of the first gather
    @turn:call_7:0          a call that was given key="turn/call_7/0"; keyed calls have no order

Within a branch calls come one after another, so the journal tells which *unit* must come next; across branches
nothing is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from watership.durable.ids import Key
from watership.errors import ProgramError

RESERVED = frozenset("/#@")

TOPIC = re.compile(r"(?=.{1,100}$)[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)
"""Words with dots between, which brokers match by; a routing key has room for the agent's name behind it."""


def step_name(name: str) -> str:
    """`name`, if it can be part of a key."""
    if not name or not RESERVED.isdisjoint(name):
        raise ProgramError(
            f"A step cannot be named {name!r}.", fix="Pass name= with letters, digits, '_' or '-'."
        )
    return name


def checked_topic(topic: str) -> str:
    """`topic`, if a broker can carry it; empty is none. Raises ProgramError."""
    if topic and not TOPIC.fullmatch(topic):
        raise ProgramError(
            f"A step cannot have the topic {topic!r}.",
            fix="Write words of letters, digits, '_' and '-' with dots between, up to 100 characters.",
        )
    return topic


def keyed(key: str) -> str:
    """The segment for an explicit key=."""
    return "@" + key.replace("/", ":").replace("#", ":")


def join(path: str, unit: str) -> Key:
    """The key of `unit` in the branch at `path`."""
    return Key(f"{path}/{unit}" if path else unit)


def units(key: Key) -> Iterator[tuple[str, str]]:
    """(branch path, unit) for each level of `key` whose order within its branch is told. From the root down."""
    path = ""
    segments = iter(key.split("/"))
    for segment in segments:
        if segment.startswith("@"):
            path = join(path, segment)
        elif "#" in segment:
            yield path, segment
            path = join(path, f"{segment}/{next(segments, '')}")
        else:
            yield path, f"{segment}/{next(segments, '')}"


class Sequences:
    """What each branch did in the journal, in order; replay walks along it."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._units: dict[str, list[str]] = {}
        self._next: dict[str, int] = {}
        self._branches: dict[Key, dict[int, Key]] = {}
        seen: set[tuple[str, str]] = set()
        for key in keys:
            for path, unit in units(key):
                if (path, unit) not in seen:
                    seen.add((path, unit))
                    self._units.setdefault(path, []).append(unit)
                call = join(path, unit)
                if "#" in unit and key != call:
                    index = int(key[len(call) + 1 :].partition("/")[0])
                    self._branches.setdefault(call, {}).setdefault(index, key)

    def branches(self, call: Key) -> Mapping[int, Key]:
        """The branches of a gather, race or timeout that recorded something, each with its first key."""
        return self._branches.get(call, {})

    def expected(self, path: str) -> str | None:
        """The unit that the branch must reach next; None at its frontier."""
        ahead = self._units.get(path, [])
        position = self._next.get(path, 0)
        return ahead[position] if position < len(ahead) else None

    def reach(self, path: str, unit: str, *, leaf: bool) -> str | None:
        """The branch comes to `unit`: None if the journal agrees, else the unit that it holds instead.

        A gather (no `leaf`) of branches that recorded nothing leaves no trace, so its absence is no divergence.
        """
        expected = self.expected(path)
        if expected is None:
            return None
        if expected == unit:
            self._next[path] = self._next.get(path, 0) + 1
            return None
        known = unit in self._units[path]
        return expected if leaf or known else None
