"""The part of the world that section A looks at: machines, network, image, database, secrets, balancer, drills."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec.structs import replace

from tests.checklist.image import push
from tests.checklist.world import RUNBOOK, Fault, World
from tests.releases.checks.aws_standin import KEY_ID, REGION, SECRET, Aws, Rule
from tests.releases.checks.lookout import run
from tests.releases.checks.pairs import archived, not_archiving, until, with_password
from tests.releases.checks.records import a_drill
from tests.releases.checks.registry_standin import Registry, record, scan
from tests.releases.checks.scenes import now
from tests.releases.checks.test_plans import drained
from tests.releases.checks.vault_standin import TOKEN, secret
from watership.releases.book.quantity import Given
from watership.releases.book.shelf import shipped
from watership.releases.book.system import System
from watership.releases.readiness.drill import FOLDER, Drill, Step, encoded
from watership.testing.servers import PostgresPair, PostgresServer, free_port
from watership.testing.servers.authority import Authority, pem
from watership.testing.servers.names import NameServer
from watership.testing.servers.ports import LOOPBACK
from watership.testing.servers.tls import HSTS, TlsServer
from watership.testing.standin import Answer, Asked, StandIn

NOW, BEFORE = "hush", "hush-before"
"""The password of the application's role."""


def grown(
    world: World, stack: ExitStack, pair: PostgresPair, other: PostgresServer, authority: Authority
) -> None:
    """Add all of it. What is started ends with the stack; what is set in the servers is put back."""
    world.authorities = authority.file
    world.write("authority.pem", authority.file.read_bytes())
    for name, secret_ in (("aws.key", SECRET), ("vault.token", TOKEN)):
        world.write(name, secret_).chmod(0o600)
    _machines(world, stack)
    _live(world, stack)
    _network(world, stack)
    _tls(world, stack, authority)
    _cloud(world, stack)
    _images(world, stack)
    _database(world, stack, pair, other)
    _configuration(world, stack)
    _secrets(world, stack)
    _observability(world, stack)
    _balancer(world, stack)
    _drills(world)
    _papers(world)


# --- how faults are planted ---------------------------------------------------------------------------------


@dataclass
class State:
    """Flags of what is wrong with a thing, which is made anew whenever one changes: several faults go together."""

    make: Callable[[set[str]], None]
    wrong: set[str] = field(default_factory=set)

    def fault(self, flag: str) -> Fault:
        @contextmanager
        def planted() -> Iterator[None]:
            self.wrong.add(flag)
            self.make(self.wrong)
            try:
                yield
            finally:
                self.wrong.remove(flag)
                self.make(self.wrong)

        return planted


def made(make: Callable[[set[str]], None]) -> State:
    """A thing, made for the first time with nothing wrong."""
    make(set())
    return State(make)


def named(world: World, name: str, url: str, **facts: Given) -> None:
    world.systems[name] = System(url=url, facts=facts)


def standin(world: World, stack: ExitStack, name: str, **facts: Given) -> StandIn:
    server = stack.enter_context(StandIn())
    named(world, name, server.url, **facts)
    return server


def file(world: World, path: str, good: str, bad: str) -> Fault:
    """A file that is good, and bad while the fault is planted."""
    return made(lambda wrong: _put(world, path, bad if wrong else good)).fault("bad")


def _put(world: World, path: str, content: str | bytes) -> None:
    world.write(path, content)


# --- 1 blue ------------------------------------------------------------------------------------------------


