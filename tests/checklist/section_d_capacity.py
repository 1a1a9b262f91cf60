"""The part of the world that items 49, 50, 51 and 54 look at: figures, a second site, a cluster, and who lets us in."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from msgspec.structs import replace

from tests.checklist.orchestrator import TOKEN, Orchestrator, Prometheus, guarded, other
from tests.checklist.papers import Papers, as_json, baseline, drill, k6
from tests.checklist.world import World, points
from watership.releases.book.system import System
from watership.releases.checks.kubernetes import REGION, REVIEWS
from watership.testing.servers import PostgresServer
from watership.testing.standin import Answer, StandIn

ITEMS: Final = ("baseline-figures", "continuity", "capacity", "access")

POINTS: Final = [(name, point) for name, point in points("D") if name.partition("/")[0] in ITEMS]

BEARER = {"authorization": "Bearer {secret}"}
SECRET = "file:secrets/token"

SCALER = "GET /cluster/apis/autoscaling/v2/namespaces/production/horizontalpodautoscalers/orchestrator"

PEAK: Final = """\
The peak is on Monday mornings, at 900 requests per second from 3,000 concurrent users, as counted over the last year.
With a fifth more for growth the system has to stand 1,100 requests per second for an hour."""

VERTICAL: Final = """\
Raise the limits of the deployment, restart one instance after the other, and look at its figures for ten minutes
before the next one. If they are no better, go back to the limits of before, in the same order."""

CUSTOMERS: Final = """\
Within fifteen minutes the communication lead writes on the status page what does not work and since when, in the words
of the template, and sends the same by e-mail to the contacts of each customer. Every half hour an update follows; the
last one says what was lost, if anything."""

PAPERS: Final = {
    "docs/capacity.md": {"Peak load": PEAK, "Vertical scaling": VERTICAL},
    "docs/continuity.md": {"What customers are told": CUSTOMERS},
}


def grown(world: World, stack: ExitStack, postgres: PostgresServer) -> None:
    """Add all of it. What is started ends with the stack."""
    standin = stack.enter_context(StandIn())
    papers = Papers(world)
    world.write("secrets/token", TOKEN).chmod(0o600)
    _figures(world, standin, papers)
    _continuity(world, papers, standin)
    _clusters(world, standin)
    _capacity(world, papers)
    _access(world, standin, postgres)


Figure = float | dict[str, float]


def machines(one: float, another: float) -> dict[str, float]:
    """A figure of each machine that is scraped."""
    return {"node-1:9100": one, "node-2:9100": another}


def _figures(world: World, standin: StandIn, papers: Papers) -> None:
    near, far = Prometheus(standin, "/prometheus"), Prometheus(standin, "/prometheus-remote")
    world.systems |= {"prometheus": System(url=near.url), "prometheus-remote": System(url=far.url)}
    near.values['up{job="node"}'] = machines(1.0, 1.0)
    written = baseline()
    papers.put("evidence/baseline.json", written, as_json)
    io, moved = (written["figures"][name] for name in ("disk_io", "network"))
    for name, good, bad in (
        ("baseline-figures/cpu", machines(0.41, 0.58), machines(0.02, 0.61)),  # one of two is too busy
        ("baseline-figures/memory", machines(0.55, 0.6), {"node-1:9100": 0.55}),  # of one nothing is known
        ("baseline-figures/disk-io", machines(0.4 * io, 0.6 * io), None),
        ("baseline-figures/network", machines(0.5 * moved, 0.5 * moved), machines(0.5 * moved, 0.05 * moved)),
        ("baseline-figures/connections", 31.0, 50.0),
        ("baseline-figures/queue-depth", 12.0, 1000.0),
        ("continuity/replication", 0.012, 0.1),
    ):
        query = str(dict(POINTS)[name].parameters["query"])
        system = far if name == "continuity/replication" else near
        system.values[query] = good
        if bad is not None:
            world.faults[name] = _figure(system, query, bad)
    world.faults["baseline-figures/disk-io"] = papers.fault(
        "evidence/baseline.json", lambda told: told["figures"].update(disk_io=None)
    )
    near.values[str(dict(POINTS)["capacity/current"].parameters["query"])] = 600.0


def _figure(system: Prometheus, query: str, bad: Figure) -> Callable[[], Any]:
    return lambda: other(system.values, query, bad)


def _continuity(world: World, papers: Papers, standin: StandIn) -> None:
    remote = Orchestrator(standin, "/remote")
    world.systems["remote"] = System(url=remote.url)
    papers.put(
        "evidence/drills/failover.json", drill("failover", 95.0, to_the_second_site=60.0, back=35.0), as_json
    )
    for path, sections in PAPERS.items():
        papers.put(path, dict(sections), _markdown)
    world.faults |= {
        "continuity/failover": papers.fault(
            "evidence/drills/failover.json", lambda told: told["steps"].pop()
        ),
        "continuity/customers": papers.fault(
            "docs/continuity.md", lambda told: told.update({"What customers are told": "TODO " * 50})
        ),
        "continuity/degradation": lambda: other(remote.works, "readonly", False),
    }


def _markdown(sections: dict[str, str]) -> str:
    return "".join(f"## {title}\n\n{text}\n\n" for title, text in sections.items())


def _node(name: str, region: str) -> dict[str, Any]:
    conditions = [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}]
    return {"metadata": {"name": name, "labels": {REGION: region}}, "status": {"conditions": conditions}}


def _clusters(world: World, standin: StandIn) -> None:
    far = [_node("far-1", "eu-west-1"), _node("far-2", "eu-west-1")]
    conditions = [{"type": kind, "status": "True"} for kind in ("AbleToScale", "ScalingActive")]
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "spec": {"minReplicas": 3, "maxReplicas": 12, "metrics": [{"type": "Resource"}]},
        "status": {"currentReplicas": 3, "conditions": conditions},
    }
    standin.routes |= {
        "GET /cluster/api/v1/nodes": Answer({"items": [_node("near-1", "eu-central-1")]}),
        "GET /far/api/v1/nodes": lambda asked: Answer({"items": far}),
        f"POST /cluster{REVIEWS}": Answer({"status": {"allowed": True, "reason": "RBAC"}}, 201),
        SCALER: Answer(scaler),
    }
    world.systems |= {
        "kubernetes": System(url=f"{standin.url}/cluster", secret=SECRET, headers=BEARER),
        "kubernetes-remote": System(url=f"{standin.url}/far", secret=SECRET, headers=BEARER),
    }
    inactive = {
        **scaler,
        "status": {"conditions": [conditions[0], {"type": "ScalingActive", "status": "False"}]},
    }

    world.faults |= {
        "continuity/backup-infrastructure": lambda: other(
            far[1], "status", {"conditions": [{"type": "Ready", "status": "Unknown"}]}
        ),
        "continuity/geography": lambda: other(
            far[0], "metadata", {"name": "far-1", "labels": {REGION: "eu-central-1"}}
        ),
        "capacity/auto-scaling": lambda: standin.changed(SCALER, Answer(inactive)),
        "access/deploy": lambda: standin.changed(
            f"POST /cluster{REVIEWS}", Answer({"status": {"allowed": False}}, 201)
        ),
    }


def _capacity(world: World, papers: Papers) -> None:
    stress, scaling = "evidence/k6-5000.json", "evidence/drills/scaling.json"
    papers.put(stress, k6(5000, 600.0), as_json)
    papers.put(scaling, {**drill("scaling", 240.0, out=90.0), "steps": _both_ways()}, as_json)
    world.faults |= {
        "capacity/current": papers.fault(
            stress, lambda told: told["metrics"]["http_reqs"]["values"].update(rate=800.0)
        ),
        "capacity/peak": papers.fault(
            "docs/capacity.md",
            lambda told: told.update({"Peak load": PEAK.replace("00 requests", "0 requests")}),
        ),
        "capacity/vertical": papers.fault(
            "docs/capacity.md", lambda told: told.update({"Vertical scaling": "Take a larger machine."})
        ),
        "capacity/horizontal": papers.fault(scaling, lambda told: told["steps"].pop()),
    }


def _both_ways() -> list[dict[str, Any]]:
    return [{"name": name, "seconds": 90.0, "passed": True} for name in ("out", "in")]


def _access(world: World, standin: StandIn, postgres: PostgresServer) -> None:
    database = postgres.new_database()
    name = database.rpartition("/")[2].partition("?")[0]
    role, password = f"deployer_{name}", "d3ploy"
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'", url=database)
    postgres.sql(f'GRANT CREATE ON DATABASE "{name}" TO {role}', url=database)
    doors = {
        "load-balancer-api": "/v3/services/haproxy/configuration/backends",
        "dns-api": "/api/v1/servers/localhost/zones",
        "grafana": "/api/org",
    }
    for system, path in doors.items():
        route = f"GET /{system}{path}"
        standin.routes[route] = guarded([{"name": "example.com."}])
        world.systems[system] = System(url=f"{standin.url}/{system}", secret=SECRET, headers=BEARER)
        point = {"load-balancer-api": "load-balancer", "dns-api": "dns", "grafana": "monitoring"}[system]
        world.faults[f"access/{point}"] = _revoked(standin, route)
    world.systems["database-deployer"] = System(url=_as(database, role, password))
    here = socket.gethostname()
    for host in ("live-host", "next-host", "database-host"):
        world.systems[host] = System(url="local:", facts={"name": here})

    @contextmanager
    def revoked() -> Iterator[None]:
        postgres.sql(f'REVOKE CREATE ON DATABASE "{name}" FROM {role}', url=database)
        yield
        postgres.sql(f'GRANT CREATE ON DATABASE "{name}" TO {role}', url=database)

    def elsewhere() -> Any:
        host = world.systems["database-host"]
        return other(world.systems, "database-host", replace(host, facts={"name": "db-1"}))

    world.faults |= {"access/database": revoked, "access/ssh": elsewhere}


def _revoked(standin: StandIn, route: str) -> Callable[[], Any]:
    return lambda: standin.changed(route, Answer({"message": "Forbidden"}, 403))


def _as(url: str, role: str, password: str) -> str:
    """The same database, for another role."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}:{password}@{rest.rpartition('@')[2]}"
