"""The part of the world that section C looks at: the papers of a pipeline, next as it serves, and its host."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from tests.checklist.orchestrator import (
    TOKEN,
    Orchestrator,
    Prometheus,
    counted,
    guarded,
    limited,
    other,
    receiver,
)
from tests.checklist.papers import (
    Papers,
    ago,
    as_json,
    baseline,
    cobertura,
    drill,
    junit,
    k6,
    rehearsal,
    results,
    zap,
)
from tests.checklist.world import World, points
from watership.releases.book.system import System
from watership.releases.smoke import Message, Smoke
from watership.testing.servers import PostgresServer
from watership.testing.servers.ports import LOOPBACK, free_port
from watership.testing.standin import Answer, Asked, StandIn

BEARER = {"authorization": "Bearer {secret}"}
SECRET = "file:secrets/token"
WHSEC = "whsec_" + base64.b64encode(b"a secret of webhooks").decode()

EDGES = ("empty", "limit", "malformed", "concurrent")
DATA = ("tests/data/agents.json", "tests/data/messages.json")
INTEGRATED = tuple(
    f"tests.integration.test_{name}"
    for name in ("postgres", "rabbitmq", "redis", "external_apis", "external_failures")
)
UNIT, INTEGRATION, E2E, SECURITY = (
    f"evidence/junit-{name}.xml" for name in ("unit", "integration", "e2e", "security")
)
K6, STRESS, ENDURANCE = (f"evidence/k6-{name}.json" for name in ("1000", "5000", "endurance"))
REHEARSAL, ROLLBACK = "evidence/rehearsal.json", "evidence/drills/rollback.json"


def grown(world: World, stack: ExitStack, postgres: PostgresServer) -> None:
    """Add all of it. What is started ends with the stack."""
    standin = stack.enter_context(StandIn())
    papers = Papers(world)
    _secrets(world)
    _tests(world, papers)
    _loads(world, papers)
    _attacks(world, papers, standin)
    _rehearsed(world, papers)
    _serving(world, papers, standin)
    _hosted(world, papers, stack)
    _drilled(world, papers)
    _measured(world, papers, standin)
    _outside(world, standin, postgres)
    _accepted(world, standin)


def _secrets(world: World) -> None:
    for name, secret in (("token", TOKEN), ("webhooks", WHSEC)):
        world.write(f"secrets/{name}", secret).chmod(0o600)


# --- 27, 28, 29, 31: tests -------------------------------------------------------------------------------------


def _tests(world: World, papers: Papers) -> None:
    plain = {f"test_case_{n}": "passed" for n in range(100)}
    edges = {kind: {f"test_{n}": "passed" for n in range(3)} for kind in EDGES}
    fixtures = {f"test_fixtures_are_valid_{n}": "passed" for n in range(3)}
    unit = results(kernel=plain, data=fixtures, **edges)
    for suite in unit["suites"]:
        suite["properties"] |= {"edge": suite["name"]} if suite["name"] in EDGES else {}
    _suite(unit, "data")["properties"]["test_data"] = _data(world)
    papers.put(UNIT, unit, junit)

    both = results(stub={"test_answers": "passed", "test_refuses": "passed"})
    both["suites"].append({"name": "real", "properties": {}, "cases": dict(both["suites"][0]["cases"])})
    for suite in both["suites"]:
        suite["properties"]["against"] = suite["name"]
    papers.put("evidence/junit-contracts.xml", both, junit)

    integration = {name: {f"test_{n}": "passed" for n in range(3)} for name in INTEGRATED}
    rest = {"tests.integration.test_rest": {f"test_whole_{n}": "passed" for n in range(10)}}
    papers.put(INTEGRATION, results(**rest, **integration), junit)

    cases = {f"test_{n}": "passed" for n in range(2)}
    browsers = results(
        chrome=dict(cases),
        firefox=dict(cases),
        safari=dict(cases),
        phone=dict(cases),
        **{
            f"tests.e2e.{name}": dict(cases) for name in ("test_workflows", "test_happy_paths", "test_errors")
        },
    )
    for suite in browsers["suites"][:3]:
        suite["properties"] = {"browser": suite["name"], "viewport": "desktop"}
    browsers["suites"][3]["properties"] = {"browser": "chrome", "viewport": "mobile"}
    papers.put(E2E, browsers, junit)

    attacks = ("sql_injection", "xss", "csrf", "authentication", "authorization")
    tried = {f"tests.security.test_{kind}": {f"test_{n}": "passed" for n in range(3)} for kind in attacks}
    papers.put(SECURITY, results(**tried), junit)
    on_next = results(next={f"test_{n}": "passed" for n in range(12)})
    on_next["suites"][0]["properties"]["deployment"] = world.deployment
    papers.put("evidence/junit-next.xml", on_next, junit)

    code = {f"src/watership/{part}/a.py": (95, 100) for part in ("durable", "fleet", "releases")}
    papers.put(
        "evidence/coverage-unit.xml",
        {"at": ago(hours=1), "files": {**code, "src/watership/cli/b.py": (380, 400)}},
        cobertura,
    )
    papers.put(
        "evidence/coverage-integration.xml",
        {"at": ago(hours=1), "files": {"src/watership/api/a.py": (70, 100)}},
        cobertura,
    )
    world.label("evidence/coverage-unit.xml")
    world.label("evidence/coverage-integration.xml")

    world.faults |= {
        "unit-tests/suite": papers.fault(UNIT, _case("kernel", "test_case_7", "failed")),
        "unit-tests/coverage": papers.fault(
            "evidence/coverage-unit.xml", _lines("src/watership/cli/b.py", (90, 400))
        ),
        "unit-tests/critical-paths": papers.fault(
            "evidence/coverage-unit.xml", _lines("src/watership/fleet/a.py", (80, 100))
        ),
        "unit-tests/edge-cases": papers.fault(UNIT, _without("malformed", "test_1")),
        "unit-tests/stubs": papers.fault("evidence/junit-contracts.xml", _without("real", "test_refuses")),
        "unit-tests/test-data": lambda: _rewritten(world, DATA[0], '{"name": "edited since"}'),
        "integration-tests/suite": papers.fault(
            INTEGRATION, _case("tests.integration.test_rest", "test_whole_3", "error")
        ),
        "integration-tests/database": papers.fault(INTEGRATION, _without(INTEGRATED[0], "test_0")),
        "integration-tests/rabbitmq": papers.fault(INTEGRATION, _renamed(INTEGRATED[1], "test_rabbitmq_api")),
        "integration-tests/redis": papers.fault(INTEGRATION, _case(INTEGRATED[2], "test_2", "skipped")),
        "integration-tests/external-mocks": papers.fault(INTEGRATION, _without(INTEGRATED[3], "test_0")),
        "integration-tests/coverage": papers.fault(
            "evidence/coverage-integration.xml", _lines("src/watership/api/a.py", (59, 100))
        ),
        "e2e-tests/suite": papers.fault(E2E, _added("rest", "test_another", "failed")),
        "e2e-tests/workflows": papers.fault(E2E, _without("tests.e2e.test_workflows", "test_0")),
        "e2e-tests/happy-paths": papers.fault(E2E, _renamed("tests.e2e.test_happy_paths", "test_happy_path")),
        "e2e-tests/errors": papers.fault(E2E, _without("tests.e2e.test_errors", "test_1")),
        "e2e-tests/browsers": papers.fault(E2E, _property("safari", "browser", "chrome")),
        "e2e-tests/mobile": papers.fault(E2E, _property("phone", "viewport", "desktop")),
        "external-systems/failures": papers.fault(INTEGRATION, _without(INTEGRATED[4], "test_0")),
        "next-validation/tests": papers.fault(
            "evidence/junit-next.xml", _property("next", "deployment", world.plan.live.deployment)
        ),
    }
    for point, kind in zip(
        ("injection", "xss", "csrf", "authentication", "authorization"), attacks, strict=True
    ):
        world.faults[f"security-tests/{point}"] = papers.fault(
            SECURITY, _case(f"tests.security.test_{kind}", "test_0", "failed")
        )


def _suite(told: dict[str, Any], name: str) -> dict[str, Any]:
    (suite,) = [each for each in told["suites"] if each["name"] == name]
    assert isinstance(suite, dict)
    return suite


def _case(suite: str, name: str, state: str) -> Callable[[Any], object]:
    def change(told: Any) -> None:
        assert name in _suite(told, suite)["cases"]
        _suite(told, suite)["cases"][name] = state

    return change


def _added(suite: str, name: str, state: str) -> Callable[[Any], object]:
    """One suite more, with one case."""
    return lambda told: told["suites"].append({"name": suite, "properties": {}, "cases": {name: state}})


def _without(suite: str, name: str) -> Callable[[Any], object]:
    return lambda told: _suite(told, suite)["cases"].pop(name)


def _property(suite: str, name: str, value: str) -> Callable[[Any], object]:
    return lambda told: _suite(told, suite)["properties"].update({name: value})


def _renamed(suite: str, name: str) -> Callable[[Any], object]:
    """The suite is another one, of which the name is a part."""
    return lambda told: _suite(told, suite).update(name=name)


def _data(world: World) -> str:
    """The files that tests are made with; returns what `sha256sum FILE… | sha256sum` prints of them."""
    there = [(path, world.write(path, '{"name": "hazel"}').read_bytes()) for path in DATA]
    lines = "".join(f"{sha256(content).hexdigest()}  {path}\n" for path, content in there)
    return sha256(lines.encode()).hexdigest()


@contextmanager
def _rewritten(world: World, path: str, content: str) -> Iterator[None]:
    before = (world.root / path).read_bytes()
    world.write(path, content)
    try:
        yield
    finally:
        world.write(path, before)


def _lines(file: str, lines: tuple[int, int]) -> Callable[[Any], object]:
    return lambda told: told["files"].update({file: lines})


# --- 30, 31, 32, 35: what was tried ----------------------------------------------------------------------------


def _loads(world: World, papers: Papers) -> None:
    for path, users, seconds in ((K6, 1000, 900.0), (STRESS, 5000, 600.0), (ENDURANCE, 200, 86_400.0)):
        papers.put(path, k6(users, seconds), as_json)
    world.faults |= {
        "load-tests/load": papers.fault(K6, _value("vus", "max", 640)),
        "load-tests/stress": papers.fault(STRESS, _threshold_broken),
        "load-tests/endurance": papers.fault(
            ENDURANCE, lambda told: told["state"].update(testRunDurationMs=7.9e7)
        ),
        "load-tests/queries": papers.fault(K6, _value("db_query_duration", "p(95)", 84.0)),
        "load-tests/latency": papers.fault(K6, _value("http_req_duration", "p(95)", 240.0)),
        "load-tests/errors": papers.fault(K6, _value("http_req_failed", "rate", 0.002)),
    }


def _value(metric: str, name: str, value: float) -> Callable[[Any], object]:
    return lambda told: told["metrics"][metric]["values"].update({name: value})


def _threshold_broken(told: Any) -> None:
    told["metrics"]["checks"]["thresholds"]["rate>0.99"]["ok"] = False


def _attacks(world: World, papers: Papers, standin: StandIn) -> None:
    def xss(told: Any) -> None:
        told["site"][0]["alerts"][0].update(riskcode="3", riskdesc="High (Medium)")

    world.systems["staging"] = System(url=standin.url)
    papers.put("evidence/zap.json", zap(standin.url), as_json)
    world.label("evidence/zap.json")
    world.faults["security-tests/owasp"] = papers.fault("evidence/zap.json", xss)


def _rehearsed(world: World, papers: Papers) -> None:
    (planned,) = world.migrations
    forward, backward = (sha256(each.encode()).hexdigest() for each in (planned.forward, planned.backward))
    papers.put(REHEARSAL, rehearsal(forward, backward, planned.name), as_json)
    world.faults |= {
        "migration-tests/forward": papers.fault(REHEARSAL, lambda told: told["copy"].update(rows=0)),
        "migration-tests/backward": papers.fault(REHEARSAL, lambda told: told["backward"].update(shape="c")),
        "migration-tests/integrity": papers.fault(
            REHEARSAL, lambda told: told["integrity"].append("3 facts lack a topic")
        ),
        "migration-tests/impact": papers.fault(REHEARSAL, lambda told: told["reads"].update(during=0.9)),
        "migration-tests/indexes": papers.fault(
            REHEARSAL, lambda told: told["indexes"][0].update(seconds=301.0)
        ),
        "migration-tests/locks": papers.fault(REHEARSAL, lambda told: told["locks"][0].update(seconds=2.5)),
    }


def _drilled(world: World, papers: Papers) -> None:
    record = drill(
        "rollback", 41.0, traffic=0.4, previous_version=22.0, schema_backward=3.1, data_compared=8.0
    )
    papers.put(ROLLBACK, record, as_json)

    def without(step: str) -> Callable[[Any], object]:
        return lambda told: told.update(steps=[each for each in told["steps"] if each["name"] != step])

    world.faults |= {
        "rollback-tests/executes": papers.fault(ROLLBACK, lambda told: told.update(build="sha256:2.0.9")),
        "rollback-tests/previous-version": papers.fault(ROLLBACK, without("previous version")),
        "rollback-tests/schema": papers.fault(ROLLBACK, without("schema backward")),
        "rollback-tests/traffic": papers.fault(ROLLBACK, lambda told: told["steps"][0].update(seconds=121.0)),
        "rollback-tests/duration": papers.fault(ROLLBACK, lambda told: told.update(seconds=301.0)),
        "rollback-tests/consistency": papers.fault(ROLLBACK, without("data compared")),
    }


# --- 33, 34, 36: next as it serves, and its host ------------------------------------------------------------------


def _serving(world: World, papers: Papers, standin: StandIn) -> None:
    nxt = Orchestrator(standin, "", deployment=world.deployment, switched=world.switched)
    nxt.health["version"] = world.next.version
    world.systems["next"] = System(url=nxt.url)
    world.systems["live"] = System(url=f"{standin.url}/live")
    read = {"/api/v1/runs/{run_id}": 4210, "/api/v1/agents": 940, "/api/v1/runs": 120}
    standin.routes["GET /live/metrics"] = counted(read)
    world.systems["next-limited"] = System(url=f"{standin.url}/limited")
    standin.routes["GET /limited/api/v1/agents"] = limited(5)
    world.smoke = Smoke(messages=(Message(name="a greeting", program="greeter", includes={"text": "hello"}),))
    world.faults |= {
        "smoke-tests/startup": lambda: other(nxt.statuses, "/startupz", 503),
        "smoke-tests/health": lambda: other(nxt.health, "status", "degraded"),
        "smoke-tests/database": lambda: other(nxt.health, "database", "failed: no route to host"),
        "smoke-tests/rabbitmq": lambda: other(nxt.health, "rabbitmq", "no answer within 2 s"),
        "smoke-tests/endpoints": lambda: other(nxt.statuses, "/api/v1/runs", 500),
        "smoke-tests/flows": lambda: other(nxt.run, "result", {"text": "goodbye"}),
        "runtime-configuration/flags": lambda: other(nxt.works, "flags", False),
        "runtime-configuration/rate-limits": lambda: standin.changed(
            "GET /limited/api/v1/agents", Answer({"data": []})
        ),
        "next-validation/baselines": lambda: slower(papers, nxt),
        "next-validation/functional": lambda: other(nxt.crew, "slow", "d-2.0.5"),
        "next-validation/health": lambda: other(nxt.statuses, "/readyz", 503),
    }


@contextmanager
def slower(papers: Papers, nxt: Orchestrator) -> Iterator[None]:
    """Live answered at once, and next takes its time: on however busy a machine the second is slower."""
    with (
        papers.changed("evidence/baseline.json", lambda captured: captured["figures"].update(p95=0.0)),
        other(nxt.slow, "/api/v1/agents", 0.05),
    ):
        yield


ENV = ".env.next"
LOG = "logs/next.jsonl"


class Host:
    """A process with an environment, on this machine."""

    def __init__(self, world: World, environment: dict[str, str]) -> None:
        self._world = world
        self._environment = environment
        self._process = self._begin(environment)

    def _begin(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["/bin/sleep", "3600"], env=environment)
        facts: dict[str, bool | int | float | str] = {
            "pid": process.pid,
            "logs": f"cat {LOG}",
            "secrets": "secrets/database, secrets/rabbitmq",
        }
        self._world.systems["next-host"] = System(url="local:", facts=facts)
        return process

    @contextmanager
    def changed(self, **variables: str) -> Iterator[None]:
        """Another process, which lacks the variables that are empty."""
        before, environment = self._process, self._environment
        wanted = {name: value for name, value in {**environment, **variables}.items() if value}
        self._environment, self._process = wanted, self._begin(wanted)
        host = self._world.systems["next-host"]
        try:
            yield
        finally:
            _end(self._process)
            self._environment, self._process = environment, before
            self._world.systems["next-host"] = replace(host, facts={**host.facts, "pid": before.pid})

    def end(self) -> None:
        _end(self._process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _hosted(world: World, papers: Papers, stack: ExitStack) -> None:
    variables = {"WATERSHIP_WORKER_SLOTS": "8", "WATERSHIP_LIMITS_REQUESTS_PER_MINUTE": "600"}
    variables |= {"WATERSHIP_POSTGRES_URL": "postgresql://app:pw@db/app", "WATERSHIP_LOG_LEVEL": "info"}
    papers.put(ENV, variables, lambda told: "".join(f"{name}={value}\n" for name, value in told.items()))
    lines = [
        {"timestamp": ago(seconds=30 - n), "level": "info", "event": "run done", "n": n} for n in range(30)
    ]
    papers.put(LOG, lines, lambda told: "".join(as_json(each) + "\n" for each in told))
    for name in ("database", "rabbitmq"):
        world.write(f"secrets/{name}", "s3cret").chmod(0o400)
    host = Host(world, dict(variables))
    stack.callback(host.end)

    @contextmanager
    def narrow() -> Iterator[None]:
        staged = papers.changed(ENV, lambda told: told.update(WATERSHIP_WORKER_SLOTS="1"))
        with staged, host.changed(WATERSHIP_WORKER_SLOTS="1"):
            yield

    @contextmanager
    def open_to_all() -> Iterator[None]:
        (world.root / "secrets/rabbitmq").chmod(0o444)
        yield
        (world.root / "secrets/rabbitmq").chmod(0o400)

    world.faults |= {
        "runtime-configuration/variables": lambda: host.changed(WATERSHIP_LOG_LEVEL=""),
        "runtime-configuration/performance": narrow,
        "runtime-configuration/secrets": open_to_all,
        "runtime-configuration/log-levels": papers.fault(
            LOG, lambda told: told.append({"level": "debug", "event": "x"})
        ),
        "next-validation/logs": papers.fault(
            LOG, lambda told: told.append({"level": "error", "event": "it broke"})
        ),
    }


# --- 36, 37: figures ----------------------------------------------------------------------------------------------


def _measured(world: World, papers: Papers, standin: StandIn) -> None:
    (query,) = [
        str(point.parameters["query"]) for name, point in points("C") if name == "next-validation/limits"
    ]
    prometheus = Prometheus(standin, "/prometheus")
    prometheus.values[query] = 0.6
    world.systems["prometheus"] = System(url=prometheus.url)
    world.faults["next-validation/limits"] = lambda: other(prometheus.values, query, 0.9)
    papers.put("evidence/baseline.json", baseline(), as_json)
    for point, figure in (
        ("environment", "disk_io"),
        ("performance", "queue_depth"),
        ("errors", "error_rate"),
        ("latency", "p50"),
        ("connections", "connections"),
        ("cache", "cache_hit_rate"),
    ):
        world.faults[f"live-baseline/{point}"] = papers.fault("evidence/baseline.json", _unknown(figure))


def _unknown(figure: str) -> Callable[[Any], object]:
    return lambda told: told["figures"].update({figure: None})


# --- 38, 39: systems outside --------------------------------------------------------------------------------------


def _outside(world: World, standin: StandIn, postgres: PostgresServer) -> None:
    cut_off = Orchestrator(standin, "/cut-off")
    cut_off.health["version"] = world.next.version
    cut_off.run["result"] = {"text": "hello", "by": "fallback"}
    database = postgres.new_database()
    postgres.sql("CREATE TABLE sync_state (source text, synced_at timestamptz)", url=database)
    postgres.sql("INSERT INTO sync_state VALUES ('crm', now() - interval '2 minutes')", url=database)
    standin.routes |= {
        "GET /models/v1/models": guarded({"data": []}),
        "GET /identity/api/v1/me": guarded({"id": "app"}),
        "POST /webhooks/release-probe": receiver(WHSEC),
    }
    world.systems |= {
        "model-provider": System(url=f"{standin.url}/models", secret=SECRET, headers=BEARER),
        "model-provider-off": System(url=f"http://{LOOPBACK}:{free_port()}"),
        "identity-provider": System(url=f"{standin.url}/identity", secret=SECRET, headers=BEARER),
        "webhooks": System(url=standin.url, secret="file:secrets/webhooks"),
        "next-cut-off": System(url=cut_off.url),
        "database": System(url=database),
    }

    @contextmanager
    def asleep() -> Iterator[None]:
        postgres.sql("UPDATE sync_state SET synced_at = synced_at - interval '1 hour'", url=database)
        yield
        postgres.sql("UPDATE sync_state SET synced_at = synced_at + interval '1 hour'", url=database)

    world.faults |= {
        "external-systems/connectivity": lambda: standin.changed("GET /models/v1/models", Answer(status=503)),
        "external-systems/webhooks": lambda: standin.changed(
            "POST /webhooks/release-probe", Answer(status=204)
        ),
        "external-systems/authentication": lambda: standin.changed(
            "GET /identity/api/v1/me", Answer({"id": "anybody"})
        ),
        "external-systems/data-sync": asleep,
        "external-systems/fallback": lambda: other(cut_off.run, "state", "failed"),
    }


def _accepted(world: World, standin: StandIn) -> None:
    there: dict[str, list[str]] = {"feedback": [], "uat": ["Low", "Medium"]}

    def search(asked: Asked) -> Answer:
        jql = asked.body.decode()
        if "statusCategory" not in jql:
            return Answer({"issues": [{"id": "1", "key": "UAT-1"}], "isLast": True})
        names = there["feedback" if "uat-feedback" in jql else "uat"]
        issues = [
            {"id": str(n), "key": f"UAT-{n}", "fields": {"priority": {"name": name}}}
            for n, name in enumerate(names)
        ]
        return Answer({"issues": issues, "isLast": True})

    standin.routes["POST /jira/rest/api/3/search/jql"] = search
    world.systems["jira"] = System(url=f"{standin.url}/jira", secret=SECRET, headers=BEARER)
    world.faults |= {
        "user-acceptance/feedback": lambda: other(there, "feedback", ["Low"]),
        "user-acceptance/defects": lambda: other(there, "uat", ["Highest"]),
    }