def _machines(world: World, stack: ExitStack) -> None:
    # They take each connection: a socket that only listens is silent once its queue of knocks is full.
    servers = [stack.enter_context(StandIn()).url.removeprefix("http://") for _ in range(2)]

    def online(wrong: set[str]) -> None:
        gone = [f"{LOOPBACK}:{free_port()}"] if wrong else []
        named(world, "next-servers", "tcp://next", addresses=", ".join([*servers, *gone]))

    shut_port, dropped = (stack.enter_context(StandIn()).url.rpartition(":")[2] for _ in range(2))
    for host in ("lookout", "prometheus-host"):
        world.write(f"firewall/{host}", "")
        named(world, host, f"ssh://{host}.example.test", run=run(world.root / "firewall" / host))
    facts: dict[str, Given] = {"from": "lookout", "inside": "prometheus-host", "alive": servers[0]}
    named(world, "next-shut", "tcp://next", addresses=f"{LOOPBACK}:{shut_port}", **facts)
    shut = file(world, "firewall/lookout", f"{shut_port} reject\n{dropped} drop\n", f"{dropped} drop\n")

    agents = [stack.enter_context(StandIn()) for _ in range(2)]
    named(
        world,
        "next-agents",
        "http://next",
        agents=", ".join(each.url.removeprefix("http://") for each in agents),
    )

    def interfaces(wrong: set[str]) -> None:
        for number, agent in enumerate(agents):
            up = 0 if wrong and number == 1 else 1
            agent.routes["GET /metrics"] = Answer(
                f'# TYPE node_network_up gauge\nnode_network_up{{device="eth0"}} {up}\n'
            )

    world.faults["blue-provisioning/servers"] = made(online).fault("gone")
    world.faults["blue-provisioning/firewall"] = shut
    facts = {"from": "lookout", "alive": servers[0], "open": servers[0]}
    named(world, "walls", "tcp://entry", addresses=f"{LOOPBACK}:{dropped}", **facts)
    world.faults["blue-provisioning/interfaces"] = made(interfaces).fault("down")


# --- 2 green -----------------------------------------------------------------------------------------------


def _live(world: World, stack: ExitStack) -> None:
    live = standin(world, stack, "live")
    well = {"status": "ok", "version": "2.0.5", "database": "ok", "rabbitmq": "ok", "redis": "ok"}

    def health(wrong: set[str]) -> None:
        live.routes["GET /health"] = Answer(well | ({"redis": "Connection refused"} if wrong else {}))

    live.routes["GET /readyz"] = Answer()
    balancer = standin(world, stack, "load-balancer-api")
    pool = "/v3/services/haproxy/configuration/backends/app"
    balancer.routes[f"GET {pool}/http_checks"] = Answer([])

    def asking(wrong: set[str]) -> None:
        params = {"method": "GET", "uri": "/" if wrong else "/readyz"}
        balancer.routes[f"GET {pool}"] = Answer(
            {"name": "app", "adv_check": "httpchk", "httpchk_params": params}
        )

    world.faults["green-verification/health"] = made(health).fault("redis")
    world.faults["network/health-paths"] = made(asking).fault("another path")
    named(world, "live-backups", "file:backups/live.json")

    def backup(wrong: set[str]) -> None:
        at = now() - timedelta(days=2 if wrong else 0, hours=1)
        one = {"kind": "full", "name": "before", "taken_at": at, "bytes": 1000, "sha256": "aa"}
        world.write("backups/live.json", msgspec.json.encode({"backups": [one]}))

    world.faults["green-verification/backup"] = made(backup).fault("old")


# --- 3 and 6 the network, and TLS ------------------------------------------------------------------------------


def _network(world: World, stack: ExitStack) -> None:
    server = stack.enter_context(NameServer("example.test"))
    named(world, "dns", f"dns://{server.address}", names="app.example.test, api.example.test")
    server.set("api", "A", ["192.0.2.1"], ttl=60)
    ttl = made(lambda wrong: server.set("app", "A", ["192.0.2.1"], ttl=300 if wrong else 60))
    world.faults["network/dns-ttl"] = ttl.fault("long")


