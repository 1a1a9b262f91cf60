"""The service that is released, live and next, and what stands around it, as stand-ins (items 13, 14, 17 to 21, 26)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.checklist.changes import otherwise, replaced, swapped
from tests.checklist.orchestrator import LIMITED
from tests.checklist.world import Fault, World
from watership.releases.book.system import System
from watership.testing.servers.ports import LOOPBACK
from watership.testing.standin import Answer, Asked, StandIn

NEXT = "2.1.0"
OURS = "https://console.example.com"
HEAD, LOG = "2f1c4e", "logs/next-1.jsonl"


def grown(
    world: World, stack: ExitStack, *, live: StandIn | None = None, next: StandIn | None = None
) -> None:
    """`live` and `next` are given where they have to answer to others too."""
    live = live or stack.enter_context(StandIn())
    live.routes["GET /openapi.json"] = Answer(document("2.0.5"))
    live.routes["GET /metrics"] = Answer(
        'http_requests_total{route="/api/v1/runs",method="GET",code="200"} 9.0\n'
    )
    world.systems["live"] = System(url=live.url)
    world.write("openapi.json", msgspec.json.encode(document(NEXT)))
    world.faults["code-review/no-breaking-changes"] = replaced(world, "openapi.json", '"ran"', '"done"')
    service(world, next or stack.enter_context(StandIn()))
    flags(world, stack.enter_context(StandIn()))
    socket(world, stack)
    forge(world, stack.enter_context(StandIn()))
    tracker(world, stack.enter_context(StandIn()))
    prometheus(world, stack.enter_context(StandIn()))
    site = stack.enter_context(StandIn({"GET /health": Answer({"status": "ok"})}))
    world.systems["alternate-site"] = System(url=site.url)
    world.faults["disaster-recovery/alternate-site"] = lambda: site.changed(
        "GET /health", Answer({"status": "failed"}, status=503)
    )


def document(version: str) -> dict[str, Any]:
    ran = {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string"}, "ran": {"type": "integer"}},
    }
    told = {
        "description": "Done.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Ran"}}},
    }
    paths = {
        "/health": {"get": {"summary": "Whether it is well", "responses": {"200": {"description": "Well."}}}},
        "/api/v1/agents": {"get": {"summary": "All of them", "responses": {"200": told}}},
        "/api/v1/runs": {"get": {"summary": "All of them", "responses": {"200": told}}},
        "/api/v1/runs/{run_id}": {
            "get": {
                "summary": "One of them",
                "parameters": [path_parameter("run_id")],
                "responses": {"200": told},
            }
        },
    }
    info = {"title": "App", "version": version}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": {"Ran": ran}}}


def path_parameter(name: str) -> dict[str, object]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def service(world: World, next: StandIn) -> None:
    """Next. What faults turn is in mappings: two faults may be of one answer."""
    health: dict[str, str] = {"status": "ok", "database": "ok", "rabbitmq": "ok", "redis": "ok"}
    told: dict[str, Any] = {
        "python": "3.12.4",
        "routes": "/api/v1/agents",
        "paths": document(NEXT)["paths"],
        "scrubs": True,
    }
    told |= {"cors": {OURS: OURS}, "flags": FLAGS}
    world.systems["next"] = System(url=next.url, facts={"graphql": "none"})
    world.write(LOG, "".join(line("info", "run claimed") for _ in range(20)))

    def metrics(_: Asked) -> Answer:
        python = f'python_info{{implementation="CPython",version="{told["python"]}"}} 1.0'
        requests = f'http_requests_total{{route="{told["routes"]}",method="GET",code="200"}} 7.0'
        return Answer(f"{python}\n{requests}\n")

    def shared(asked: Asked) -> dict[str, str]:
        let = told["cors"].get(asked.headers.get("origin", ""))
        return {"access-control-allow-origin": let} if let else {}

    def preflight(asked: Asked) -> Answer:
        let = shared(asked)
        return Answer(status=204 if let else 403, headers=let)

    def nothing(asked: Asked) -> Answer:
        """A request that is logged: with its id, and, as long as it scrubs, with nothing else of it."""
        query = "" if told["scrubs"] else urlsplit(asked.path).query
        with (world.root / LOG).open("a") as file:
            file.write(
                line("warning", "not found", request_id=asked.headers.get("x-request-id", ""), query=query)
            )
        return problem(404)

    next.routes |= {
        "GET /livez": Answer({"status": "ok"}),
        "GET /readyz": Answer({"status": "ok"}),
        "GET /startupz": Answer({"status": "ok"}),
        "GET /health": lambda _: Answer(dict(health), status=200 if set(health.values()) == {"ok"} else 503),
        "GET /metrics": metrics,
        "GET /openapi.json": lambda _: Answer(document(NEXT) | {"paths": told["paths"]}),
        "GET /api/v1/agents": lambda asked: Answer({"data": []}, headers=LIMITED | shared(asked)),
        "GET /api/v1/runs": Answer({"data": []}, headers=LIMITED),
        "OPTIONS /api/v1/agents": preflight,
        "GET /no-such-page": nothing,
        "DELETE /health": problem(405),
        "GET /api/v1/flags": lambda _: Answer(
            {"data": told["flags"], "next": None, "total_count": 2}, headers=LIMITED
        ),
    }
    unlimited = Answer({"data": []})
    world.faults |= {
        "app-configuration/runtime-version": otherwise(told, "python", "3.9.18"),
        "app-configuration/debug-off": lambda: added(next, "GET /console", Answer("Interactive Console")),
        "api-validation/documented": otherwise(told, "routes", "/api/v1/secrets"),
        "api-validation/graphql": lambda: added(next, "GET /graphql", Answer("<html>GraphiQL</html>")),
        "api-validation/rate-limits": lambda: next.changed("GET /api/v1/runs", unlimited),
        "api-validation/cors": otherwise(told, "cors", {}),
        "api-validation/versioning": otherwise(
            told, "paths", {**document(NEXT)["paths"], "/tasks": document(NEXT)["paths"]["/health"]}
        ),
        "health-endpoints/liveness": lambda: next.changed("GET /livez", Answer(status=500)),
        "health-endpoints/readiness": lambda: next.changed("GET /readyz", Answer({"status": "degraded"})),
        "health-endpoints/startup": lambda: next.changed(
            "GET /startupz", Answer({"status": "starting"}, status=503)
        ),
        "health-endpoints/database": otherwise(health, "database", "no answer within 2 s"),
        "health-endpoints/rabbitmq": otherwise(health, "rabbitmq", "failed: ConnectionError"),
        "health-endpoints/redis": otherwise(health, "redis", "not configured"),
        "error-handling/error-handlers": lambda: next.changed(
            "DELETE /health", Answer("Traceback (most recent call last)", status=405)
        ),
        "error-handling/logging-levels": lambda: written(world, line("debug", "query took 3 ms")),
        "error-handling/structured": lambda: written(world, "INFO starting up\n"),
        "error-handling/pii": unscrubbed(world, told),
        "feature-flags/state-on-next": otherwise(told, "flags", [FLAGS[0], {**FLAGS[1], "percent": 100.0}]),
    }
    rotation(world)


@contextmanager
def added(standin: StandIn, route: str, to: Answer) -> Iterator[None]:
    with standin.changed(route, to):
        yield


def line(level: str, event: str, **facts: str) -> str:
    now = datetime.now(UTC).isoformat()
    return msgspec.json.encode({"timestamp": now, "level": level, "event": event, **facts}).decode() + "\n"


def problem(status: int) -> Answer:
    body = {"type": "about:blank", "title": "It is refused", "status": status, "code": "refused"}
    return Answer(body, status=status, headers={"content-type": "application/problem+json"})


@contextmanager
def written(world: World, text: str) -> Iterator[None]:
    """A line more in the log."""
    before = (world.root / LOG).read_text()
    world.write(LOG, before + text)
    try:
        yield
    finally:
        world.write(LOG, before)


def unscrubbed(world: World, told: dict[str, Any]) -> Fault:
    @contextmanager
    def fault() -> Iterator[None]:
        with written(world, ""), swapped(told, "scrubs", False):
            yield

    return fault


def rotation(world: World) -> None:
    rules = "\n    ".join(("daily", "maxsize 100M", "rotate 14", "compress"))
    text = f'weekly\n"/var/log/watership/next.jsonl" /var/log/other.log {{\n    {rules}\n}}\n'
    world.write("deploy/logrotate.conf", text)
    world.faults["error-handling/rotation"] = replaced(
        world, "deploy/logrotate.conf", "rotate 14", "rotate -1"
    )


FLAGS: list[dict[str, object]] = [
    {"name": "ENABLE_READ_ONLY", "on": False, "version": 4},
    {
        "name": "new_topics",
        "on": True,
        "percent": 10.0,
        "version": 7,
        "by": "ada",
        "reason": "The first tenth.",
    },
]


def flags(world: World, standin: StandIn) -> None:
    """The flags as operators see them, with what was done."""
    changes = history()
    held: dict[str, Any] = {"read-only": True, "percent": 10.0, "enabled": True, "turned": True}

    def there(_: Asked) -> Answer:
        flag = {**FLAGS[1], "percent": held["percent"]}
        rows = [FLAGS[0], flag] if held["read-only"] else [flag]
        return Answer({"data": rows, "next": None, "total_count": len(rows)})

    def changed(_: Asked) -> Answer:
        """All of them; or without those that enabled it again, or turned it."""
        rows = [each for each in changes if held["enabled"] or not was(each, "disabled")]
        rows = [each for each in rows if held["turned"] or was(each, "on") == now(each, "on")]
        return Answer({"data": rows, "next": None, "total_count": len(changes)})

    standin.routes |= {"GET /api/v1/flags": there, "GET /api/v1/flags/new_topics/changes": changed}
    world.systems["flags"] = System(url=standin.url)
    world.faults |= {
        "feature-flags/configured": otherwise(held, "read-only", False),
        "feature-flags/gradual": otherwise(held, "percent", 50.0),
        "feature-flags/emergency-disable": otherwise(held, "enabled", False),
        "feature-flags/toggled": otherwise(held, "turned", False),
    }


def history() -> list[dict[str, Any]]:
    """Made, turned on, off and on again, disabled and enabled: newest first."""
    states: list[dict[str, object]] = [{"on": False}, {"on": True}, {"on": False}, {"on": True}]
    states += [{"on": True, "disabled": True}, {"on": True, "disabled": False}]
    flags = [{"name": "new_topics", "percent": 10.0, **state} for state in states]
    begin = datetime.now(UTC) - timedelta(days=1)
    changes = [
        {
            "number": number,
            "name": "new_topics",
            "at": (begin + timedelta(minutes=number)).isoformat(),
            "by": "ada",
            "reason": "A rehearsal.",
            "before": flags[number - 1] if number else None,
            "after": flag,
        }
        for number, flag in enumerate(flags)
    ]
    return changes[::-1]


def was(change: dict[str, Any], field: str) -> bool:
    return bool((change["before"] or {}).get(field, False))


def now(change: dict[str, Any], field: str) -> bool:
    return bool(change["after"].get(field, False))


def socket(world: World, stack: ExitStack) -> None:
    """A server of WebSockets that says something, or nothing."""
    says = {"it": '{"event": "run started"}'}

    def talk(connection: ServerConnection) -> None:
        try:
            if says["it"]:
                connection.send(says["it"])
        except ConnectionClosed:
            pass

    server = stack.enter_context(serve(talk, LOOPBACK, 0))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stack.callback(thread.join, 5.0)
    stack.callback(server.shutdown)
    world.systems["websocket"] = System(url=f"ws://{LOOPBACK}:{server.socket.getsockname()[1]}")
    world.faults["api-validation/websocket"] = otherwise(says, "it", "")


def forge(world: World, standin: StandIn) -> None:
    """GitHub: two commits, one pull request each, approved by somebody else."""
    held: dict[str, Any] = {"bo": "APPROVED"}
    home = "/repos/acme/app"

    def compared(asked: Asked) -> Answer:
        assert parse_qs(urlsplit(asked.path).query)["per_page"] == ["100"]
        return Answer(
            {"status": "ahead", "total_commits": 2, "commits": [{"sha": f"{HEAD}{each}"} for each in "12"]}
        )

    def pull(number: int) -> Answer:
        head, merged = {"sha": f"head{number}", "ref": "topic"}, "2026-11-28T10:00:00Z"
        return Answer(
            [
                {
                    "number": number,
                    "state": "closed",
                    "user": {"login": "ada"},
                    "head": head,
                    "merged_at": merged,
                }
            ]
        )

    def reviews(number: int) -> Callable[[Asked], Answer]:
        review = {"id": 1, "commit_id": f"head{number}", "submitted_at": "2026-11-28T09:00:00Z"}
        own = review | {"user": {"login": "ada"}, "state": "COMMENTED"}
        return lambda _: Answer([own, review | {"user": {"login": "bo"}, "state": held["bo"]}])

    standin.routes |= {f"GET {home}/compare/v2.0.5...v{NEXT}": compared}
    for number in (1, 2):
        standin.routes |= {
            f"GET {home}/commits/{HEAD}{number}/pulls": pull(number),
            f"GET {home}/pulls/{number}/reviews": reviews(number),
        }
    world.systems["github"] = System(url=standin.url, facts={"repository": "acme/app"})
    world.faults["code-review/reviewed"] = otherwise(held, "bo", "CHANGES_REQUESTED")


def tracker(world: World, standin: StandIn) -> None:
    """Sentry: the intake, which wants the key of the project, and the API, which shows what came in."""
    held = {"key": "public"}

    def take(asked: Asked) -> Answer:
        if f"sentry_key={held['key']}" not in asked.headers.get("x-sentry-auth", ""):
            return Answer({"detail": "event submission rejected with_reason: ProjectId"}, status=403)
        head, item, event = (msgspec.json.decode(each) for each in asked.body.splitlines())
        assert item["type"] == "event" and head["event_id"] == event["event_id"]
        path = f"GET /api/0/projects/acme/app/events/{event['event_id']}/"
        standin.routes[path] = Answer({"eventID": event["event_id"], "title": "A test"})
        return Answer({"id": event["event_id"]})

    standin.routes["POST /api/42/envelope/"] = take
    headers = {"X-Sentry-Auth": "Sentry sentry_version=7, sentry_client=watership/1, sentry_key=public"}
    world.systems["sentry"] = System(url=standin.url, headers=headers, facts={"project": 42})
    world.systems["sentry-api"] = System(url=standin.url, facts={"organization": "acme", "project": "app"})
    world.faults["error-handling/error-tracking"] = otherwise(held, "key", "rotated")


def prometheus(world: World, standin: StandIn) -> None:
    """The three figures while the load test ran, by a word of their query."""
    figures = {"memory": "0.62", "cpu": "0.55", "cache": "0.93"}

    def answer(asked: Asked) -> Answer:
        given = {name: value for name, (value,) in parse_qs(urlsplit(asked.path).query).items()}
        start, end, step = (float(given[each]) for each in ("start", "end", "step"))
        value = next((figure for word, figure in figures.items() if f"_{word}_" in given["query"]), None)
        moments = [[start + step * each, value] for each in range(int((end - start) / step + 1.001))]
        series = [] if value is None else [{"metric": {}, "values": moments}]
        return Answer({"status": "success", "data": {"resultType": "matrix", "result": series}})

    standin.routes["GET /api/v1/query_range"] = answer
    world.systems["staging-prometheus"] = System(url=standin.url)
    for word, bad in (("memory", "0.91"), ("cpu", "0.97"), ("cache", "0.4")):
        world.faults[f"performance-testing/{word}"] = otherwise(figures, word, bad)
