"""The directory knows the agents of a build: their cards, their programs, and whether an input fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from watership.agents.agent import AgentCard, Entry
from watership.agents.definition import Definition, defined
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
        self._definitions: dict[str, Definition] = {}

    def add(self, entry: Entry) -> None:
        name = entry.card.name
        if name in self._entries:
            raise BadInput(f"There are two agents named {name!r}.", fix="Give one of them another name.")
        self._entries[name] = entry
        self._cards = tuple(self._entries[each].card for each in sorted(self._entries))

    def cards(self) -> Sequence[AgentCard]:
        """Every agent's card, in the order of their names."""
        return self._cards

    def definition(self, agent: str) -> Definition:
        """What that agent is made of. It is read from sources when it is first asked for."""
        if agent not in self._definitions:
            entry = self._entries[agent]
            self._definitions[agent] = defined({**_told(entry.card), **entry.parts})
        return self._definitions[agent]

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


def _told(card: AgentCard) -> dict[str, object]:
    """What the card tells, field by field; an agent of another name is another one anyway."""
    return {name: getattr(card, name) for name in card.__struct_fields__ if name != "name"}
