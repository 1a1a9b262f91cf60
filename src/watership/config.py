"""The configuration is one frozen tree, read once: watership.toml, then the environment over it.

The file is looked for in the working folder and upwards; relative paths in it are relative to its folder.
Each setting has a variable: `[worker] lease_seconds` is WATERSHIP_WORKER_LEASE_SECONDS.
The documented schema is `watership.example.toml`.
"""

from __future__ import annotations

import difflib
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from watership.errors import BadInput
from watership.fleet.identity import is_loopback

FILE: Final = "watership.toml"
PREFIX: Final = "WATERSHIP_"

ELSEWHERE: Final = frozenset(
    {"WATERSHIP_NIGHTLY", "WATERSHIP_PRESENCE", "WATERSHIP_SERVER", "WATERSHIP_TOKEN"}
)
"""Variables with our prefix that are no settings: of the test suite, of the hosts, and of the command line."""

TABLES: Final = frozenset({"models"})
"""Settings that are tables by names of the user's."""

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0.1, le=3_600)]
Money = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Auth = Literal["auto", "token", "none"]


class BadConfig(BadInput):
    """A setting is unknown, of the wrong kind, or unsafe together with another."""

    code = "bad_config"


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class StoreSettings(_Section, frozen=True):
    """Where runs are kept. The scheme chooses the adapter; one URL each switches."""

    url: str = "sqlite:///.watership/watership.db"


class BrokerSettings(_Section, frozen=True):
    """What carries wake-ups, messages and events; empty: the store alone, whose bell wakes the workers.

    `tell`: which moves of a run go out on the events exchange.
    """

    url: str = ""
    ca_file: str = ""
    management: str = ""
    tell: Literal["none", "ends", "all"] = "ends"
    tenant: str = "default"


class CacheSettings(_Section, frozen=True):
    """What holds nothing that matters: hot reads, shared counters, fan-out. Empty: each process for itself."""

    url: str = ""


class LimitsSettings(_Section, frozen=True):
    """When new work is refused with 429; 0 switches a limit off."""

    requests_per_minute: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    backlog_seconds: Annotated[float, msgspec.Meta(ge=0, le=3_600)] = 5.0


class BudgetSettings(_Section, frozen=True):
    """Dollars that model calls may cost at most, whatever agents say of themselves; 0 is no limit. Days are UTC's.

    `usd_per_run` counts a run with its children, which are no runs of their own here.
    """

    usd_per_run: Money = 0.0
    usd_per_tenant_and_day: Money = 0.0
    usd_per_day: Money = 0.0


class ModelSettings(_Section, frozen=True):
    """What the calls of one model may be, over all workers that share a cache; 0 is no limit."""

    concurrency: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    requests_per_minute: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0
    tokens_per_minute: Annotated[int, msgspec.Meta(ge=0, le=10_000_000_000)] = 0


class PolicySettings(_Section, frozen=True):
    """What agents may have at most, whatever their code says; empty: no limit. `tools`: "clerk: search, refund; *:"
    names the tools of an agent, or of every other one. `hosts`: what `Egress` may reach, with commas between.
    """

    tools: str = ""
    hosts: str = ""


class HttpSettings(_Section, frozen=True):
    """Where the service listens. Port 0 takes a free one.

    `notice_seconds`: how long a service that was told to stop still takes connections, while /readyz says draining.
    """

    host: str = "127.0.0.1"
    port: Port = 3000
    notice_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 0.0


class WorkerSettings(_Section, frozen=True):
    """`slots` runs advance at a time; a silent worker's leases pass on after `lease_seconds`.

    `agents`: which ones it works for, with commas between; empty: all. `http`: HOST:PORT of its probes and metrics.
    """

    slots: Count = 32
    lease_seconds: Seconds = 15.0
    drain_seconds: Seconds = 30.0
    agents: str = ""
    http: str = ""


