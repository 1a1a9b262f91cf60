"""An LLM agent is a model with instructions and tools; an engine runs its loop over the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, get_args

from watership.agents.agent import AgentCard, Entry, entry_of, inside_a_run, program_call
from watership.agents.budget import NOTHING_SAID, Allowance, Budget, cost_of_call
from watership.agents.people.approval import Needs
from watership.agents.people.gated import gated
from watership.agents.price import Price
from watership.agents.signature import Signature
from watership.agents.tool import Tool, tool_from, tool_of
from watership.durable import InDoubt, RetryPolicy
from watership.durable.branch import here
from watership.durable.counters import Cost
from watership.durable.run import DEFAULT_POOL, DEFAULT_PRIORITY
from watership.durable.writes import WhenBusy
from watership.errors import BadInput, ProgramError

TURNS = 50
"""Model requests of one run: a loop that has not ended by then goes in circles, and each turn costs money."""

OUTPUT_TOKENS = 4_096
"""Tokens of one answer: as many as every model can give, and some dozens of pages."""

MODEL_RETRY = RetryPolicy(attempts=5, first=1.0, factor=3.0, most=60.0, never=frozenset({"ModelRefused"}))
"""Providers are down for seconds or for minutes: five attempts span about two minutes."""


Streams = Literal["watched", "always", "never"]
"""When a model streams its answer: if its run is watched as the call begins, each time, or not at all."""

STREAMS: Final[tuple[Streams, ...]] = get_args(Streams)


class Engine(Protocol):
    """Drives a model and its tools; every request and tool call goes through the kernel."""

    def prepare(self, agent: Agent) -> None:
        """Build what running the agent needs. Raises what is wrong with its model or its types."""

    async def run(self, agent: Agent, prompt: str) -> Any:
        """The agent's output. Called inside a run, from a branch's own task."""

    def plain(self, output: Any) -> object:
        """The output as data that the journal holds."""


EngineFactory = Callable[[], Engine]

_registered: EngineFactory | None = None


def use_engine(factory: EngineFactory | None) -> EngineFactory | None:
    """Have `factory` give the engine of every agent without one of its own; the factory before is returned.

    For wiring: which engine a process has is not for its agents to know. It is asked again whenever one is needed.
    """
    global _registered
    before, _registered = _registered, factory
    return before


@dataclass(frozen=True, eq=False)
class Agent:
    """A model with instructions and tools.

    `model`: "scripted:module:attribute", "echo", "provider:model", or a model object of the engine's library.
    `instructions` may be a function, for what changes harmlessly between runs (today's date).
    `output`: str, or the type that the model must fill in. `retry`: of a model request that raised.
    `budget`: of each run with its children; `daily`: of all runs of the agent. `price`: of the model, where the price
    table does not have it. `output_tokens`: of one answer at most, which is what a call reserves for it.
    `in_doubt`: what becomes of an unsafe tool without a check that began and has no result. `approvals`: by the
    names of tools, whether a call waits for an approval, or whose; it goes before what the tool says of itself.
    `stream`: whether answers are told as they come; "always" costs a little even where nobody watches, and tells the
    beginning to whoever comes late.
    """

    name: str
    model: object
    instructions: str | Callable[[], str] = ""
    tools: Sequence[object] = ()
    output: Any = str
    description: str = ""
    turns: int = TURNS
    budget: Budget = NOTHING_SAID
    daily: Budget = NOTHING_SAID
    price: Price | None = None
    output_tokens: int = OUTPUT_TOKENS
    retry: RetryPolicy = MODEL_RETRY
    conversation: WhenBusy = "queue"
    pool: str = DEFAULT_POOL
    priority: int = DEFAULT_PRIORITY
    in_doubt: InDoubt = "ask"
    approvals: Mapping[str, Needs] = field(default_factory=dict)
    stream: Streams = "watched"
    engine: Engine | None = None
    toolbox: Sequence[Tool] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        toolbox = gated(
            [tool_of(each) for each in self.tools], self.approvals, self._plain, self._cost_of_call
        )
        names = [each.name for each in toolbox]
        if twice := {name for name in names if names.count(name) > 1}:
            raise BadInput(
                f"Agent {self.name!r} has two tools named {', '.join(sorted(twice))}.",
                fix="Give one of them another name.",
            )
        if self.output_tokens < 1:
            raise BadInput(f"Agent {self.name!r} may answer {self.output_tokens} tokens.", fix="Give more.")
        if self.turns < 1:
            raise BadInput(f"Agent {self.name!r} may take {self.turns} turns.", fix="One is the least.")
        if self.stream not in STREAMS:
            raise BadInput(
                f"Agent {self.name!r} streams {self.stream!r}.", fix=f"Say one of: {', '.join(STREAMS)}."
            )
        object.__setattr__(self, "toolbox", toolbox)

    async def __call__(self, prompt: str) -> Any:
        """The agent's answer, as part of the run that calls. Raises OutsideRun where no run is."""
        inside_a_run(self.name)
        return await self._engine().run(self, prompt)

    def prepare(self) -> None:
        """Import the engine and build the agent now, so that the first run does not wait for it."""
        self._engine().prepare(self)

    @property
    def __watership_program__(self) -> Tool:
        """The agent as a tool of another one."""

        async def ask(prompt: str) -> Any:
            return await self(prompt)

        ask.__doc__ = self.description or f"Ask the agent {self.name}."
        return tool_from(ask, None, self.name)

    def entry(self) -> Entry:
        """The agent for the directory. Its input is `{"prompt": ...}` or a bare string."""
        signature = Signature(self.answer, f"agent {self.name!r}")
        card = AgentCard(
            name=self.name,
            description=self.description,
            kind="llm",
            input_schema=signature.schema,
            conversation=self.conversation,
            pool=self.pool,
            priority=self.priority,
        )
        call = program_call(self.answer, signature)
        return entry_of(card, signature, call, self.allowance, self.in_doubt)

    @property
    def allowance(self) -> Allowance:
        return Allowance(agent=self.name, per_run=self.budget, per_day=self.daily)

    async def answer(self, prompt: str) -> object:
        """The agent's answer as data that a journal holds."""
        return self._plain(await self(prompt))

    def _plain(self, result: Any) -> object:
        return self._engine().plain(result)

    def _cost_of_call(self) -> Cost | None:
        """As the engine counts a call, for those that it leaves to the program."""
        execution = here(self.name).execution
        return cost_of_call(execution.caps + self.allowance.of_run(execution.run_row))

    def _engine(self) -> Engine:
        if self.engine is not None:
            return self.engine
        if _registered is None:
            raise ProgramError(
                f"Agent {self.name!r} needs an engine, and this process has none.",
                fix="Start it with the command line, or call watership.agents.llm.use_engine() first.",
            )
        return _registered()
