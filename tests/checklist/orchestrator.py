"""A stand-in for an orchestrator as it serves its API, and the stand-ins that answer beside it on one port."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from watership.testing.standin import Answer, Asked, StandIn

V = TypeVar("V")

TOKEN = "s3cret"

DEPLOYMENT = "d-2.1.0"

RUNS = ("/api/v1/runs/r-flag",)

LIMITED = {"ratelimit-policy": '"default";q=100;w=60'}

READS = (
    "agents",
    "runs",
    "messages",
    "workers",
    "dead-letters",
    "schedules",
    "flags",
    "pools",
    "budgets",
    "tenants",
)


class Orchestrator:
    """Serves below `prefix` of a stand-in. What it tells may be changed: that is how a test breaks it.

    `switched`: what is done when the flag `release-probe` is set.
    """

    def __init__(
        self,
        standin: StandIn,
        prefix: str,
        *,
        deployment: str = DEPLOYMENT,
        switched: Callable[[bool], None] = lambda on: None,
    ) -> None:
        self.deployment = deployment
        self.switched = switched
        self.url = standin.url + prefix
        self.statuses = {f"/api/v1/{name}": 200 for name in READS}
        self.statuses |= {"/startupz": 200, "/livez": 200, "/readyz": 200, "/api/v1/runs/r-1": 200}
        self.health: dict[str, Any] = {"status": "ok", "version": "2.1.0"}
        self.health |= {"database": "ok", "rabbitmq": "ok", "redis": "ok"}
        self.status: dict[str, Any] = {"started": True, "readonly": False, "draining": False}
        self.status |= {"deployment": deployment}
        self.crew: dict[str, str] = {"default": deployment, "slow": deployment}
        """The deployment that works for a pool."""
        self.run: dict[str, Any] = {"id": "r-1", "state": "succeeded", "result": {"text": "hello"}}
        self.flags: dict[str, bool] = {}
        self.slow: dict[str, float] = dict.fromkeys(self.statuses, 0.0)
        """Seconds that an answer takes."""
        self.works: dict[str, bool] = {"flags": True, "readonly": True}
        for path in (*self.statuses, "/health", "/status", "/openapi.json", *RUNS):
            standin.routes[f"GET {prefix}{path}"] = self._reader(path)
        standin.routes[f"GET {prefix}/api/agents"] = self._reader("/api/v1/agents")
        standin.routes[f"POST {prefix}/api/v1/messages"] = self._message
        standin.routes[f"PUT {prefix}/api/v1/flags/release-probe"] = self._flag
        standin.routes[f"POST {prefix}/admin/readonly"] = self._readonly

    def _reader(self, path: str) -> Callable[[Asked], Answer]:
        return lambda asked: replace(self._read(path), headers=LIMITED)

    def _read(self, path: str) -> Answer:
        match path:
            case "/health":
                return Answer(self.health)
            case "/status":
                return Answer({**self.status, "timestamp": now()})
            case "/openapi.json":
                paths = {f"/api/v1/{each}": _GET for each in READS}
                return Answer({"openapi": "3.1.0", "paths": paths | {"/api/v1/runs/{run_id}": _ONE}})
            case "/api/v1/runs/r-1":
                return Answer(self.run, self.statuses[path])
            case "/api/v1/runs/r-flag":
                # The agent does what the flag says, or, where flags do not work, what it always did.
                return Answer({**self.run, "id": "r-flag", "result": {"on": self.works["flags"] and self.on}})
            case "/api/v1/agents" if self.statuses[path] == 200:
                time.sleep(self.slow[path])
                agents = [{"name": f"agent-{pool}", "pool": pool, "paused": None} for pool in self.crew]
                return Answer({"data": agents, "next": None})
            case "/api/v1/workers" if self.statuses[path] == 200:
                crew = [
                    {"id": f"w-{pool}", "pool": pool, "deployment": there, "slots": 8, "seen_at": now()}
                    for pool, there in self.crew.items()
                ]
                return Answer({"data": crew, "next": None})
            case "/api/v1/runs" if self.statuses[path] == 200:
                return Answer({"data": [self.run], "next": None})
            case "/api/v1/flags" if self.statuses[path] == 200:
                return Answer({"data": [{"name": name, "on": on} for name, on in self.flags.items()]})
            case _:
                time.sleep(self.slow[path])
                return Answer({"data": [], "next": None}, self.statuses[path])

    def _message(self, asked: Asked) -> Answer:
        if self.status["readonly"] and self.works["readonly"]:
            return Answer({"code": "read-only"}, 503, {"retry-after": "5"})
        run = "r-flag" if json.loads(asked.body)["agent"] == "flag-probe" else "r-1"
        return Answer({"run_id": run, "deployment": self.deployment, "state": "ready"}, 202)

    def _flag(self, asked: Asked) -> Answer:
        self.flags["release-probe"] = json.loads(asked.body)["on"]
        self.switched(self.on)
        return Answer({"name": "release-probe", "on": self.on})

    @property
    def on(self) -> bool:
        return self.flags.get("release-probe", False)

    def _readonly(self, asked: Asked) -> Answer:
        self.status["readonly"] = json.loads(asked.body)["readonly"]
        return Answer(self.status)


_GET = {
    "get": {
        "summary": "What is there",
        "responses": {"200": {"description": "Well."}, "401": {"description": "Who?"}},
        "parameters": [{"name": "limit", "in": "query"}],
    }
}

_ONE = {"get": {**_GET["get"], "parameters": [{"name": "run_id", "in": "path", "required": True}]}}


def now() -> str:
    return datetime.now(UTC).isoformat()


def counted(reads: Mapping[str, int]) -> Answer:
    """What a service says of the requests that it answered, by their routes."""
    lines = [
        f'http_requests_total{{route="{route}",method="GET",code="200"}} {n:.1f}'
        for route, n in reads.items()
    ]
    lines += [
        'http_requests_total{route="/livez",method="GET",code="200"} 8.6e+04',
        'http_requests_total{route="/api/v1/messages",method="POST",code="202"} 9120.0',
    ]
    return Answer("\n".join(["# TYPE http_requests_total counter", *lines, ""]))


@contextmanager
def other(mapping: MutableMapping[str, V], key: str, value: V) -> Iterator[None]:
    """Another value for a while."""
    before = mapping[key]
    mapping[key] = value
    try:
        yield
    finally:
        mapping[key] = before


class Prometheus:
    """Answers instant queries below `prefix` by the very text of the query, with one number, or one by instance."""

    def __init__(self, standin: StandIn, prefix: str) -> None:
        self.url = standin.url + prefix
        self.values: dict[str, float | dict[str, float]] = {}
        standin.routes[f"GET {prefix}/api/v1/query"] = self._query

    def _query(self, asked: Asked) -> Answer:
        query = parse_qs(urlsplit(asked.path).query)["query"][0]
        value = self.values.get(query, {})
        series = value if isinstance(value, dict) else {"": value}
        there = [
            {"metric": {"instance": name} if name else {}, "value": [time.time(), str(number)]}
            for name, number in series.items()
        ]
        return Answer({"status": "success", "data": {"resultType": "vector", "result": there}})


def guarded(answer: object) -> Callable[[Asked], Answer]:
    """Answers who brings the token, and refuses everybody else."""

    def route(asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer({"message": "Unauthorized"}, 401)
        return Answer(answer)

    return route


def receiver(secret: str) -> Callable[[Asked], Answer]:
    """A receiver of Standard Webhooks: the signature is verified, and what is five minutes away refused."""
    key = base64.b64decode(secret.removeprefix("whsec_"))

    def route(asked: Asked) -> Answer:
        name, at = asked.headers["webhook-id"], asked.headers["webhook-timestamp"]
        content = f"{name}.{at}.".encode() + asked.body
        wanted = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        given = [each.partition(",")[2] for each in asked.headers["webhook-signature"].split()]
        if not any(hmac.compare_digest(wanted, each) for each in given):
            return Answer({"error": "signature"}, 401)
        return Answer({"error": "stale"}, 400) if abs(time.time() - int(at)) > 300 else Answer(status=204)

    return route


def limited(after: int) -> Callable[[Asked], Answer]:
    """Answers some requests, and refuses those that come after them."""
    seen: list[Asked] = []

    def route(asked: Asked) -> Answer:
        seen.append(asked)
        if len(seen) <= after:
            return Answer({"data": []})
        seen.clear()
        return Answer({"code": "rate-limited"}, 429, {"retry-after": "7"})

    return route
