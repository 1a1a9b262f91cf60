"""An LLM agent is a model with instructions and tools; an engine runs its loop over the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, Protocol, get_args

from watership.agents.agent import AgentCard, Entry, inside_a_run, program_call, program_of
from watership.agents.budget import NOTHING_SAID, Allowance, Budget, cost_of_call
from watership.agents.mcp import McpServer, tools_of
from watership.agents.memory import WINDOW, Remembering, Summary, in_conversation, remember
from watership.agents.people.approval import Needs
from watership.agents.people.gated import gated
from watership.agents.people.third import RuleOfTwo, rule_of_two
from watership.agents.price import Price
from watership.agents.signature import Signature
from watership.agents.spoken import Line, heard, lines_of, text_of, told
from watership.agents.tool import Tool, tool_from, tool_of
from watership.agents.traits import HARMLESS, Reads, kinds
from watership.agents.until import least
from watership.durable import InDoubt, RetryPolicy
from watership.durable.branch import here
from watership.durable.codec import encode
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


_NO_PARTS: Final = frozenset({"name", "tools", "engine"})
Streams = Literal["watched", "always", "never"]
"""When a model streams its answer: if its run is watched as the call begins, each time, or not at all."""

STREAMS: Final[tuple[Streams, ...]] = get_args(Streams)


class Engine(Protocol):
    """Drives a model and its tools; every request and tool call goes through the kernel."""

    def prepare(self, agent: Agent) -> None:
        """Build what running the agent needs. Raises what is wrong with its model or its types."""

    async def run(
        self, agent: Agent, prompt: str, *, before: Sequence[Line] = (), taken: list[str] | None = None
    ) -> Any:
        """The agent's output. Called inside a run, from a branch's own task.

        `before`: what was said before the prompt. With `taken` it takes in messages that come meanwhile, and puts
        them there.
        """

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
    `within_seconds`: how long a run of it may take from when it was accepted.
    `in_doubt`: what becomes of an unsafe tool without a check that began and has no result. `approvals`: by the
    names of tools, whether a call waits for an approval, or whose; it goes before what the tool says of itself.
    `memory`: what it knows of a conversation when the next message comes; None is nothing.
    `input`: what its prompt may hold, "untrusted" or "private" or both; neither, unless said. `rule_of_two`: once the
    model has read both, whether a tool that acts waits for an approval, or whose; None: it is refused; False: nobody is
    asked (docs/policy.md).
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
    within_seconds: float | None = None
    approvals: Mapping[str, Needs] = field(default_factory=dict)
    memory: Remembering | None = WINDOW
    input: Reads = ()
    rule_of_two: Needs | None = True
    stream: Streams = "watched"
    engine: Engine | None = None
    toolbox: Sequence[Tool] = field(init=False, repr=False)
    servers: Sequence[McpServer] = field(init=False, repr=False)
    third: RuleOfTwo = field(init=False, repr=False)
    begins_with: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        servers = tuple(each for each in self.tools if isinstance(each, McpServer))
        object.__setattr__(self, "servers", servers)
        tools = [tool_of(each) for each in self.tools if not isinstance(each, McpServer)]
        toolbox = gated(tools, self._approvals_now(), self._plain, self._cost_of_call)
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
        object.__setattr__(self, "third", rule_of_two(self.rule_of_two))
        object.__setattr__(self, "begins_with", kinds(self.input, f"prompt of agent {self.name!r}"))

    async def __call__(self, prompt: str) -> Any:
        """The agent's answer, as part of the run that calls. Raises OutsideRun where no run is."""
        inside_a_run(self.name)
        return await self._engine().run(self, prompt)

    def prepare(self) -> None:
        """Import the engine and build the agent now, so that the first run does not wait for it."""
        self._engine().prepare(self)

    async def equipped(self) -> Agent:
        """The agent with the tools of its MCP servers, as the run that calls has them from its first look."""
        if not self.servers:
            return self
        offered = [tool for server in self.servers for tool in await tools_of(server)]
        return replace(self, tools=[each for each in self.tools if not isinstance(each, McpServer)] + offered)

    def _approvals_now(self) -> Mapping[str, Needs]:
        """Without those for tools of a server, which are known, and held against their names, in a run."""
        prefixes = tuple(f"{server.name}_" for server in self.servers)
        return {name: needs for name, needs in self.approvals.items() if not name.startswith(prefixes)}

    @property
    def __watership_program__(self) -> Tool:
        """The agent as a tool of another one."""

        async def ask(prompt: str) -> Any:
            return await self(prompt)

        ask.__doc__ = self.description or f"Ask the agent {self.name}."
        return tool_from(ask, None, self.name, HARMLESS)

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
            within_seconds=least(self.within_seconds, self.budget.seconds),
        )
        call = program_call(self.answer, signature)
        program = program_of(card, call, self.allowance, self.in_doubt)
        return Entry(card, signature, program, self._parts())

    @property
    def allowance(self) -> Allowance:
        return Allowance(agent=self.name, per_run=self.budget, per_day=self.daily)

    async def answer(self, prompt: str) -> object:
        """The agent's answer as data that a journal holds: to the prompt, and to what came while it was at work."""
        inside_a_run(self.name)
        converses = in_conversation()
        hears = converses and self.conversation == "inject"
        before = await self._remembered() if converses and self.memory is not None else ()
        place = 0
        while True:
            taken: list[str] | None = [] if hears else None
            output = self._plain(await self._engine().run(self, prompt, before=before, taken=taken))
            more = await heard(f"{self.name}/{place}") if hears else ()
            if not more:
                return output
            said = [Line("person", each) for each in (prompt, *(taken or ()))]
            before = (*before, *said, Line("agent", text_of(encode(output, "an answer"))))
            prompt, place = "\n\n".join(more), place + 1

    async def _remembered(self) -> Sequence[Line]:
        assert self.memory is not None
        return lines_of(await remember(self.memory, told, self._summarize))

    async def _summarize(self, said: str) -> str:
        """A summary by the agent's own model, or by that of its memory, under the agent's budget."""
        assert isinstance(self.memory, Summary)
        writer = replace(
            self,
            name=f"{self.name}-memory",
            model=self.model if self.memory.model is None else self.memory.model,
            price=self.price if self.memory.model is None else None,
            instructions="",
            tools=(),
            approvals={},
            output=str,
            budget=NOTHING_SAID,
            daily=NOTHING_SAID,
            memory=None,
        )
        return str(await writer(said))

    def _parts(self) -> Mapping[str, object]:
        """What it is made of. Each of its tools is a part; which engine runs it, its process decides."""
        own = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.init and each.name not in _NO_PARTS
        }
        tools = [tool_of(each) for each in self.tools if not isinstance(each, McpServer)]
        servers = {f"server {each.name}": each for each in self.servers}
        return own | {f"tool {each.name}": each for each in tools} | servers

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
