"""The engine builds a Pydantic AI agent from ours, and runs its loop as a branch of the run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache, partial
from typing import Any, cast

import msgspec
import pydantic_ai
from pydantic_ai import FunctionToolset, ModelRetry, RunContext, StructuredDict, UsageLimits
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.settings import ModelSettings
from pydantic_core import to_jsonable_python
from pydantic_graph import End

from watership.adapters.pydantic_ai.costs import tariff
from watership.adapters.pydantic_ai.durability import Durability, Turns, call_key
from watership.adapters.pydantic_ai.guard import Guard
from watership.adapters.pydantic_ai.naming import found, model_named
from watership.adapters.pydantic_ai.speaking import SpeakingModel
from watership.agents import mcp
from watership.agents.forks import MODEL, with_model
from watership.agents.handoff import HandedOver, go_on, handing
from watership.agents.llm import Agent
from watership.agents.permits import permits
from watership.agents.signature import WrongInput
from watership.agents.spoken import REMEMBERED, Line, heard
from watership.agents.tool import Tool
from watership.durable import Unbranched, branch, hosting, learn
from watership.durable.branch import here
from watership.durable.ids import RunId
from watership.durable.scrubbing import scrub, scrub_value
from watership.errors import BadInput, ProgramError

AGENTS = 256
"""Agents that are kept built. An application has a handful; the bound is for those that make them as they go."""

CORRECTIONS = 3
"""How often the model may mend a call, or its output, that does not fit before the run fails."""

SCRIPTED = "scripted:"
ECHO = "echo"
ECHO_SCRIPT = "watership.testing.scripted:echo"


class PydanticEngine:
    """Runs LLM agents by Pydantic AI. `offline`: for replays, in which no model is ever asked."""

    def __init__(self, *, offline: bool = False) -> None:
        self._offline = offline
        self._build = lru_cache(maxsize=AGENTS)(partial(build, offline=offline))
        self._with_model = lru_cache(maxsize=AGENTS)(with_model)

    def prepare(self, agent: Agent) -> None:
        """Build the agent. Raises BadInput for a model whose package or key is missing."""
        if agent.servers and not self._offline:
            mcp.client()
        self._build(agent)

    async def run(
        self, agent: Agent, prompt: str, *, before: Sequence[Line] = (), taken: list[str] | None = None
    ) -> Any:
        """The agent's output. Its keys stand below a branch named by the agent."""
        async with branch(_place(agent.name)):
            built = await self._equipped(self._varied(agent))
            learn(*agent.begins_with)
            with handing() as hand:
                async with hosting():
                    # A task of its own, so that every kernel call of the loop is one of another task, as hosting()
                    # says, whether the library runs its graph in further tasks or not.
                    loop = _drive(built, scrub(prompt), agent.turns, before, taken)
                    output = await asyncio.create_task(loop, name=f"loop of {agent.name}")
            return output if hand.answer is None else await hand.answer()

    async def _equipped(self, agent: Agent) -> pydantic_ai.Agent[Turns, Any]:
        equipped = await agent.equipped()
        # What its servers offer differs from run to run, so that is not kept.
        return self._build(agent) if equipped is agent else build(equipped, offline=self._offline)

    def _varied(self, agent: Agent) -> Agent:
        """The agent with the model that a fork of its run is to have: by itself, so that it is built once for each."""
        run = here(agent.name).execution.run_row
        model = None if run.origin is None else run.origin.variant.get(MODEL)
        return agent if model is None or run.program != agent.name else self._with_model(agent, model)

    def plain(self, output: Any) -> object:
        """The output as data that the journal holds."""
        return plain(output)


async def _drive(
    built: pydantic_ai.Agent[Turns, Any],
    prompt: str,
    turns: int,
    before: Sequence[Line],
    taken: list[str] | None,
) -> Any:
    """Go through the library's loop node by node; what people say meanwhile comes into the next request."""
    history = [_message(each) for each in before]
    limits = UsageLimits(request_limit=turns)
    try:
        async with built.iter(prompt, message_history=history, deps=Turns(), usage_limits=limits) as going:
            node, turn = going.next_node, 0
            while not isinstance(node, End):
                if taken is not None and built.is_model_request_node(node) and turn:
                    go_on()  # after a hand-off nobody here would answer what is taken
                    said = await heard(str(turn))
                    taken += said
                    node.request.parts = [*node.request.parts, *map(UserPromptPart, said)]
                turn += built.is_model_request_node(node)
                node = await going.next(node)
    except HandedOver:
        return None
    assert going.result is not None
    return going.result.output


def _message(line: Line) -> ModelMessage:
    """What was said before this run began; a script does not count it among its own turns."""
    if line.who == "person":
        return ModelRequest(parts=[UserPromptPart(line.text)], metadata={REMEMBERED: True})
    return ModelResponse(parts=[TextPart(line.text)], metadata={REMEMBERED: True})


def _place(name: str) -> str:
    """The n-th call of this agent in this branch. Raises Unbranched where calls cannot be counted."""
    caller = here(name)
    if asyncio.current_task() is not caller.task:
        raise Unbranched(f"agent {name!r}", caller.path)
    return caller.unit(f"@{name}", "/").removeprefix("@")


