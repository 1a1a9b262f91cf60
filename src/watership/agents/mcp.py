"""MCP servers as tools: a server is declared with what calls of its tools do, and each run pins what it offers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from watership.agents.signature import Signature
from watership.agents.tool import EffectName, Tool
from watership.agents.traits import Reads, traits_of
from watership.durable import Effect, RetryPolicy, StepOptions, idempotency_key, step
from watership.durable.codec import encode
from watership.errors import BadInput, ProgramError

CALL_SECONDS: Final = 60.0
"""How long a call may take: longer than most tools do, and short beside a run."""

RESULT_BYTES: Final = 256 * 1024
"""Of one result: more than a model reads with profit, and a quarter of what the journal takes."""

OFFERED: Final = 128
"""Tools of one server: what providers take in one request. `only=` chooses among more."""

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.IGNORECASE)
TOOL_NAME: Final = 64
"""Characters of a tool's name that every provider takes."""

LOOK_RETRY: Final = RetryPolicy(attempts=4, first=2.0, factor=4.0)
"""A server that is being started or restarted is there within seconds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class McpServer:
    """A server whose tools an agent may call; made by `mcp_server`. It has a command or a URL."""

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    only: tuple[str, ...] | None = None
    effect: Effect = Effect.UNSAFE
    effects: Mapping[str, Effect] = field(default_factory=dict)
    trust_hints: bool = False
    reads: Reads | None = None
    acts: bool | None = None
    seconds: float = CALL_SECONDS
    result_bytes: int = RESULT_BYTES


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as a server describes it. The last two are its own word, which is a stranger's."""

    name: str
    description: str
    schema: dict[str, Any]
    read_only: bool = False
    idempotent: bool = False


class McpClient(Protocol):
    """Speaks with servers, over connections that live as long as this process' worker."""

    async def tools(self, server: McpServer) -> Sequence[Offered]:
        """What the server offers now. Raises Unavailable where it cannot be reached."""

    async def call(self, server: McpServer, tool: Offered, arguments: Mapping[str, Any], key: str) -> object:
        """What the call gave, as plain data, errors that the server tells of included.

        Raises Unavailable if the call was not made, McpToolChanged if the tool is not the one that was offered, and
        Uncertain if nobody knows whether the call was made.
        """


class McpToolChanged(ProgramError):
    """A server's tool is not any more what this run was shown when it first looked."""

    code = "mcp_tool_changed"


Factory = Callable[[], McpClient]
_registered: Factory | None = None


def use_mcp(factory: Factory | None) -> Factory | None:
    """Have `factory` give the client of this process; the factory before is returned. For wiring."""
    global _registered
    before, _registered = _registered, factory
    return before


def client() -> McpClient:
    """The client of this process. Raises ProgramError where it has none."""
    if _registered is None:
        raise ProgramError(
            "An agent has MCP servers, and this process has no client for them.",
            fix="Start it with the command line, or call watership.agents.mcp.use_mcp() first.",
        )
    return _registered()


def mcp_server(
    target: str | Sequence[str],
    *,
    name: str,
    environment: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    only: Sequence[str] | None = None,
    effect: EffectName = Effect.UNSAFE,
    effects: Mapping[str, EffectName] | None = None,
    trust_hints: bool = False,
    reads: Reads | None = None,
    acts: bool | None = None,
    seconds: float = CALL_SECONDS,
    result_bytes: int = RESULT_BYTES,
) -> McpServer:
    """An MCP server, for `Agent(tools=[...])`: a URL (streamable HTTP), or a command (stdio) as words or as a list.

    Its tools are called `name_tool`. `only`: these of its tools alone. `effect`: what entering one twice would do;
    `effects`: by the tool's own name; with `trust_hints` the server's word counts for the others. `reads` and `acts`:
    as in `tool`, of all its tools; where `reads` is not said it counts as both, and one acts unless it is `pure`.
    `environment` is all that a command is given beside PATH, HOME and the like; `headers` go with each request.
    `seconds`: of a call.
    """
    if not NAME.fullmatch(name):
        raise BadInput(
            f"An MCP server cannot be named {name!r}.", fix="Use letters, digits, - and _, up to 32."
        )
    web = isinstance(target, str) and target.startswith(("http://", "https://"))
    command = () if web else tuple(target.split() if isinstance(target, str) else target)
    if not web and not command:
        raise BadInput(
            f"MCP server {name!r} has no command.", fix="Say mcp_server('uvx some-server', name=…)."
        )
    if (web and environment) or (headers and not web):
        raise BadInput(
            f"MCP server {name!r} has {'an environment' if web else 'headers'}, which it cannot be given.",
            fix="A command has an environment, a URL has headers.",
        )
    if not 0 < seconds < float("inf") or result_bytes < 1:
        raise BadInput(
            f"MCP server {name!r} has no bound on its calls.", fix="Give seconds and result_bytes."
        )
    return McpServer(
        name=name,
        command=command,
        url=str(target) if web else "",
        environment=dict(environment or {}),
        headers=dict(headers or {}),
        only=None if only is None else tuple(only),
        reads=reads,
        acts=acts,
        effect=Effect(effect),
        effects={tool: Effect(each) for tool, each in (effects or {}).items()},
        trust_hints=trust_hints,
        seconds=seconds,
        result_bytes=result_bytes,
    )