def _tls(world: World, stack: ExitStack, authority: Authority) -> None:
    entries: dict[tuple[bool, bool], TlsServer] = {}
    world.write("stranger.pem", Authority().file.read_bytes())

    def entry(wrong: set[str]) -> None:
        key = ("hsts" in wrong, "revocation" in wrong)
        if key not in entries:
            made_ = TlsServer(authority, hsts="" if key[0] else HSTS, stapled=not key[1])
            entries[key] = stack.enter_context(made_)
        trusted = "stranger.pem" if "chain" in wrong else "authority.pem"
        world.systems["entry"] = System(url=entries[key].url, authorities=trusted)

    state = made(entry)
    for flag in ("chain", "hsts", "revocation"):
        world.faults[f"tls/{flag}"] = state.fault(flag)

    good, soon, expired, incomplete = (
        stack.enter_context(TlsServer(authority, kind))
        for kind in ("good", "expires_soon", "expired", "incomplete")
    )
    elsewhere = pem(authority.issue().leaf).decode()

    def blue(wrong: set[str]) -> None:
        server = soon if "soon" in wrong else good
        named(world, "next-entry", server.url)
        shown = ssl.get_server_certificate((LOOPBACK, server.port))
        world.write("deploy/next/entry.pem", elsewhere if "other" in wrong else shown)

    state = made(blue)
    world.faults["network/certificates"] = state.fault("soon")
    world.faults["tls/deployed"] = state.fault("other")

    def certificates(wrong: set[str]) -> None:
        bad = [expired] * ("expired" in wrong) + [incomplete] * ("incomplete" in wrong)
        named(world, "certificates", "tls://", addresses=", ".join(each.address for each in (good, *bad)))

    state = made(certificates)
    world.faults["tls/valid"] = state.fault("expired")
    world.faults["tls/intermediates"] = state.fault("incomplete")


def _cloud(world: World, stack: ExitStack) -> None:
    aws = Aws()
    server = stack.enter_context(aws.standin())
    for name in ("ec2", "cloudwatch"):
        world.systems[name] = System(
            url=server.url, secret="file:aws.key", facts={"key": KEY_ID, "region": REGION}
        )
    facts: dict[str, Given] = {"key": KEY_ID, "region": REGION}
    world.systems["backups"] = System(url=f"{server.url}/backups", secret="file:aws.key", facts=facts)

    def groups(wrong: set[str]) -> None:
        inside = [Rule(22, 22, "0.0.0.0/0")] if wrong else [Rule(5432, 5432, "10.0.0.0/16")]
        aws.groups = {
            "entry": [Rule(443, 443, "0.0.0.0/0")],
            "app": [Rule(3000, 3000, "10.0.0.0/16")],
            "database": inside,
        }

    def tables(wrong: set[str]) -> None:
        way = ("0.0.0.0/0", "blackhole" if wrong else "active")
        aws.tables = {name: [("10.0.0.0/16", "active"), way] for name in ("app", "database")}

    def keys(wrong: set[str]) -> None:
        aws.keys = {"deploy": now() - timedelta(days=400 if wrong else 100)}

    def metrics(wrong: set[str]) -> None:
        aws.metrics = {} if wrong else {"AWS/ApplicationELB": ["RequestCount"]}

    def backups(wrong: set[str]) -> None:
        at = world.clock.now()
        aws.objects = {f"full/{day}.dump": (at - timedelta(days=day, hours=1), 1000) for day in range(3)}
        if not wrong:
            aws.objects["incremental/1"] = (at - timedelta(minutes=20), 10)

    world.faults["network/security-groups"] = made(groups).fault("open")
    world.faults["network/routes"] = made(tables).fault("blackhole")
    world.faults["secrets/ssh"] = made(keys).fault("old")
    world.faults["observability/cloudwatch"] = made(metrics).fault("none")
    world.faults["database-preparation/backups"] = made(backups).fault("no-incremental")


# --- 4 the image -------------------------------------------------------------------------------------------


