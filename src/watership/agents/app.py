"""An App is what a team deploys: its agents, its tools, its own HTTP routes, and what build it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ParamSpec, TypeVar, overload

import msgspec

from watership.agents.agent import AgentCard, function_entry, guarded
from watership.agents.budget import NOTHING_SAID, Budget
from watership.agents.directory import Directory
from watership.agents.llm import Agent
from watership.agents.people.approval import Needs
from watership.agents.permits import ANY, Permits
from watership.agents.schedule import GRACE_SECONDS, Schedule
from watership.agents.tool import EffectName, ToolFunction, tool
from watership.agents.traits import Reads, traits_of
from watership.durable import Check, Effect, InDoubt, Program, RetryPolicy
from watership.durable.codec import encode
from watership.durable.run import DEFAULT_POOL, DEFAULT_PRIORITY
from watership.durable.writes import WhenBusy
from watership.errors import BadInput
from watership.fleet.build import SchemaRange

P = ParamSpec("P")
R = TypeVar("R")

RouteFunction = Callable[[dict[str, str]], Awaitable[object]]
"""Takes the path's and the query's parameters; returns a value to encode, or (status, value)."""
AnyRoute = TypeVar("AnyRoute", bound=RouteFunction)

COMMAND = "watership.cli"
"""The command line that `main` runs: the one arrow that points up, since an app's file is also its executable.

