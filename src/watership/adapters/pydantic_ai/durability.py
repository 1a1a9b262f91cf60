"""Durability: what Pydantic AI calls an operation is a step of the kernel here.

Identity is what a replay must find again: the operation, and for a tool its arguments. What may change harmlessly
(prompts, instructions, the model, the tools offered) is drift. Outcomes are journaled, inputs are not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_ai import RunContext
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    BaseDurabilityCapability,
    DurabilityEngineSpec,
    DurableOperationBackend,
    DurableOperationId,
    JournalCallableOperationBackend,
    ModelRequestId,
    RoleBasedOperationConfig,
    ToolsetCallToolId,
    conversation_id_from_run_id,
)
from pydantic_ai.exceptions import ModelHTTPError, UserError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_ai.models import ModelRequestParameters
from pydantic_core import to_jsonable_python

from watership.adapters.pydantic_ai.costs import Tariff
from watership.adapters.pydantic_ai.guard import Guard
from watership.adapters.pydantic_ai.returns import returned
from watership.adapters.pydantic_ai.turn import in_turn
from watership.agents.budget import Allowance, cost_of_call
from watership.agents.handoff import go_on
from watership.agents.throttle import Throttled
from watership.durable import Effect, RetryPolicy, StepOptions, branch, learn, step
from watership.durable.branch import current_branch, current_step, here
from watership.durable.counters import Cap
from watership.errors import ProgramError, WatershipError

PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 that a later attempt may not meet again."""

UNSTABLE = frozenset({"timestamp", "run_id", "conversation_id", "metadata", "provider_details"})
"""What differs in a message each time it is built, although nobody changed anything."""


class ModelRefused(ProgramError):
    """The model's provider refused the request as it is, so asking again would not help."""

    code = "model_refused"