def _images(world: World, stack: ExitStack) -> None:
    registry = Registry()
    server = stack.enter_context(registry.standin())
    named(world, "registry", server.url, repository="company/app")
    named(world, "base-registry", server.url)

    def image(wrong: set[str]) -> None:
        digest = push(
            registry,
            only="amd64" if "platforms" in wrong else "",
            size=300_000_000 if "size" in wrong else 100_000_000,
            base=f"sha256:{'0' * 64}" if "base" in wrong else "",
        )
        world.plan = replace(world.plan, image=digest)
        bad = ("CRITICAL",) if "scanned" in wrong else ("HIGH",)
        world.write("evidence/image-scan.json", scan(digest, now(), severities=bad))
        there = digest
        if "digest" in wrong:  # built again after the plan was signed, and recorded again
            there = registry.push("company/app", "2.1.0", seed="moved")
        world.write("evidence/image.json", record(there, "registry.example/company/app:2.1.0"))
        if "pushed" in wrong:
            index = msgspec.json.decode(registry.manifests["company/app", digest][1])
            child = index["manifests"][0]["digest"]
            layer = msgspec.json.decode(registry.manifests["company/app", child][1])["layers"][0]["digest"]
            del registry.blobs["company/app", layer]

    state = made(image)
    for flag in ("pushed", "digest", "scanned", "size", "base", "platforms"):
        world.faults[f"image/{flag}"] = state.fault(flag)

    def previous(wrong: set[str]) -> None:
        digest = registry.push("company/app", "2.0.5", seed="previous")
        world.write("evidence/previous-image.json", record(digest, "registry.example/company/app:2.0.5"))
        if wrong:
            del registry.manifests["company/app", digest]

    world.faults["rollback-preparation/previous"] = made(previous).fault("gone")


# --- 5 and 11 the database ---------------------------------------------------------------------------------


def _database(world: World, stack: ExitStack, pair: PostgresPair, other: PostgresServer) -> None:
    primary, standby = pair
    named(world, "production-database", primary.url)
    _database_settings(stack, primary)
    blue = made(lambda wrong: named(world, "next-database", other.url if wrong else standby.url))
    world.faults["blue-provisioning/database"] = blue.fault("another")
    stands = made(lambda wrong: named(world, "standby-database", primary.url if wrong else standby.url))
    world.faults["replication/standby"] = stands.fault("promoted")

    @contextmanager
    def lagging() -> Iterator[None]:
        standby.pause()
        try:
            primary.sql("SELECT pg_logical_emit_message(false, 'test', repeat('x', 2000000))")
            yield
        finally:
            standby.resume()

    @contextmanager
    def set_in(statement: str, back: str, shown: str) -> Iterator[None]:
        _told(primary, statement, shown)
        try:
            yield
        finally:
            _told(primary, back, shown)

    keep = "SHOW wal_keep_size"
    world.faults["replication/lag"] = lagging
    world.faults["replication/archiving"] = lambda: not_archiving(primary)
    world.faults["replication/retention"] = lambda: set_in(
        "ALTER SYSTEM SET wal_keep_size = '64MB'", "ALTER SYSTEM SET wal_keep_size = '1GB'", keep
    )
    for name, word in (("application-database", NOW), ("former-database", BEFORE)):
        named(world, name, primary.url.replace("//watership@", f"//app:{word}@"))
    world.faults["secrets/database"] = lambda: set_in(
        f"ALTER ROLE app PASSWORD '{BEFORE}'", f"ALTER ROLE app PASSWORD '{NOW}'", "SELECT 1"
    )
    at = primary.sql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8")

    def baseline(wrong: set[str]) -> None:
        whole = {
            "schema": "watership/baseline/v1",
            "version": "2.0.5",
            "captured_at": now() - timedelta(hours=20 if "baseline" in wrong else 0),
            "figures": {
                "requests_per_second": 12.5,
                "wal_position": int(at) + (2**40 if "position" in wrong else 0),
            },
        }
        world.write("evidence/baseline.json", msgspec.json.encode(whole))

    state = made(baseline)
    world.faults["green-verification/baseline"] = state.fault("baseline")
    world.faults["green-verification/log-positions"] = state.fault("position")
    queries = "SELECT count(*) FROM pg_class WHERE relnamespace = 0;\nSELECT 1 FROM pg_roles;\nSELECT 2 FROM pg_type;\n"
    world.faults["database-preparation/validation"] = file(
        world, "sql/integrity.sql", queries, queries.replace("relnamespace", "colour")
    )
    world.write("migrations/forward_2.1.0.sql", "CREATE TABLE facts (topic varchar(20) PRIMARY KEY);")
    world.faults["database-preparation/rollback-scripts"] = file(
        world, "migrations/backward_2.1.0.sql", "DROP TABLE facts;", "-- to be written\n"
    )