class LogSettings(_Section, frozen=True):
    """What is told, and in which form. `auto`: for people on a terminal, JSON otherwise."""

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class EnvironmentSettings(_Section, frozen=True):
    """What releases act upon: two slots, the router before them and the hosts under them.

    `proxy`: what passes HTTP on, our own proxy, a HAProxy that is installed here, or the load balancer of `[aws]`.
    `database`: the application's own, which releases migrate, where it is a PostgreSQL; empty: a file in `state`.
    `scratch`: the PostgreSQL that its dumps are restored into, to verify them; empty: beside the original.
    `stanza`: what pgBackRest calls the server of that database, where it backs it up; `pgbackrest`: its configuration
    file, where that is not where pgBackRest looks by itself.
    `prometheus`: who keeps the metrics that the SLA is judged by, and that answers a runbook's feeds; empty: nobody but
    the router, for some minutes.
    `metrics`: who counts the requests of each slot, the router itself or, by the section `metrics`, that Prometheus.
    `rehearsal`: its calendar may leap (`watership environment leap`), and everything that it makes says so.
    """

    name: str = "local"
    state: str = ".watership"
    proxy: Literal["embedded", "haproxy", "aws"] = "embedded"
    router: str = ".watership/router.sock"
    hosts: str = ".watership/hosts.sock"
    database: str = ""
    scratch: str = ""
    stanza: str = ""
    pgbackrest: str = ""
    prometheus: str = ""
    metrics: Literal["router", "prometheus"] = "router"
    rehearsal: bool = False


OURS_TO_ASK: Final = "(/api|/api/v1)?/(health|status|livez|readyz|startupz|metrics)|.*/(events|ws)"
"""The routes that probes ask, and those whose answers last as long as somebody listens."""


class MetricsSettings(_Section, frozen=True):
    """Which series of Prometheus count the requests of a slot, `$slot`.

    `targets`: one that each of its targets always has, which says who is counted. A request has failed where the label
    `failed` has a value that `values` (a regular expression) fits. `every`: seconds, at least those between scrapes.
    """

    targets: str = 'watership_build_info{slot="$slot"}'
    requests: str = f'http_requests_total{{route!~"{OURS_TO_ASK}"}}'
    failed: str = "code"
    values: str = "5.."
    latencies: str = f'http_request_duration_seconds_bucket{{route!~"{OURS_TO_ASK}"}}'
    every: Annotated[int, msgspec.Meta(ge=1, le=300)] = 15


class HostsSettings(_Section, frozen=True):
    """Where the instances of deployments run, and how it is told.

    `kind`: processes of this machine; containers of Docker Compose or units of systemd on `machines`, told by SSH; or
    Deployments of a Kubernetes cluster. What a kind does not need is not looked at.
    """

    kind: Literal["processes", "compose", "systemd", "kubernetes"] = "processes"
    variables: str = ""
    source: str = "/app"
    first_port: Annotated[int, msgspec.Meta(ge=1, le=65_000)] = 3000
    machines: str = ""
    folder: str = "/var/lib/watership"
    bind: str = ""
    python: str = "/usr/bin/python3"
    ssh_user: str = ""
    ssh_port: Port = 0
    ssh_key: str = ""
    ssh_known_hosts: str = ""
    sudo: bool = False
    kubeconfig: str = ""
    context: str = ""
    namespace: str = "default"


class AwsSettings(_Section, frozen=True):
    """The load balancer of an environment whose proxy is "aws", by its ARNs: a rule (or a listener, for its default
    action) and the target group of each slot. `endpoint`: of an API other than AWS's own.
    """

    region: str = ""
    rule: str = ""
    blue: str = ""
    green: str = ""
    endpoint: str = ""