Named, not imported: whoever imports the app for its agents alone is spared it.
"""


@dataclass(frozen=True, slots=True)
class Route:
    """A plain HTTP route of the application; the API mounts it."""

    method: str
    path: str
    function: RouteFunction


class App:
    """Declares agents. Nothing runs until a worker takes `programs`, or `main` runs the command line."""

    def __init__(self, name: str, *, version: str = "0.0.0", schema: SchemaRange | None = None) -> None:
        self.name = name
        self.version = version
        self.schema = schema or SchemaRange(1, 1)
        self.directory = Directory()
        self.routes: list[Route] = []
        self.schedules: list[Schedule] = []
        self._llm_agents: list[Agent] = []

    # --- agents -----------------------------------------------------------------------------------------------

    @overload
    def agent(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> Callable[P, Coroutine[Any, Any, R]]: ...
    @overload
    def agent(
        self,
        name: str | None = None,
        /,
        *,
        conversation: WhenBusy = ...,
        pool: str = ...,
        priority: int = ...,
        budget: Budget = ...,
        daily: Budget = ...,
        in_doubt: InDoubt = ...,
        reads: Reads | None = ...,
        acts: bool | None = ...,
        within_seconds: float | None = ...,
    ) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]: ...
    def agent(
        self,
        given: Callable[P, Coroutine[Any, Any, R]] | str | None = None,
        /,
        *,
        conversation: WhenBusy = "queue",
        pool: str = DEFAULT_POOL,
        priority: int = DEFAULT_PRIORITY,
        budget: Budget = NOTHING_SAID,
        daily: Budget = NOTHING_SAID,
        in_doubt: InDoubt = "ask",
        reads: Reads | None = None,
        acts: bool | None = None,
        within_seconds: float | None = None,
    ) -> (
        Callable[P, Coroutine[Any, Any, R]]
        | Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]
    ):
        """Make an async function an agent; its docstring describes it and its signature is its input.

        `budget` is for each run with its children, `daily` for all runs of the agent.
        `in_doubt`: what becomes of an unsafe step without a check that began and has no result.
        `reads` and `acts`: as in `tool`, of the agent as the tool of another one.
        `within_seconds`: how long a run may take from when it was accepted; then it is ended.
        """
        traits = traits_of(reads, acts, None, "agent")

        def declare(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
            name = given if isinstance(given, str) else None
            entry = function_entry(
                function,
                name,
                conversation=conversation,
                pool=pool,
                priority=priority,
                budget=budget,
                daily=daily,
                in_doubt=in_doubt,
                within_seconds=within_seconds,
            )
            call = guarded(function, entry.card.name, traits)
            self.directory.add(entry)
            return call

        return declare if given is None or isinstance(given, str) else declare(given)

    def add(self, agent: Agent) -> Agent:
        """Add an LLM agent."""
        self.directory.add(agent.entry())
        self._llm_agents.append(agent)
        return agent

    def prepare(self) -> None:
        """Make every LLM agent ready, or raise what is wrong with one. For a worker to call before it claims:

        importing the engine takes a second or two, in which no other run of the process would go on.
        """
        for agent in self._llm_agents:
            agent.prepare()

    def check_permits(self, permitted: Permits) -> None:
        """Raise BadInput where tools are permitted to an agent that there is not, or that it does not have: what was
        meant to be limited would not be."""
        toolboxes = {agent.name: {tool.name for tool in agent.toolbox} for agent in self._llm_agents}
        for name, tools in permitted.tools.items():
            if name != ANY and name not in toolboxes:
                known = ", ".join(sorted(toolboxes)) or "none"
                raise BadInput(
                    f"policy.tools names the agent {name!r}, which is no LLM agent here.",
                    fix=f"Agents: {known}.",
                )
            unknown = tools - toolboxes.get(name, tools) - {ANY}
            if unknown:
                raise BadInput(
                    f"policy.tools gives agent {name!r} {min(unknown)!r}, and it has no tool of that name.",
                    fix=f"Its tools: {', '.join(sorted(toolboxes[name])) or 'none'}.",
                )

    @overload
    def tool(self, function: ToolFunction, /) -> ToolFunction: ...
    @overload
    def tool(
        self,
        /,
        *,
        effect: EffectName = ...,
        check: Check | None = ...,
        retry: RetryPolicy | None = ...,
        approval: Needs = ...,
        reads: Reads | None = ...,
        acts: bool | None = ...,
    ) -> Callable[[ToolFunction], ToolFunction]: ...
    def tool(
        self,
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
        """Declare a tool, as `watership.tool` does."""
        declare = tool(effect=effect, check=check, retry=retry, approval=approval, reads=reads, acts=acts)
        return declare if function is None else declare(function)

    @property
    def programs(self) -> dict[str, Program]:
        return self.directory.programs()

    def cards(self) -> Sequence[AgentCard]:
        return self.directory.cards()

    def validate(self, agent: str, raw: msgspec.Raw) -> msgspec.Raw:
        """`raw` as the input of `agent`, in its normal form. Raises BadInput naming the field."""
        return self.directory.validate(agent, raw)

    # --- schedules --------------------------------------------------------------------------------------------

    def schedule(
        self,
        name: str,
        cron: str,
        *,
        agent: str,
        zone: str = "UTC",
        input: object = None,
        grace_seconds: float = GRACE_SECONDS,
        every_window: bool = False,
        overlap: bool = True,
    ) -> Schedule:
        """Start a run of `agent`, which is declared by now, at each window of `cron`. See Schedule for the words."""
        declared = Schedule(
            name=name,
            agent=agent,
            cron=cron,
            zone=zone,
            input=self.validate(agent, encode(input, f"the input of schedule {name!r}")),
            grace_seconds=grace_seconds,
            every_window=every_window,
            overlap=overlap,
        )
        if any(each.name == name for each in self.schedules):
            raise BadInput(f"There are two schedules named {name!r}.", fix="Give one of them another name.")
        self.schedules.append(declared)
        return declared

    # --- routes -----------------------------------------------------------------------------------------------

    def get(self, path: str) -> Callable[[AnyRoute], AnyRoute]:
        return self.route("GET", path)

    def post(self, path: str) -> Callable[[AnyRoute], AnyRoute]:
        return self.route("POST", path)

    def route(self, method: str, path: str) -> Callable[[AnyRoute], AnyRoute]:
        """Serve `path` (with `{name}` places) by an async function of the parameters."""
        if not path.startswith("/"):
            raise BadInput(f"The route {path!r} does not begin with a slash.")

        def add(function: AnyRoute) -> AnyRoute:
            self.routes.append(Route(method, path, function))
            return function

        return add

    # --- life -------------------------------------------------------------------------------------------------

    def facts(self) -> Mapping[str, Any]:
        """What this build says of itself."""
        return {
            "name": self.name,
            "version": self.version,
            "schema": {"lowest": self.schema.lowest, "highest": self.schema.highest},
            "agents": [card.name for card in self.cards()],
        }

    def main(self) -> None:
        """Run the command line `watership` on this app."""
        import_module(COMMAND).main(app=self)