def _database_settings(stack: ExitStack, primary: PostgresServer) -> None:
    """What production has: a role whose password ends, a log that is kept, and a part of it archived lately."""
    stack.enter_context(with_password(primary, "app", NOW))
    _told(primary, "ALTER SYSTEM SET wal_keep_size = '1GB'", "SHOW wal_keep_size")
    stack.callback(_told, primary, "ALTER SYSTEM RESET wal_keep_size", "SHOW wal_keep_size")
    archived(primary)


def _told(server: PostgresServer, statement: str, shown: str) -> None:
    """Tell the server, and wait until it is so."""
    before = server.sql(shown)
    server.sql(statement)
    server.sql("SELECT pg_reload_conf()")
    if shown.startswith("SHOW"):
        until(lambda: server.sql(shown) != before)


# --- 7 and 8 configuration and secrets ---------------------------------------------------------------------


def _configuration(world: World, stack: ExitStack) -> None:
    variables = (
        "DATABASE_URL=postgresql://db/app\nRABBITMQ_URL=amqp://mq/app\nREDIS_URL=redis://cache/0\n"
        "WATERSHIP_SECRET_FILE=/run/secrets/watership\n"
    )
    world.faults["configuration/variables"] = file(
        world, "deploy/next/app.env", variables, variables.replace("redis://cache/0", "")
    )

    def settings(wrong: set[str]) -> None:
        text = (
            f"[limits]\nrequests_per_minute = {0 if 'limits' in wrong else 600}\n"
            f"[worker]\ndrain_seconds = {5 if 'timeouts' in wrong else 30}\nlease_seconds = 15\n"
            f'[broker]\nurl = "amqp://mq/app"\n{"colour = 1" if "files" in wrong else ""}\n'
        )
        world.write("deploy/next/watership.toml", text)

    state = made(settings)
    world.faults["configuration/rate-limits"] = state.fault("limits")
    world.faults["configuration/timeouts"] = state.fault("timeouts")
    world.faults["configuration/files"] = state.fault("files")
    server = standin(world, stack, "flags")

    world.write("deploy/next/flags.json", '{"ENABLE_READ_ONLY": "off", "new_topics": "10%"}')

    def flags(wrong: set[str]) -> None:
        topics = {"name": "new_topics", "on": True, "percent": 100.0 if wrong else 10.0}
        server.routes["GET /api/v1/flags"] = Answer({"data": [{"name": "ENABLE_READ_ONLY"}, topics]})

    world.faults["configuration/flags"] = made(flags).fault("another share")


def _secrets(world: World, stack: ExitStack) -> None:
    here, there = stack.enter_context(StandIn()), stack.enter_context(StandIn())
    for name, server in (("vault", here), ("vault-replica", there)):
        headers = {"x-vault-token": "{secret}"}
        world.systems[name] = System(url=server.url, secret="file:vault.token", headers=headers)

    def vaults(wrong: set[str]) -> None:
        here.routes.clear()
        there.routes.clear()
        for path in ("app", "rabbitmq", "api-keys", "oauth"):
            made_ = [now() - timedelta(days=400), now() - timedelta(days=300 if path in wrong else 10)]
            here.routes |= secret(path, made_)
            there.routes |= secret(path, made_[:1] if path == "app" and "synced" in wrong else made_)

    state = made(vaults)
    for path in ("rabbitmq", "api-keys", "oauth", "synced"):
        world.faults[f"secrets/{path}"] = state.fault(path)
    world.faults["configuration/secrets"] = file(
        world, "deploy/next/secrets.json", '{"app": 2}', '{"app": 1}'
    )


# --- 9 observability ---------------------------------------------------------------------------------------