class Config(_Section, frozen=True):
    """Every setting. Made by `load`, which has checked that they are safe together."""

    auth: Auth = "auto"
    secret: str = ""
    secret_file: str = ""
    readonly: bool = False
    store: StoreSettings = StoreSettings()
    broker: BrokerSettings = BrokerSettings()
    cache: CacheSettings = CacheSettings()
    limits: LimitsSettings = LimitsSettings()
    budget: BudgetSettings = BudgetSettings()
    models: Mapping[str, ModelSettings] = {}
    policy: PolicySettings = PolicySettings()
    http: HttpSettings = HttpSettings()
    worker: WorkerSettings = WorkerSettings()
    log: LogSettings = LogSettings()
    environment: EnvironmentSettings = EnvironmentSettings()
    metrics: MetricsSettings = MetricsSettings()
    hosts: HostsSettings = HostsSettings()
    aws: AwsSettings = AwsSettings()

    @property
    def open(self) -> bool:
        """Whether nobody is asked for a token; only ever true on loopback."""
        return self.auth == "none" or (self.auth == "auto" and not self.secret)

    def __repr__(self) -> str:
        # A secret must not reach a log through a message that shows the settings.
        return f"Config(auth={self.auth!r}, store={self.store!r}, http={self.http!r}, worker={self.worker!r})"


def load(folder: Path, environment: Mapping[str, str]) -> Config:
    """The settings of a process in `folder`. Raises BadConfig, which names what is wrong and its mend."""
    file = find(folder)
    tree = _parse(file) if file else {}
    for variable, path in _variables(environment):
        _put(tree, path, environment[variable])
    try:
        config = msgspec.convert(tree, Config, strict=False)
    except msgspec.ValidationError as reason:
        raise _wrong(str(reason), file, environment) from None
    base = file.parent if file else folder
    return checked(_with_secret(_absolute(config, base), base))


def find(folder: Path) -> Path | None:
    """The nearest watership.toml, from `folder` upwards."""
    return next((place / FILE for place in (folder, *folder.parents) if (place / FILE).is_file()), None)


def settings() -> Iterator[tuple[str, ...]]:
    """The path of every setting: ("secret",), ("worker", "slots"), …"""
    for field in msgspec.structs.fields(Config):
        if isinstance(field.type, type) and issubclass(field.type, _Section):
            yield from ((field.name, inner.name) for inner in msgspec.structs.fields(field.type))
        else:
            yield (field.name,)


def _parse(file: Path) -> dict[str, Any]:
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise BadConfig(f"{file} cannot be read: {reason}.") from None
    known = set(settings())
    for path in _leaves(tree, {section for section, *rest in known if rest}):
        if path not in known:
            raise _unknown(f"the setting {'.'.join(path)} in {file}", path, {".".join(one) for one in known})
    return tree


def _leaves(tree: Mapping[str, Any], sections: set[str]) -> Iterator[tuple[str, ...]]:
    for name, value in tree.items():
        if name in sections and isinstance(value, dict):
            yield from ((name, inner) for inner in value)
        elif name not in sections:
            yield (name,)


