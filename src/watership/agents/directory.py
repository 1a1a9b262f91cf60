"""The directory knows the agents of a build: their cards, their programs, and whether an input fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from watership.agents.agent import AgentCard, Entry
from watership.durable import Cap, Program
from watership.durable.run import Run
from watership.errors import BadInput, NotFound


class Directory:
    """Agents by name. Names are unique: a second agent of a name is refused."""

    def __init__(self) -> None:
        self.house: Callable[[Run], tuple[Cap, ...]] = lambda _: ()
        """What whoever runs the agents lets a run use up, beside what they say of themselves."""
        self._entries: dict[str, Entry] = {}
        self._cards: tuple[AgentCard, ...] = ()
        """In the order of their names; every message looks at them."""

    def add(self, entry: Entry) -> None:
        name = entry.card.name
        if name in self._entries:
            raise BadInput(f"There are two agents named {name!r}.", fix="Give one of them another name.")
        self._entries[name] = entry
        self._cards = tuple(self._entries[each].card for each in sorted(self._entries))

    def cards(self) -> Sequence[AgentCard]:
        """Every agent's card, in the order of their names."""
        return self._cards

    def programs(self) -> dict[str, Program]:
        """What a worker needs to run them."""
        return {name: replace(entry.program, caps=self.caps) for name, entry in self._entries.items()}

    def caps(self, run: Run) -> tuple[Cap, ...]:
        """What the run may use up, by the house and by its agent; only the first where this build has no such agent."""
        entry = self._entries.get(run.program)
        return self.house(run) + (() if entry is None else entry.program.caps(run))

    def validate(self, agent: str, raw: msgspec.Raw) -> msgspec.Raw:
        """`raw` in its normal form. Raises BadInput naming the field that does not fit, NotFound for no agent."""
        entry = self._entries.get(agent)
        if entry is None:
            known = ", ".join(sorted(self._entries)) or "none"
            raise NotFound(f"There is no agent {agent!r}.", fix=f"Agents: {known}.")
        return entry.signature.check(raw)