def _observability(world: World, stack: ExitStack) -> None:
    prometheus, grafana = standin(world, stack, "prometheus"), standin(world, stack, "grafana")
    tracing, logs = standin(world, stack, "tracing"), standin(world, stack, "logs")
    values = {
        "blue-provisioning/agents": (
            'min(up{job="node",slot="next"}) * count(up{job="node",slot="next"})',
            2,
        ),
        "observability/prometheus": ('min(up{slot="live"}) * count(up{slot="live"})', 4),
        "observability/apm": (
            'count(target_info{service_name="agent-orchestrator",telemetry_sdk_name!=""})',
            3,
        ),
    }
    there: dict[str, int] = {}

    def queried(asked: Asked) -> Answer:
        return _told_by_prometheus(there, asked)

    prometheus.routes["GET /api/v1/query"] = queried
    for point, (query, good) in values.items():
        world.faults[point] = _value(there, query, good)
    for point, uid in (("green-verification/dashboards", "live"), ("observability/grafana", "deployment")):
        route = f"GET /api/dashboards/uid/{uid}"
        grafana.routes[route] = Answer({"dashboard": {"uid": uid, "panels": []}, "meta": {}})
        world.faults[point] = _gone(grafana, route)

    def traced(wrong: set[str]) -> None:
        names = ["agent-orchestrator", "agent-orchestrator-worker"][: 1 if wrong else 2]
        processes = {name: {"serviceName": name} for name in names}
        spans = [{"operationName": "it", "processID": name} for name in names]
        tracing.routes["GET /api/traces"] = Answer({"data": [{"spans": spans, "processes": processes}]})

    def shipped(wrong: set[str]) -> None:
        logs.routes["GET /logs-*/_count"] = Answer({"count": 0 if wrong else 812, "_shards": {"failed": 0}})

    world.faults["observability/tracing"] = made(traced).fault("alone")
    world.faults["observability/logs"] = made(shipped).fault("none")


def _value(there: dict[str, int], query: str, good: int) -> Fault:
    return made(
        lambda wrong: there.__setitem__(query, 1 if wrong and good == 2 else 0 if wrong else good)
    ).fault("low")


def _told_by_prometheus(there: dict[str, int], asked: Asked) -> Answer:
    value = there.get(parse_qs(urlsplit(asked.path).query)["query"][0])
    result = [{"metric": {}, "value": [now().timestamp(), str(value)]}] if value else []
    return Answer({"status": "success", "data": {"resultType": "vector", "result": result}})


def _gone(server: StandIn, route: str) -> Fault:
    return lambda: server.changed(route, None)


# --- 10 the balancer ---------------------------------------------------------------------------------------


def _balancer(world: World, stack: ExitStack) -> None:
    balancer, entrance = standin(world, stack, "balancer"), standin(world, stack, "entry-http")

    sessions, bound = [0, 0], [False]

    def alive(_: Asked) -> Answer:
        sessions[0] += 1
        sessions[1] += 0 if bound[0] else 1
        return Answer()

    entrance.routes["GET /livez"] = alive

    def statistics(wrong: set[str]) -> None:
        blue, weight = "spare" if "pools" in wrong else "blue-1", 100 if "weights" in wrong else 0
        status, said = ("no check", "") if "health-checks" in wrong else ("UP", "L7OK")
        bound[0] = "stickiness" in wrong
        balancer.routes["GET /;csv"] = lambda _: Answer(
            "# pxname,svname,status,weight,uweight,check_status,cookie,algo,stot,lbtot\n"
            f"app,{blue},UP,{weight},{weight},L7OK,,,0,0\n"
            f"app,green-1,{status},100,100,{said},,,{sessions[0]},{sessions[1]}\n"
            f"app,BACKEND,UP,100,100,,,roundrobin,{sessions[0]},{sessions[1]}\n"
        )

    state = made(statistics)
    world.faults["blue-provisioning/pools"] = state.fault("pools")
    for flag in ("weights", "health-checks", "stickiness"):
        world.faults[f"load-balancer/{flag}"] = state.fault(flag)

    def routed(wrong: set[str]) -> None:
        entrance.routes["GET /health"] = Answer({"version": "2.1.0" if wrong else "2.0.5"})

    world.faults["load-balancer/routing"] = made(routed).fault("astray")
    named(world, "limited-entry", entrance.url)
    seen = [0]

    def limited(_: Asked) -> Answer:
        seen[0] = (seen[0] + 1) % 20  # a window of its own for each look: 19 are let in
        return Answer() if seen[0] else Answer(status=429, headers={"retry-after": "1"})

    def limits(wrong: set[str]) -> None:
        entrance.routes["GET /api/agents"] = Answer() if wrong else limited

    world.faults["load-balancer/rate-limits"] = made(limits).fault("none")
    comms = shipped(RUNBOOK).runbook.comms
    whole = replace(world.plan, comms=comms)
    name = "comms/rollback.md"
    unfinished = comms.texts[name].replace("release.previous", "release.version")

    def plan(wrong: set[str]) -> None:
        there = drained(whole, 5.0) if "short" in wrong else whole
        world.plan = replace(there, image=world.plan.image)
        if "unfinished" in wrong:
            changed = replace(comms, texts=comms.texts | {name: unfinished})
            world.plan = replace(world.plan, comms=changed)

    state = made(plan)
    world.faults["load-balancer/draining"] = state.fault("short")
    world.faults["rollback-preparation/template"] = state.fault("unfinished")