def build(agent: Agent, *, offline: bool = False) -> pydantic_ai.Agent[Turns, Any]:
    """Our agent in Pydantic AI's terms."""
    toolbox = [each for each in agent.toolbox if permits().allows(agent.name, each.name)]
    guard = Guard({each.name: each for each in toolbox}, agent.third)
    tools = [_tool(each, guard) for each in toolbox]
    is_struct = isinstance(agent.output, type) and issubclass(agent.output, msgspec.Struct)
    named = model_of(agent.model)
    if isinstance(named, str):
        named = _absent(named) if offline else model_named(named)
    model = _asking_once(named)
    prices = tariff(model, output_tokens=agent.output_tokens, price=agent.price)
    prices.check(agent.allowance.caps(RunId("")))
    built = cast(
        "pydantic_ai.Agent[Turns, Any]",
        pydantic_ai.Agent(
            model if offline or agent.stream == "never" else SpeakingModel(model, agent.stream),
            name=agent.name,
            instructions=_instructions(agent),
            output_type=_structured(agent.output) if is_struct else agent.output,
            deps_type=Turns,
            toolsets=[FunctionToolset(tools, id="tools")],
            capabilities=[
                Durability(
                    options={each.name: each.options for each in toolbox},
                    retry=agent.retry,
                    tariff=prices,
                    allowance=agent.allowance,
                    guard=guard,
                )
            ],
            model_settings=ModelSettings(max_tokens=agent.output_tokens),
            retries=CORRECTIONS,
        ),
    )
    if is_struct:
        built.output_validator(_reader(agent.output))
    return built


def model_of(given: object) -> Model | str:
    """The model that `given` names or is; `scripted:module:attribute` is looked up."""
    if given == ECHO:
        given = SCRIPTED + ECHO_SCRIPT
    if isinstance(given, str) and given.startswith(SCRIPTED):
        given = found(given.removeprefix(SCRIPTED))
    if callable(make := getattr(given, "model", None)):
        given = make()
    if isinstance(given, Model | str):
        return given
    raise BadInput(f"{given!r} is no model.", fix="Give a model object, or its name as 'provider:model'.")


def _asking_once(model: Model) -> Model:
    """Providers' own clients try again by themselves: behind the journal's back, and at the budget's expense."""
    client: Any = getattr(model, "client", None)
    if hasattr(client, "max_retries"):
        client.max_retries = 0
    return model


def _absent(name: str) -> Model:
    """A model of that name without its provider: no package, no key and no network is needed for it."""

    async def ask(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise ProgramError(f"The model {name} was to be asked, and this is a replay.")

    return FunctionModel(ask, model_name=name.partition(":")[2] or name)


def _tool(tool: Tool, guard: Guard) -> pydantic_ai.Tool[Turns]:
    return pydantic_ai.Tool.from_schema(
        _in_branch(tool, guard) if tool.is_program else _in_step(tool),
        name=tool.name,
        description=tool.description,
        json_schema=tool.signature.schema,
        takes_ctx=True,
    )


def _in_step(tool: Tool) -> Callable[..., Awaitable[object]]:
    """For a tool that is a step: the journal's backend is around it."""

    async def call(_: RunContext[Turns], /, **arguments: Any) -> object:
        return plain(await tool.call(**_fitting(tool, arguments)))

    return call


def _in_branch(tool: Tool, guard: Guard) -> Callable[..., Awaitable[object]]:
    """For a tool that waits or spawns: its kernel calls stand in a branch keyed by the call."""

    async def call(context: RunContext[Turns], /, **arguments: Any) -> object:
        given = _fitting(tool, arguments)
        known = context.deps.known
        async with branch(call_key(context), learned=known):
            objection = ""
            if guard.covers(tool.name, arguments, known):
                objection = await guard.objection(tool.name, arguments)
            return objection or plain(await tool.call(**given))

    return call


def _fitting(tool: Tool, arguments: dict[str, Any]) -> dict[str, object]:
    """The tool's arguments; what does not fit goes back to the model, which may correct it."""
    try:
        return tool.signature.convert(arguments)
    except WrongInput as error:
        raise ModelRetry(str(error)) from error


def plain(value: object) -> object:
    """`value` as JSON's own types, whichever library defined it, without a secret: it may go to a model."""
    try:
        return scrub_value(msgspec.to_builtins(value, str_keys=True))
    except TypeError:
        return scrub_value(to_jsonable_python(value))


def _instructions(agent: Agent) -> str | Callable[[], Awaitable[str]]:
    given = agent.instructions
    if isinstance(given, str):
        return scrub(given)

    async def say() -> str:  # a plain function would be called in a thread
        return scrub(given())

    return say


def _structured(struct: type[msgspec.Struct]) -> Any:
    return StructuredDict(msgspec.json.schema(struct), name=struct.__name__, description=struct.__doc__)


def _reader(struct: type[msgspec.Struct]) -> Callable[[Any], Awaitable[Any]]:
    async def read(output: Any) -> Any:  # a plain function would be called in a thread
        try:
            return msgspec.convert(output, struct)
        except msgspec.ValidationError as error:
            raise ModelRetry(str(error)) from error

    return read


engine = PydanticEngine()
offline = PydanticEngine(offline=True)
