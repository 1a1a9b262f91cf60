"""What the service is given to serve with; wiring puts it together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from watership.agents.dead_letters import DeadLetters
from watership.agents.messages import Messages
from watership.agents.schedule import Schedule
from watership.api.lifecycle import Lifecycle
from watership.durable.clock import Clock
from watership.durable.ids import DeploymentId, NewId
from watership.durable.ports import Bell, Observer, Runs
from watership.durable.states import RunState
from watership.fleet.audience import Audience
from watership.fleet.fanout import Fanout
from watership.fleet.flags import Flags
from watership.fleet.identity import READER, WRITER, Tokens
from watership.fleet.intake import Intake
from watership.fleet.limit import Limiter

Probe = Callable[[], Awaitable[object]]
"""One real round trip to a component; it returns when the component answered and raises otherwise."""

Census = Mapping[tuple[DeploymentId, RunState], int]
Exposition = Callable[[Census | None, float | None], tuple[str, bytes]]
"""The metrics as (content type, text), with the runs that the store counted and the seconds that it took; None when it
did not."""

CustomHandler = Callable[[dict[str, str]], Awaitable[object]]
"""An application's own endpoint: parameters of path and query in; a value, or (status, value), out."""

PUBLIC: Final = ""
"""The scope of what anybody may see."""

COMPONENTS: Final = ("database", "rabbitmq", "redis")
"""What /health always speaks of. A component without a probe is not ok."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What this process is: shown by /health, so that a release can prove which build answers."""

    version: str
    build: str
    deployment: DeploymentId
    slot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one request and one answer."""

    body_bytes: int = 1024 * 1024
    """As much as the journal takes for one value; more is 413."""
    body_seconds: float = 20.0
    """How long a body may take to arrive; a client that trickles it would hold a place for ever."""
    answer_seconds: float = 60.0
    """How long an answer may take, streams apart. What takes longer is a run."""
    probe_seconds: float = 2.0
    """A component that takes longer to answer a ping does not serve requests either."""
    heartbeat_seconds: float = 15.0
    """Of a silent stream: proxies close what is silent for half a minute or more."""
    requests_per_minute: int = 0
    """Of one caller, where there is a limiter; 0: as many as it likes."""
    start_seconds: float = 60.0
    """How long the components may take to answer at the start."""


@dataclass(frozen=True, slots=True)
class CustomRoute:
    """An application's own endpoint. Reading needs the role reader and all else writer, unless it says so."""

    method: str
    path: str
    serve: CustomHandler
    role: str | None = None

    @property
    def scope(self) -> str:
        if self.role is not None:
            return self.role
        return READER if self.method == "GET" else WRITER


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything that the HTTP service needs.

    `open`: nobody is asked for a token. Only ever set for a service on loopback; config.Config.open says when.
    `adapters`: what stands behind each probe, in words, so that an embedded part never poses as a server.
    `vital`: the components without which nothing can be served; the others' failure is told, and only degrades.
    `limiter`, `fanout`: never raise Unavailable; what they are made of may degrade, and requests do not notice.
    `fanout` and `audience` tell the followers of runs what models say; without them they are told the journal alone.
    `probes_only`: a worker answers its probes and metrics, and takes no messages.
    """

    messages: Messages
    dead: DeadLetters
    runs: Runs
    bell: Bell
    intake: Intake
    flags: Flags
    clock: Clock
    new_id: NewId
    observer: Observer
    facts: Facts
    probes: Mapping[str, Probe]
    adapters: Mapping[str, str]
    tokens: Tokens | None = None
    open: bool = False
    exposition: Exposition | None = None
    routes: Sequence[CustomRoute] = ()
    schedules: Sequence[Schedule] = ()
    vital: frozenset[str] = frozenset(COMPONENTS)
    probes_only: bool = False
    limits: Limits = Limits()
    limiter: Limiter | None = None
    fanout: Fanout | None = None
    audience: Audience | None = None
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