# --- drills ------------------------------------------------------------------------------------------------


def _drills(world: World) -> None:
    def written(name: str, drill: Drill) -> None:
        world.write(f"{FOLDER}/{name}.json", encoded(drill))

    def steps(*names: str) -> tuple[Step, ...]:
        return tuple(Step(name=name, seconds=1.0, passed=True) for name in names)

    restore = a_drill(
        "backup-restore",
        build=world.next.digest,
        steps=steps("restore point", "replay", "compare"),
        ago=timedelta(minutes=10),
        rto=120.0,
    )

    def restored(wrong: set[str]) -> None:
        backup = "full/lost.dump" if "integrity" in wrong else "full/1.dump"
        whole = replace(restore, facts={"backup": backup, "method": "archive"})
        written("restore", replace(whole, steps=steps("compare")) if "points" in wrong else whole)

    state = made(restored)
    world.faults["database-preparation/integrity"] = state.fault("integrity")
    world.faults["rollback-preparation/restore-points"] = state.fault("points")

    def migrated(wrong: set[str]) -> None:
        build = "sha256:2.0.9" if wrong else world.next.digest
        written("migration", a_drill("migration", build=build, environment="replica"))

    def failed_over(wrong: set[str]) -> None:
        ago = timedelta(days=40 if wrong else 4)
        written("failover", a_drill("failover", build=world.next.digest, ago=ago, facts={"method": "pair"}))

    def rolled_back(wrong: set[str]) -> None:
        names = ("order", "traffic", "verify") if wrong else ("order", "traffic", "intake", "verify")
        written("rollback", a_drill("rollback", build=world.next.digest, steps=steps(*names)))

    world.faults["database-preparation/migrations"] = made(migrated).fault("another build")
    world.faults["replication/failover"] = made(failed_over).fault("long ago")
    world.faults["rollback-preparation/scripts"] = made(rolled_back).fault("half")


# --- what is written down ----------------------------------------------------------------------------------


def _papers(world: World) -> None:
    rest = (
        "Whoever is on call reads this first, does it in this order, and writes down when each step was done. "
        * 3
    )

    def sections(path: str, texts: dict[str, tuple[str, str]]) -> None:
        """Sections of one file, each with what it has to say, and its point."""

        def page(wrong: set[str]) -> None:
            body = "".join(
                f"## {title}\n\n{'To be written.' if point in wrong else f'{words}. {rest}'}\n\n"
                for point, (title, words) in texts.items()
            )
            world.write(path, f"# {path}\n\n{body}")

        state = made(page)
        for point in texts:
            world.faults[point] = state.fault(point)

    sections(
        "docs/cutover.md",
        {"network/dns-plan": ("DNS switchover", "The TTL is 60 seconds, a rollback the same record")},
    )
    sections(
        "docs/recovery.md",
        {
            "database-preparation/locations": (
                "Backup locations",
                "s3://backups: full, incremental, and the WAL",
            ),
            "replication/procedures": ("Failover", "Promote the standby once replication has stopped"),
        },
    )
    sections(
        "docs/rollback.md",
        {"rollback-preparation/timing": ("Timing", "Traffic in 2 minutes, all in 5 minutes")},
    )
