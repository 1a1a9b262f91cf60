"""What watches the service, for section D: Prometheus, Grafana, CloudWatch, Elasticsearch, Filebeat, Jaeger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import yaml

from tests.checklist.changes import edited, otherwise
from tests.checklist.front import Edit, Front, House
from tests.checklist.world import Fault, World, points
from tests.releases.checks.aws_standin import dated
from watership.releases.book.system import System
from watership.testing.servers import PrometheusServer
from watership.testing.standin import Answer, Asked, StandIn

INTERVAL: Final = "1s"
"""Of scrapes: the exporters share a process with the checks, and must not be found late because of them."""

JOBS: Final = ("watership", "node", "postgres", "rabbitmq", "blackbox")

BEGAN: Final = time.monotonic()

RULES: Final = {
    "ErrorRate": (
        'sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m])) > 0.05',
        "5m",
    ),
    "Latency": (
        "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m]))) > 1",
        "5m",
    ),
    "DatabaseLost": ("min(pg_up) < 1", "30s"),
    "RabbitMQLost": ("min(rabbitmq_up) < 1", "30s"),
    "Memory": ("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes > 0.85", "5m"),
    "Disk": ("1 - node_filesystem_avail_bytes / node_filesystem_size_bytes > 0.9", "1m"),
    "Watchdog": ("vector(1)", "0s"),
}

DASHBOARDS: Final = {
    "overview": ("Requests", "Errors"),
    "service-health": ("Health",),
    "business": ("Runs finished",),
    "infrastructure": ("CPU", "Memory"),
    "database": ("Connections",),
    "rabbitmq": ("Messages",),
    "sla": ("Availability", "Response time", "Error rate", "Throughput"),
}


def grown(world: World, stack: ExitStack, town: StandIn, prometheus: PrometheusServer) -> None:
    """All of it. What is started or changed ends with the stack."""
    front = stack.enter_context(Front(prometheus.url))
    world.systems["prometheus"] = System(url=front.url)
    idle(world, scraped(stack, prometheus))
    stored(world, front)
    faulty(world, front)
    dashboards(world, town)
    archives(world, town)
    cloudwatch(world, town)
    logs(world, town)
    traces(world, stack)


# --- Prometheus ------------------------------------------------------------------------------------------------


def exported() -> str:
    """What an exporter shows: a machine that idles, a database, a broker, and a service with traffic."""
    seconds = time.monotonic() - BEGAN + 100
    requests = round(20 * seconds)
    return f"""\
