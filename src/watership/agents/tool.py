"""A tool is an async function with a declared effect, for steps of programs and for models."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, overload

from watership.agents.people.approval import ApprovalRule, Needs, rule_of
from watership.agents.signature import Signature
from watership.agents.traits import UNDECLARED, Reads, Traits, kinds, traits_of
from watership.durable import Check, Effect, RetryPolicy, StepOptions
from watership.errors import BadInput, ProgramError

ToolFunction = TypeVar("ToolFunction", bound=Callable[..., Awaitable[Any]])
AnyFunction = Callable[..., Awaitable[Any]]
EffectName = Effect | Literal["pure", "idempotent", "unsafe"]

STEP = "__watership_step__"
PROGRAM = "__watership_program__"
APPROVAL_RULE = "__watership_approval__"
TRAITS = "__watership_traits__"


@dataclass(frozen=True, eq=False, slots=True)
class Tool:
    """What a model may call. `options` is None for a program tool: it waits or spawns, so it is no step.

    `approval` says whose approval a model's call of it needs; nobody is asked again where it `asks` by itself.
    """

    name: str
    description: str
    call: AnyFunction
    signature: Signature
    options: StepOptions | None
    approval: ApprovalRule | None = None
    traits: Traits = UNDECLARED
    asks: bool = False

    @property
    def is_program(self) -> bool:
        return self.options is None


@overload
def tool(function: ToolFunction, /) -> ToolFunction: ...
@overload
def tool(
    *,
    effect: EffectName = ...,
    check: Check | None = ...,
    retry: RetryPolicy | None = ...,
    approval: Needs = ...,
    reads: Reads | None = ...,
    acts: bool | None = ...,
) -> Callable[[ToolFunction], ToolFunction]: ...
def tool(
    function: ToolFunction | None = None,
    /,
    *,
    effect: EffectName = Effect.UNSAFE,
    check: Check | None = None,
    retry: RetryPolicy | None = None,
    approval: Needs = False,
    reads: Reads | None = None,
    acts: bool | None = None,
) -> ToolFunction | Callable[[ToolFunction], ToolFunction]:
    """Declare what entering `function` twice would do; `step(function, ...)` and models then keep to it.

    `approval`: a model's call of it waits for one (True, or whose); a program asks by itself, with `approve`.
    `reads`: "untrusted" for what strangers may have written, "private" for what must not get out, both, or () for
    neither; unless said, both. `acts`: whether a call does anything to the outside, such as to tell somebody of its
    arguments; unless said, all but `pure` ones do. A model that has read both acts only if a person approves.
    """
    rule = rule_of(approval)
    told = frozenset[str]() if reads is None else kinds(reads, "tool")
    options = StepOptions(effect=_effect(effect), retry=retry, check=check, learned=told)
    traits = traits_of(reads, acts, options.effect, "tool")

    def declare(declared: ToolFunction) -> ToolFunction:
        setattr(asynchronous(declared, "tool"), STEP, options)
        setattr(declared, APPROVAL_RULE, rule)
        setattr(declared, TRAITS, traits)
        return declared

    return declare if function is None else declare(function)


def tool_of(value: object) -> Tool:
    """`value` as a tool: a Tool, an agent (then a sub-agent), or an async function, unsafe if it declares nothing."""
    if isinstance(value, Tool):
        return value
    program = getattr(value, PROGRAM, None)
    if isinstance(program, Tool):
        return program
    if not callable(value):
        raise ProgramError(f"{value!r} is no tool.", fix="Give an async function, an agent or a Tool.")
    function = asynchronous(value, "tool")
    declared = getattr(function, STEP, None)
    options = declared if isinstance(declared, StepOptions) else StepOptions(effect=Effect.UNSAFE)
    rule = getattr(function, APPROVAL_RULE, None)
    traits = getattr(function, TRAITS, None)
    return replace(
        tool_from(function, options),
        approval=rule if isinstance(rule, ApprovalRule) else None,
        traits=traits if isinstance(traits, Traits) else UNDECLARED,
    )


def tool_from(
    function: AnyFunction, options: StepOptions | None, name: str = "", traits: Traits = UNDECLARED
) -> Tool:
    """A tool made of a function's name, docstring and signature."""
    called = name or str(getattr(function, "__name__", ""))
    return Tool(
        name=called,
        description=inspect.getdoc(function) or "",
        call=function,
        signature=Signature(function, f"tool {called!r}"),
        options=options,
        traits=traits,
    )


def asynchronous(function: Callable[..., Any], what: str) -> AnyFunction:
    """`function`, if it is an async one; a plain one would hold up every run of its worker."""
    if not inspect.iscoroutinefunction(function):
        name = getattr(function, "__qualname__", repr(function))
        raise ProgramError(f"The {what} {name} is not async.", fix="Write `async def`.")
    return function


def _effect(name: EffectName) -> Effect:
    try:
        return Effect(name)
    except ValueError as reason:
        raise BadInput(
            f"There is no effect {name!r}.", fix=f"Effects: {', '.join(effect.value for effect in Effect)}."
        ) from reason