async def tools_of(server: McpServer) -> list[Tool]:
    """The server's tools, as this run saw them when it first looked: a step, so that a replay sees the same."""

    async def look() -> list[Offered]:
        return chosen(server, await client().tools(server))

    offered: list[Offered] = await step(
        look, name=f"tools_of_{server.name}", effect=Effect.PURE, retry=LOOK_RETRY, into=list[Offered]
    )
    return [_tool(server, each) for each in offered]


def chosen(server: McpServer, offered: Sequence[Offered]) -> list[Offered]:
    """Those that the declaration lets in. Raises ProgramError where it names one that there is not."""
    names = {each.name for each in offered}
    missing = {*(server.only or ()), *server.effects} - names
    if missing:
        raise ProgramError(
            f"MCP server {server.name!r} has no tool {min(missing)!r}.",
            fix=f"Tools: {', '.join(sorted(names))}.",
        )
    let_in = [each for each in offered if server.only is None or each.name in server.only]
    if len(let_in) > OFFERED:
        raise ProgramError(
            f"MCP server {server.name!r} offers {len(let_in)} tools, the limit is {OFFERED}.",
            fix="Choose with only=[…].",
        )
    return let_in


def effect_of(server: McpServer, tool: Offered) -> Effect:
    """What a second entry does: by the declaration, and by the server's hints only where it trusts them."""
    if tool.name in server.effects:
        return server.effects[tool.name]
    if server.trust_hints and tool.read_only:
        return Effect.PURE
    if server.trust_hints and tool.idempotent:
        return Effect.IDEMPOTENT
    return server.effect


def _tool(server: McpServer, offered: Offered) -> Tool:
    async def call(**arguments: Any) -> object:
        return await client().call(server, offered, arguments, idempotency_key())

    effect = effect_of(server, offered)
    return Tool(
        name=_called(server, offered),
        description=offered.description,
        call=call,
        signature=_Given(offered.schema, f"tool {offered.name!r}"),
        options=StepOptions(effect=effect),
        traits=traits_of(server.reads, server.acts, effect, f"MCP server {server.name!r}"),
    )


def _called(server: McpServer, offered: Offered) -> str:
    name = f"{server.name}_{re.sub(r'[^A-Za-z0-9_-]', '_', offered.name)}"
    if len(name) > TOOL_NAME:
        raise ProgramError(
            f"The tool {name!r} has a name of more than {TOOL_NAME} characters, which models do not take.",
            fix=f"Leave it out with only=[…], or call the server {server.name!r} something shorter.",
        )
    return name


class _Given(Signature):
    """A signature that is a schema and nothing else: whether arguments fit is for the server to say."""

    def __init__(self, schema: Mapping[str, Any], whose: str) -> None:
        self._whose = whose
        self.schema = dict(schema)

    def read(self, raw: msgspec.Raw) -> dict[str, object]:
        return msgspec.json.decode(raw, type=dict[str, object])

    def check(self, raw: msgspec.Raw) -> msgspec.Raw:
        return encode(self.read(raw), f"the input of {self._whose}")

    def convert(self, given: Mapping[str, Any]) -> dict[str, object]:
        return dict(given)