node_load1{{slot="next"}} 0.03
node_network_up{{device="eth0"}} 1
node_cpu_seconds_total{{slot="next",mode="idle"}} {seconds}
node_memory_MemAvailable_bytes 6e9
node_memory_MemTotal_bytes 1e10
node_filesystem_avail_bytes 6e10
node_filesystem_size_bytes 1e11
pg_up 1
pg_stat_activity_count 12
rabbitmq_up 1
probe_success 1
watership_runs{{deployment="d-2.0.5",state="running"}} 3
http_requests_total{{code="200"}} {requests}
http_request_duration_seconds_bucket{{route="/api/agents",le="0.2"}} {requests}
http_request_duration_seconds_bucket{{route="/api/agents",le="+Inf"}} {requests}
http_request_duration_seconds_count{{route="/api/agents"}} {requests}
"""


def rules(*names: str) -> str:
    """A file of alerting rules."""
    written = [
        {
            "alert": name,
            "expr": RULES[name][0],
            "for": RULES[name][1],
            "labels": {"severity": "page"},
            "annotations": {
                "summary": f"{name}: {{{{ $value }}}}",
                "description": f"{name} of {{{{ $labels.instance }}}}; see docs/incidents.md.",
            },
        }
        for name in names
    ]
    return yaml.safe_dump({"groups": [{"name": "watership", "rules": written}]})


def idle(world: World, hosts: list[StandIn]) -> None:
    """The machines of the idle slot are asked by their exporters; one of them may be busy with something else."""
    agents = ", ".join(each.url.removeprefix("http://") for each in hosts)
    world.systems["next-agents"] = System(url="http://next", facts={"agents": agents})
    busy = Answer(exported().replace(" 0.03", " 3.5"))
    world.faults["final-health/blue"] = lambda: hosts[1].changed("GET /metrics", busy)


def scraped(stack: ExitStack, prometheus: PrometheusServer) -> list[StandIn]:
    """Let the server scrape two exporters under every job, and give it the rules; wait until it has both twice."""
    hosts = [stack.enter_context(StandIn({"GET /metrics": lambda _: Answer(exported())})) for _ in range(2)]
    addresses = [f"127.0.0.1:{each.port}" for each in hosts]
    before = dict(prometheus.targets), dict(prometheus.rules), prometheus.interval
    prometheus.interval = INTERVAL
    prometheus.targets |= {job: addresses[: 2 if job == "node" else 1] for job in JOBS}
    prometheus.rules["watership"] = rules(*RULES)
    prometheus.reload()

    def restored() -> None:
        prometheus.targets, prometheus.rules, prometheus.interval = before
        prometheus.reload()

    stack.callback(restored)
    end = time.monotonic() + 20
    while not _seen(prometheus):
        assert time.monotonic() < end, "Prometheus scrapes nobody"
        time.sleep(0.1)
    return hosts


def _seen(prometheus: PrometheusServer) -> bool:
    """Whether every target was scraped twice, and every rule evaluated."""
    twice = 'count(count_over_time(up{job!="prometheus"}[1m]) >= 2)'
    counted = httpx2.get(f"{prometheus.url}/api/v1/query", params={"query": twice}).json()["data"]["result"]
    groups = httpx2.get(f"{prometheus.url}/api/v1/rules").json()["data"]["groups"]
    evaluated = all(rule["health"] == "ok" for group in groups for rule in group["rules"])
    return bool(counted) and counted[0]["value"][1] == str(len(JOBS) + 1) and evaluated


def stored(world: World, front: Front) -> None:
    """Ten minutes of points: as many as there would be, had the server run as long."""
    query = "count_over_time(up[600s])"

    def all_there(told: Any, share: float = 1.0) -> Any:
        for series in told["data"]["result"]:
            series["value"][1] = f"{600 * share:.0f}"
        return told

    front.edits[query] = [all_there]
    world.faults["metrics/stored"] = lambda: front.edited(query, lambda told: all_there(told, 0.9))


def faulty(world: World, front: Front) -> None:
    """Prometheus otherwise than it should be."""

    def edit(name: str, change: Edit) -> Fault:
        return lambda: front.edited(name, change)

    def rule(name: str, /, **fields: Any) -> Edit:
        def change(told: Any) -> Any:
            for group in told["data"]["groups"]:
                for each in group["rules"]:
                    each.update(fields if each["name"] == name else {})
            return told

        return change

    def down(told: Any) -> Any:
        for target in told["data"]["activeTargets"]:
            if target["labels"]["job"] == "rabbitmq":
                target |= {"health": "down", "lastError": "connection refused"}
        return told

    def put(*path: str, value: Any) -> Edit:
        def change(told: Any) -> Any:
            place = told["data"]
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = value
            return told

        return change

    def lost(told: Any) -> Any:
        for series in told["data"]["result"]:
            series["value"][1] = "0"
        return told

    queries = {
        name: str(point.parameters["query"]) for name, point in points("D") if "query" in point.parameters
    }
    nothing = put("result", value=[])
    world.faults |= {
        "monitoring/targets": edit("/api/v1/targets", down),
        "monitoring/rules": edit("/api/v1/rules", rule("DatabaseLost", name="Renamed")),
        "monitoring/thresholds": edit("/api/v1/rules", rule("ErrorRate", query="sum(errors) > 0.5")),
        "alerting/templates": edit(
            "/api/v1/rules", rule("RabbitMQLost", annotations={"summary": "{{ $value }}"})
        ),
        "metrics/retention": edit("/api/v1/status/runtimeinfo", put("storageRetention", value="6h")),
        "metrics/cardinality": edit("/api/v1/status/tsdb", put("headStats", "numSeries", value=3_000_000)),
        "metrics/queries": edit(
            queries["metrics/queries"], put("stats", "timings", "execTotalTime", value=3.5)
        ),
        "sla/tracked": edit("sum(increase(http_requests_total[300000ms]))", nothing),
        "final-health/network": edit(queries["final-health/network"], lost),
    }


# --- Grafana ---------------------------------------------------------------------------------------------------


def board(uid: str, *titles: str) -> dict[str, Any]:
    """A dashboard: a row with a panel for each title."""
    source = {"type": "prometheus", "uid": "prom"}
    panels = [
        {
            "title": title,
            "datasource": source,
            "targets": [
                {"refId": "A", "expr": f'sum(rate({uid.replace("-", "_")}{{job=~"$job"}}[$__rate_interval]))'}
            ],
        }
        for title in titles
    ]
    variables = {"list": [{"name": "job", "current": {"value": ["$__all"]}}]}
    row = {"type": "row", "title": "All", "panels": panels[1:]}
    return {"uid": uid, "title": uid.title(), "panels": [*panels[:1], row], "templating": variables}


class Grafana:
    """Dashboards by uid. A query gives nothing where its expression holds a word of `empty`, an error for `broken`."""

    def __init__(self, standin: House) -> None:
        self.empty: set[str] = set()
        self.broken: set[str] = set()
        self.standin = standin
        standin.keep({"POST /api/ds/query": self._queried})

    def keep(self, dashboard: dict[str, Any]) -> None:
        answer = Answer({"meta": {}, "dashboard": dashboard})
        self.standin.keep({self.route(dashboard["uid"]): answer})

    def route(self, uid: str) -> str:
        return f"GET /api/dashboards/uid/{uid}"

    def other(self, uid: str, dashboard: dict[str, Any] | None) -> Fault:
        answer = None if dashboard is None else Answer({"meta": {}, "dashboard": dashboard})
        return lambda: self.standin.changed(self.route(uid), answer)

    @contextmanager
    def lacking(self, words: set[str], word: str) -> Iterator[None]:
        words.add(word)
        try:
            yield
        finally:
            words.discard(word)

    def _queried(self, asked: Asked) -> Answer:
        body = msgspec.json.decode(asked.body)
        results = {each["refId"]: self._result(each) for each in body["queries"]}
        return Answer({"results": results}, 207 if any("error" in each for each in results.values()) else 200)

    def _result(self, query: dict[str, Any]) -> dict[str, Any]:
        assert "$" not in query["expr"], "Grafana's pages put the variables in"
        assert query["datasource"] == {"type": "prometheus", "uid": "prom"}
        if any(word in query["expr"] for word in self.broken):
            return {"error": "parse error", "status": 400, "frames": []}
        none = any(word in query["expr"] for word in self.empty)
        values: list[list[float]] = [[], []] if none else [[1.0, 2.0], [0.5, 0.6]]
        return {"status": 200, "frames": [{"schema": {"fields": []}, "data": {"values": values}}]}


def dashboards(world: World, town: StandIn) -> None:
    grafana = Grafana(House(town, "/dashboards"))
    world.systems["grafana"] = System(url=grafana.standin.url)
    for uid, titles in DASHBOARDS.items():
        grafana.keep(board(uid, *titles))
    for uid in ("deployment", "alerts"):
        grafana.keep(board(uid, "One", "Another"))
        world.write(f"ops/grafana/{uid}.json", msgspec.json.encode(board(uid, "One", "Another")))
    world.faults |= {
        "monitoring/dashboards": grafana.other("alerts", board("alerts", "One")),
        "dashboards/overview": grafana.other("overview", None),
        "dashboards/service-health": lambda: grafana.lacking(grafana.empty, "service_health"),
        "dashboards/business": lambda: grafana.lacking(grafana.broken, "business"),
        "dashboards/infrastructure": lambda: grafana.lacking(grafana.empty, "infrastructure"),
        "dashboards/database": grafana.other("database", board("database")),
        "dashboards/rabbitmq": lambda: grafana.lacking(grafana.empty, "rabbitmq"),
        "sla/dashboard": grafana.other("sla", board("sla", "Availability", "Response time", "Error rate")),
    }


def archives(world: World, town: StandIn) -> None:
    """Old metrics, their backup, and the alert that always fires."""
    standin = House(town, "/archives")
    number = {"resultType": "vector", "result": [{"metric": {}, "value": [0, "86400"]}]}
    standin.keep({"GET /api/v1/query": Answer({"status": "success", "data": number})})
    alert = {
        "labels": {"alertname": "Watchdog"},
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
        "receivers": [{"name": "deadman"}],
    }
    ages = {"watchdog": 30.0}

    sent: dict[str, Any] = {"email": 7, "probe": ""}

    def watchdog(asked: Asked) -> Answer:
        filters = parse_qs(urlsplit(asked.path).query).get("filter")
        if filters is None:  # everything that fires, and is not silenced
            return Answer(status=404)
        (wanted,) = filters
        if wanted == f'probe="{sent["probe"]}"':
            mailed = alert | {"receivers": [{"name": "mailed"}], "updatedAt": datetime.now(UTC).isoformat()}
            return Answer([mailed])
        assert wanted == 'alertname="Watchdog"'
        at = datetime.now(UTC) - timedelta(seconds=ages["watchdog"])
        return Answer([alert | {"updatedAt": at.isoformat()}])

    def put(asked: Asked) -> Answer:
        (given,) = msgspec.json.decode(asked.body)
        if given["labels"]["probe"] != sent["probe"]:
            sent.update(probe=given["labels"]["probe"], email=sent["email"] + 1)
        return Answer()

    def metrics(asked: Asked) -> Answer:
        counts = {"": sent["email"], "failed_": 1}
        lines = [
            f'alertmanager_notifications_{name}total{{integration="email"}} {n}' for name, n in counts.items()
        ]
        return Answer("\n".join(lines))

    config = "receivers: [{ name: deadman, webhook_configs: [{}] }, { name: mailed, email_configs: [{}] }]"
    running = {"original": config}
    standin.keep(
        {
            "GET /api/v2/alerts": watchdog,
            "POST /api/v2/alerts": put,
            "GET /metrics": metrics,
            "GET /api/v2/status": lambda asked: Answer({"config": running}),
        }
    )
    world.systems |= {
        "metrics-archive": System(url=standin.url),
        "alertmanager": System(url=standin.url),
        "metrics-backups": System(url="file:evidence/metrics-backups.json"),
    }
    taken = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    kept = {"kind": "state", "name": "metrics-1", "taken_at": taken, "bytes": 1_000_000}
    world.write("evidence/metrics-backups.json", msgspec.json.encode({"backups": [kept]}))
    empty = Answer({"status": "success", "data": {"resultType": "vector", "result": []}})
    world.faults |= {
        "metrics/long-term": lambda: standin.changed("GET /api/v1/query", empty),
        "metrics/backup": edited(
            world, "evidence/metrics-backups.json", lambda told: told["backups"][0].update(bytes=0)
        ),
        "alerting/email": otherwise(running, "original", config.replace("email_configs", "slack_configs")),
        "final-health/monitoring": otherwise(ages, "watchdog", 900.0),
    }


# --- logs and traces -------------------------------------------------------------------------------------------


def cloudwatch(world: World, town: StandIn) -> None:
    standin = House(town, "/cloudwatch")
    days: dict[str, int | None] = {"serve": 90, "worker": 90, "controller": 365, "audit": 365}

    def described(asked: Asked) -> Answer:
        assert asked.headers["x-amz-target"] == "Logs_20140328.DescribeLogGroups"
        assert "/eu-central-1/logs/aws4_request" in asked.headers["authorization"]
        assert dated(asked) is not None, "AWS refuses a signature that comes from tomorrow"
        prefix = msgspec.json.decode(asked.body)["logGroupNamePrefix"]
        groups: list[dict[str, Any]] = [
            {"logGroupName": f"/watership/{name}", "storedBytes": 1}
            | ({"retentionInDays": kept} if kept else {})
            for name, kept in days.items()
            if kept != 0
        ]
        return Answer({"logGroups": [each for each in groups if each["logGroupName"].startswith(prefix)]})

    standin.keep({"POST /": described})
    world.write("secrets/aws", "secret").chmod(0o600)
    facts: dict[str, Any] = {"key": "AKIA", "region": "eu-central-1"}
    world.systems["cloudwatch-logs"] = System(url=standin.url, secret="file:secrets/aws", facts=facts)
    world.faults |= {
        "monitoring/log-groups": otherwise(days, "controller", 0),
        "monitoring/log-retention": otherwise(days, "audit", None),
    }


def policy(after: str) -> dict[str, Any]:
    phases = {
        "hot": {"min_age": "0ms", "actions": {}},
        "delete": {"min_age": after, "actions": {"delete": {}}},
    }
    users = {"indices": [".ds-1"], "data_streams": ["logs"], "composable_templates": []}
    return {"version": 1, "policy": {"phases": phases}, "in_use_by": users}


def logs(world: World, town: StandIn) -> None:
    """Elasticsearch, and the Filebeat that ships to it."""
    standin = House(town, "/logs")
    health = {"cluster_name": "logs", "status": "green", "timed_out": False, "number_of_nodes": 3}
    properties = {"@timestamp": {"type": "date"}, "level": {"type": "keyword"}}
    body = {
        "settings": {"index": {"lifecycle": {"name": "watership"}}},
        "mappings": {"properties": properties},
    }
    template = {"index_patterns": ["logs-watership-*"], "data_stream": {}, "template": body}
    policies = {"watership": policy("90d"), "jaeger": policy("14d")}
    lines: list[str] = []

    def written(asked: Asked) -> Answer:
        lines.append(msgspec.json.decode(asked.body)["probe"])
        return Answer({"result": "created", "_id": "1"}, 201)

    def searched(asked: Asked) -> Answer:
        (wanted,) = parse_qs(urlsplit(asked.path).query)["q"]
        hits = [line for line in lines if wanted == f"probe:{line}"]
        total = {"value": len(hits), "relation": "eq"}
        return Answer({"hits": {"total": total, "hits": [{"_source": {"probe": each}} for each in hits]}})

    def kept(name: str) -> Callable[[Asked], Answer]:
        return lambda asked: Answer({name: policies[name]})

    named = {"name": "watership", "index_template": template}
    standin.keep(
        {
            "GET /_cluster/health": lambda asked: Answer(health),
            "GET /_index_template/watership": Answer({"index_templates": [named]}),
            "POST /logs-watership-probe/_doc": written,
            "GET /logs-watership-probe/_search": searched,
            **{f"GET /_ilm/policy/{name}": kept(name) for name in policies},
        }
    )
    refused = Answer({"error": {"type": "cluster_block_exception"}, "status": 403}, 403)
    world.systems["logs"] = System(url=standin.url)
    world.faults |= {
        "logging/aggregation": otherwise(health, "status", "yellow"),
        "logging/indexing": otherwise(properties, "level", {"type": "text"}),
        "logging/retention": otherwise(policies, "watership", policy("1d")),
        "logging/search": lambda: standin.changed("POST /logs-watership-probe/_doc", refused),
        "tracing/retention": otherwise(policies, "jaeger", policy("2d")),
    }
    shipper(world, town)


def shipper(world: World, town: StandIn) -> None:
    events = {"acked": 100_000, "failed": 3, "dropped": 0, "total": 100_003}
    memory = {"rss": 120_000_000}
    stats = {
        "beat": {
            "cpu": {"total": {"time": {"ms": 36_000}}},
            "info": {"uptime": {"ms": 3_600_000}},
            "memstats": memory,
        },
        "filebeat": {"harvester": {"running": 4}},
        "libbeat": {"output": {"type": "elasticsearch", "events": events}},
    }
    standin = House(town, "/shipper", {"GET /stats": lambda asked: Answer(stats)})
    world.systems["log-shipper"] = System(url=standin.url)
    world.faults |= {
        "logging/shipper": otherwise(events, "failed", 500),
        "logging/impact": otherwise(memory, "rss", 900_000_000),
    }


class Jaeger(StandIn):
    """Takes traces by OTLP, and gives out those it has."""

    def __init__(self) -> None:
        super().__init__()
        self.traces: dict[str, dict[str, Any]] = {}
        self.routes["POST /v1/traces"] = self._taken

    def answer(self, asked: Asked) -> Answer:
        before, _, trace = asked.path.rpartition("/")
        if before != "/api/traces":
            return super().answer(asked)
        there = self.traces.get(trace)
        return Answer({"data": [there], "errors": None}) if there else Answer({"data": None}, 404)

    def _taken(self, asked: Asked) -> Answer:
        for resource in msgspec.json.decode(asked.body)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    shown = {"traceID": span["traceId"], "operationName": span["name"]}
                    self.traces[span["traceId"]] = {"traceID": span["traceId"], "spans": [shown]}
        return Answer({"partialSuccess": {}})


def traces(world: World, stack: ExitStack) -> None:
    jaeger = stack.enter_context(Jaeger())
    sdk = {"key": "telemetry.sdk.name", "type": "string", "value": "opentelemetry"}
    tags = {"agent-orchestrator": [sdk], "agent-orchestrator-worker": [sdk]}

    def found(asked: Asked) -> Answer:
        whole = {name: {"serviceName": name, "tags": told} for name, told in tags.items()}
        spans = [{"operationName": "it", "processID": name} for name in whole]
        return Answer({"data": [{"traceID": "1", "spans": spans, "processes": whole}]})

    rate = {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 0.1}}
    page = Answer(
        "<!doctype html><title>Jaeger UI</title>", headers={"content-type": "text/html; charset=utf-8"}
    )
    jaeger.routes |= {
        "GET /": Answer({"status": "Server available", "uptime": "1h"}),
        "GET /api/traces": found,
        "GET /sampling": lambda asked: Answer(rate),
        "GET /search": page,
    }
    for name in ("tracing", "trace-collector", "trace-collector-admin", "trace-sampling"):
        world.systems[name] = System(url=jaeger.url)
    world.faults |= {
        "tracing/collector": lambda: jaeger.changed("GET /", Answer({"status": "Server not available"}, 503)),
        "tracing/agents": otherwise(tags, "agent-orchestrator-worker", []),
        "tracing/sampling": otherwise(rate, "probabilisticSampling", {"samplingRate": 1.0}),
        "tracing/flow": lambda: jaeger.changed("POST /v1/traces", Answer({"code": 13}, 500)),
        "tracing/ui": lambda: jaeger.changed("GET /search", Answer("no page", 502)),
    }