@dataclass
class Turns:
    """What one run of the loop counts: a suspended response is continued by another request of its turn."""

    requests: dict[int, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    """What the model knew when it was last asked: the calls of one turn know nothing of each other's results."""

    def request_key(self, turn: int) -> str:
        number = self.requests.get(turn, 0)
        self.requests[turn] = number + 1
        return f"{turn}/model/{number}"


def call_key(context: RunContext[Turns]) -> str:
    """The place of a tool call in its run: turn, call, and how often this tool was corrected before."""
    return f"{context.run_step}/{context.tool_call_id}/{context.retry}"


class JournalBackend(JournalCallableOperationBackend[StepOptions]):
    """Executes each operation as a keyed step of the run."""

    tariff: Tariff
    allowance: Allowance
    guard: Guard

    async def execute(
        self,
        *,
        operation_id: DurableOperationId,
        name: str,
        body: Callable[[], Awaitable[object]],
        cache_key: tuple[object, ...],
        config: StepOptions,
    ) -> object:
        match operation_id, cache_key:
            case (
                ModelRequestId(model_name=model),
                (_, list(messages), settings, ModelRequestParameters() as offered, RunContext() as context),
            ):
                go_on()
                context.deps.known = learn(*self.guard.read(messages, offered))
                caps = self._caps()
                self.tariff.check(caps)
                return await step(
                    lambda: _ask(lambda: in_turn(body, self.tariff, messages, offered)),
                    name="model",
                    key=context.deps.request_key(context.run_step),
                    effect=Effect.PURE,
                    retry=config.retry,
                    cost=self.tariff.cost(messages, offered, caps),
                    identity=name,
                    drift=[model, settings, *_prompt(messages), *_offer(offered)],
                    into=Any,
                )
            case ToolsetCallToolId(), (str(tool), dict(arguments), RunContext() as context, *_):
                objection = await self._objection(tool, arguments, context)
                if objection:
                    return {"kind": "tool_return", "result": objection}
                return await step(
                    # The arguments are the step's, for its identity and for people; the body has them already.
                    lambda _: body(),
                    to_jsonable_python(arguments),
                    name=tool,
                    key=call_key(context),
                    effect=config.effect,
                    retry=config.retry,
                    check=config.check,
                    cost=cost_of_call(self._caps()),
                    into=Any,
                    answered=returned,
                )
            case _:
                raise ProgramError(
                    f"The operation {name} cannot be journaled.", fix="Give the model function tools only."
                )

    async def _objection(self, tool: str, arguments: Mapping[str, Any], context: RunContext[Turns]) -> str:
        """Why the call must not be made; a person was perhaps asked, in a branch beside the call's step."""
        known = context.deps.known
        if not self.guard.covers(tool, arguments, known):
            return ""
        async with branch(f"{call_key(context)}/may", learned=known):
            return await self.guard.objection(tool, arguments)

    def _caps(self) -> tuple[Cap, ...]:
        """All that hold here: of the run, and of the agent, which may be at work inside of another one's run."""
        execution = here("model").execution
        return execution.caps + self.allowance.of_run(execution.run_row)


async def _ask(body: Callable[[], Awaitable[object]]) -> object:
    """One model request; what no repetition mends becomes ModelRefused."""
    try:
        return await body()
    except ModelHTTPError as error:
        if error.status_code >= 500 or error.status_code in PASSING:
            raise
        raise ModelRefused(str(error)) from error
    except Throttled:
        raise
    except (UserError, WatershipError) as error:
        raise ModelRefused(str(error)) from error


def _prompt(messages: Sequence[ModelMessage]) -> Sequence[object]:
    """The newest request. The ones before it stand in the drift of their own steps."""
    dumped: list[object] = ModelMessagesTypeAdapter.dump_python(list(messages[-1:]), mode="json")
    return [_stable(each) for each in dumped]


def _stable(value: object) -> object:
    match value:
        case dict():
            return {name: _stable(part) for name, part in value.items() if name not in UNSTABLE}
        case list():
            return [_stable(part) for part in value]
        case _:
            return value


def _offer(offered: ModelRequestParameters) -> Sequence[object]:
    """The instructions, and the tools that the model may call."""
    tools = [*offered.function_tools, *offered.output_tools]
    return [
        [part.content for part in offered.instruction_parts or ()],
        [[tool.name, tool.description, tool.parameters_json_schema] for tool in tools],
    ]


class Durability(BaseDurabilityCapability[Turns]):
    """Binds an agent's model and its step tools to the journal. Program tools run inline."""

    engine_spec = DurabilityEngineSpec(
        engine_name="Watership",
        durable_unit_noun="step",
        durable_container_noun="run",
        codec=JSON_CODEC,
        unsupported_runtime_toolset_kinds=frozenset({"function", "mcp", "dynamic"}),
        toolset_lifecycles={
            "function": "enter-never",
            "mcp": "enter-in-durable-unit",
            "dynamic": "enter-never",
        },
    )

    def __init__(
        self,
        *,
        options: Mapping[str, StepOptions | None],
        retry: RetryPolicy,
        tariff: Tariff,
        allowance: Allowance,
        guard: Guard,
    ) -> None:
        super().__init__()
        self._options = options
        self._retry = retry
        self._tariff = tariff
        self._allowance = allowance
        self._guard = guard

    @property
    def in_durable_context(self) -> bool:
        return current_branch.get() is not None and current_step.get() is None

    def get_default_run_id(self) -> str | None:
        branch = current_branch.get()
        return f"{branch.execution.run_id}/{branch.path}" if branch is not None else None

    def get_default_conversation_id(self, run_id: str) -> str | None:
        return conversation_id_from_run_id(run_id)

    def get_durable_operation_backend(self) -> DurableOperationBackend[StepOptions]:
        unsafe = StepOptions(effect=Effect.UNSAFE)

        def options_of_tool(_: DurableOperationId, __: object, name: str) -> StepOptions | Literal[False]:
            options = self._options.get(name, unsafe)
            return False if options is None else options

        config = RoleBasedOperationConfig(
            model=StepOptions(retry=self._retry),
            event=unsafe,
            capability=unsafe,
            tool=unsafe,
            resolve_tool=options_of_tool,
        )
        backend = JournalBackend(agent_name=self.name, default_model_id=self.default_model_id, config=config)
        backend.tariff, backend.allowance, backend.guard = self._tariff, self._allowance, self._guard
        return backend
