"""A fork of a run goes on from the middle of another one, perhaps with another model, prompt or agent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from watership.agents.llm import Agent
from watership.durable.counters import Cap
from watership.durable.ids import RunId
from watership.durable.run import Run
from watership.errors import BadInput

MODEL: Final = "model"
"""The name in a fork's variant under which the model stands that its agent asks instead of its own."""

_MODEL = re.compile(r"echo|[a-z][a-z0-9-]*:[\w./:@-]{1,200}")


class Fork(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`at`: how many entries of the journal are recalled, or the key of the step before which the fork begins.

    What is not given is as it was; `input` and `prompt` are two words for one thing, of which a model takes the latter.
    """

    at: int | str
    agent: str | None = None
    model: str | None = None
    prompt: str | None = None
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def variant(self, kind: str) -> dict[str, str]:
        """What the fork is to have otherwise than its agent of that kind. Raises BadInput where that cannot be."""
        if self.model is None:
            return {}
        if kind != "llm":
            raise BadInput(
                "A function has no model that could be another one.", fix="Fork it without `model`."
            )
        # What names code to be imported (scripted:module:attribute) is for the application to say, not for a caller.
        if not _MODEL.fullmatch(self.model) or self.model.startswith("scripted:"):
            raise BadInput(
                f"{self.model[:100]!r} names no model.", fix="Give it as provider:model, as an agent would."
            )
        return {MODEL: self.model}

    def given(self, run: Run) -> msgspec.Raw:
        """The fork's input."""
        if not isinstance(self.input, msgspec.UnsetType) and self.prompt is not None:
            raise BadInput("Both `input` and `prompt` are given.", fix="Give one of them.")
        if self.prompt is not None:
            return msgspec.Raw(msgspec.json.encode({"prompt": self.prompt}))
        return run.input if isinstance(self.input, msgspec.UnsetType) else self.input


def caps_of(run: Run, fork: RunId) -> tuple[Cap, ...]:
    """What a fork may use up: as much as its run by itself, and what that shared with others it shares too."""
    own = f"run:{run.id}"
    caps: Sequence[Cap] = run.caps
    return tuple(
        msgspec.structs.replace(cap, counter=cap.counter.replace(own, f"run:{fork}", 1))
        if cap.counter == own or cap.counter.startswith(f"{own}/")
        else cap
        for cap in caps
    )


def with_model(agent: Agent, model: str) -> Agent:
    """The same agent with another model; what the price was of its own model is not the price of this one."""
    return replace(agent, model=model, price=None)
