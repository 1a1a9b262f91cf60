"""An agent is a program with a card: what it is called, what it does, what it takes, who it yields to."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar, get_args

import msgspec

from watership.agents.budget import NOTHING_SAID, Allowance, Budget
from watership.agents.signature import Signature
from watership.agents.tool import PROGRAM, asynchronous, tool_from
from watership.agents.traits import UNDECLARED, Traits
from watership.agents.until import check_within, least
from watership.durable import InDoubt, OutsideRun, Program
from watership.durable.branch import current_branch
from watership.durable.run import DEFAULT_POOL, DEFAULT_PRIORITY
from watership.durable.writes import WhenBusy
from watership.errors import BadInput, ProgramError

P = ParamSpec("P")
R = TypeVar("R")

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.IGNORECASE)
"""Names stand in URLs, routing keys and journal keys; 63 characters fit each of them."""

POLICIES: frozenset[WhenBusy] = frozenset(get_args(WhenBusy))
DOUBT_POLICIES: frozenset[InDoubt] = frozenset(get_args(InDoubt))
PRIORITIES = range(3)


class AgentCard(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of an agent to whoever sends it messages."""

    name: str
    description: str
    kind: Literal["function", "llm"]
    input_schema: Mapping[str, Any]
    conversation: WhenBusy = "queue"
    pool: str = DEFAULT_POOL
    priority: int = DEFAULT_PRIORITY
    within_seconds: float | None = None
    """How long a run may take from when it was accepted; None: as long as it likes."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise BadInput(
                f"An agent cannot be named {self.name!r}.", fix="Use letters, digits, - and _, up to 63."
            )
        if self.conversation not in POLICIES:
            raise BadInput(
                f"Agent {self.name!r} has the conversation policy {self.conversation!r}.",
                fix=f"Policies: {', '.join(sorted(POLICIES))}.",
            )
        if self.priority not in PRIORITIES:
            raise BadInput(
                f"Agent {self.name!r} has priority {self.priority}.", fix="0 is low, 1 normal, 2 high."
            )
        check_within(self.within_seconds, f"A run of agent {self.name!r}")


@dataclass(frozen=True, slots=True)
class Entry:
    """An agent as the directory keeps it."""

    card: AgentCard
    signature: Signature
    program: Program
    parts: Mapping[str, object]
    """What it is made of, beside what its card tells."""


def inside_a_run(name: str) -> None:
    """Raises OutsideRun where nothing would be journaled: an agent never runs non-durably by accident."""
    if current_branch.get() is None:
        raise OutsideRun(name)


def function_entry(
    function: Callable[..., Awaitable[Any]],
    name: str | None,
    *,
    conversation: WhenBusy,
    pool: str,
    priority: int,
    budget: Budget = NOTHING_SAID,
    daily: Budget = NOTHING_SAID,
    in_doubt: InDoubt = "ask",
    within_seconds: float | None = None,
) -> Entry:
    """The agent that an async function is: its docstring describes it, its signature is its input."""
    called = name or str(getattr(function, "__name__", ""))
    signature = Signature(asynchronous(function, "agent"), f"agent {called!r}")
    card = AgentCard(
        name=called,
        description=inspect.getdoc(function) or "",
        kind="function",
        input_schema=signature.schema,
        conversation=conversation,
        pool=pool,
        priority=priority,
        within_seconds=least(within_seconds, budget.seconds),
    )
    allowance = Allowance(agent=called, per_run=budget, per_day=daily)
    parts = {"function": function, "budget": budget, "daily": daily, "in_doubt": in_doubt}
    program = program_of(card, program_call(function, signature), allowance, in_doubt)
    return Entry(card, signature, program, parts)


def program_of(
    card: AgentCard,
    call: Callable[[msgspec.Raw], Awaitable[object]],
    allowance: Allowance,
    in_doubt: InDoubt,
) -> Program:
    """What the kernel runs. Raises BadInput for a policy that there is not."""
    if in_doubt not in DOUBT_POLICIES:
        raise BadInput(
            f"Agent {card.name!r} has the policy {in_doubt!r} for steps in doubt.",
            fix=f"Policies: {', '.join(sorted(DOUBT_POLICIES))}.",
        )
    return Program(card.name, call, allowance.of_run, in_doubt, card.within_seconds)


def program_call(
    function: Callable[..., Awaitable[Any]], signature: Signature
) -> Callable[[msgspec.Raw], Awaitable[object]]:
    """What the kernel calls: decode the input, then the function."""

    async def call(raw: msgspec.Raw) -> object:
        return await function(**signature.read(raw))

    return call


def guarded(
    function: Callable[P, Coroutine[Any, Any, R]], name: str, traits: Traits = UNDECLARED
) -> Callable[P, Coroutine[Any, Any, R]]:
    """`function` for other programs to call: inline inside a run, refused outside of one.

    It is a program tool too, so that a model may call the agent as its sub-agent.
    """

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        inside_a_run(name)
        return await function(*args, **kwargs)

    if hasattr(call, PROGRAM):
        raise ProgramError(f"{name!r} is an agent already.", fix="Give the plain function.")
    setattr(call, PROGRAM, tool_from(call, None, name, traits))
    return call