def _variables(environment: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    known = {PREFIX + "_".join(path).upper(): path for path in settings()}
    for variable in sorted(environment):
        if variable in known:
            yield variable, known[variable]
        elif variable.startswith(PREFIX) and variable not in ELSEWHERE:
            raise _unknown(f"the variable {variable}", (variable,), set(known))


def _wrong(reason: str, file: Path | None, environment: Mapping[str, str]) -> BadConfig:
    """`reason` is msgspec's, and ends in the place: "Expected `int`, got `str` - at `$.worker.slots`"."""
    why, _, place = reason.partition(" - at `$.")
    setting = place.rstrip("`")
    variable = PREFIX + setting.replace(".", "_").upper()
    what = f"The variable {variable}" if variable in environment else f"{setting or 'A setting'} in {file}"
    return BadConfig(f"{what} is wrong: {why}.", fix=f"See {setting or 'it'} in watership.example.toml.")


def _unknown(what: str, path: tuple[str, ...], known: set[str]) -> BadConfig:
    name = ".".join(path)
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    # A setting that stands in the wrong section is near by its last word.
    close = close or sorted(one for one in known if one.rpartition(".")[2] == path[-1])[:1]
    hint = f"Did you mean {close[0]}?" if close else f"Settings: {', '.join(sorted(known))}."
    return BadConfig(f"There is no such thing as {what}.", fix=hint)


def _put(tree: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    *sections, name = path
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[name] = _table(value) if name in TABLES else value


def _table(value: str) -> object:
    """A table in a variable is written as in the file: `{\"*\" = {concurrency = 8}}`."""
    try:
        return tomllib.loads(f"table = {value}")["table"]
    except tomllib.TOMLDecodeError:
        return value  # refused with the others that are of the wrong kind


def _absolute(config: Config, base: Path) -> Config:
    """Paths of the file, made independent of the working folder of whoever reads them later."""
    environment = msgspec.structs.replace(
        config.environment,
        state=str(base / config.environment.state),
        router=str(base / config.environment.router),
        hosts=str(base / config.environment.hosts),
        pgbackrest=config.environment.pgbackrest and str(base / config.environment.pgbackrest),
    )
    hosts = msgspec.structs.replace(
        config.hosts,
        ssh_key=_from(base, config.hosts.ssh_key),
        ssh_known_hosts=_from(base, config.hosts.ssh_known_hosts),
        kubeconfig=_from(base, config.hosts.kubeconfig),
    )
    store = config.store
    # sqlite:///relative/path and sqlite:////absolute/path, as everywhere.
    if store.url.startswith("sqlite:///"):
        store = StoreSettings(url=f"sqlite:///{base / store.url.removeprefix('sqlite:///')}")
    return msgspec.structs.replace(config, environment=environment, hosts=hosts, store=store)


def _from(base: Path, path: str) -> str:
    """A path of the file, or of somebody's home; empty stays empty: it is somebody else's to find."""
    return str(base / Path(path).expanduser()) if path else ""


def _with_secret(config: Config, base: Path) -> Config:
    if not config.secret_file or config.secret:
        return config
    file = base / config.secret_file
    try:
        mode = file.stat().st_mode
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as reason:
        raise BadConfig(f"The secret file {file} cannot be read: {reason}.") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadConfig(f"Others than its owner may use the secret file {file}.", fix=f"chmod 600 {file}")
    return msgspec.structs.replace(config, secret=secret)


def checked(config: Config) -> Config:
    """`config`, if its settings are safe together; BadConfig otherwise. Ask again after changing one."""
    if config.environment.metrics == "prometheus" and not config.environment.prometheus:
        raise BadConfig(
            "environment.metrics is prometheus, and environment.prometheus names none.",
            fix='Name it: [environment] prometheus = "http://HOST:9090"',
        )
    if config.hosts.kind in ("compose", "systemd") and not config.hosts.machines.strip():
        raise BadConfig(
            f"hosts.kind is {config.hosts.kind} and no machine is named.",
            fix='Set hosts.machines = "web-1, web-2".',
        )
    make = "Set WATERSHIP_SECRET (python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"
    if config.auth == "token" and not config.secret:
        raise BadConfig("auth is token and there is no secret to verify tokens with.", fix=f"{make}.")
    if config.open and not is_loopback(config.http.host):
        raise BadConfig(
            f"Without tokens everybody who reaches {config.http.host} would be an administrator; "
            "that is possible on loopback only.",
            fix=f'{make} and auth = "token", or http.host = "127.0.0.1".',
        )
    if config.environment.proxy == "aws":
        _require_balancer(config)
    return config


def _require_balancer(config: Config) -> None:
    """What an environment behind AWS cannot do without. Raises BadConfig."""
    aws = config.aws
    named = {"region": aws.region, "rule": aws.rule, "blue": aws.blue, "green": aws.green}
    if lacking := [f"aws.{name}" for name, value in named.items() if not value]:
        raise BadConfig(
            f"environment.proxy is aws, and these say nothing: {', '.join(lacking)}.",
            fix="aws elbv2 describe-rules, describe-target-groups; see [aws] in watership.example.toml.",
        )
    if aws.blue == aws.green:
        raise BadConfig("aws.blue and aws.green are one target group.", fix="Make one for each slot.")
