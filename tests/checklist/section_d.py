"""Section D in the world: who is there, how they are reached, what they wrote, and what they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.checklist import observed
from tests.checklist.changes import edited, otherwise, replaced
from tests.checklist.desk import LEAD, PEOPLE, SIGNED, Desk, planned
from tests.checklist.front import House
from tests.checklist.world import World, points
from watership.releases.book.paper import PAPERS
from watership.releases.book.shelf import beside, find
from watership.releases.book.system import System
from watership.testing.receivers import PagerDutyReceiver, SlackReceiver, SmtpReceiver
from watership.testing.receivers.pagerduty import KEY
from watership.testing.servers import PostgresServer, PrometheusServer
from watership.testing.standin import Answer, Asked, StandIn

ELSEWHERE: Final = ("baseline-figures", "continuity", "capacity", "access")
"""Items of this section that have a world of their own: section_d_capacity."""

POINTS: Final = [(name, point) for name, point in points("D") if name.partition("/")[0] not in ELSEWHERE]


Ticket = Callable[[], Sequence[object]]
"""The comments of the release's ticket, as they stand there now."""


def grown(
    world: World,
    stack: ExitStack,
    *,
    postgres: PostgresServer,
    prometheus: PrometheusServer,
    ticket: Ticket | None = None,
) -> None:
    """All that the points look at. `ticket`: where a release comments it; as if it had been, unless given."""
    desk = Desk(world)
    world.plan, world.records = desk.plan(), desk.records
    town = stack.enter_context(StandIn())
    observed.grown(world, stack, town, prometheus)
    paged(world, stack, town)
    chatted(world, stack, town)
    mailed(world, stack, desk)
    shown(world, town)
    booked(world, town)
    ticketed(world, town, ticket)
    people(world, desk)
    documents(world)
    promised(world)
    printed(world, town)
    final(world, town, postgres)


# --- channels --------------------------------------------------------------------------------------------------


def paged(world: World, stack: ExitStack, town: StandIn) -> None:
    """PagerDuty: events by its stand-in, what became of them by its REST API."""
    events, api = stack.enter_context(PagerDutyReceiver()), House(town, "/paged")
    rules = [
        {"escalation_delay_in_minutes": 15, "targets": [{"id": f"P{n}", "type": "user_reference"}]}
        for n in (1, 2, 3)
    ]
    always: dict[str, Any] = {"start": None, "end": None}
    shifts = [{"escalation_level": n, "user": {"summary": f"Person {n}"}} | always for n in (1, 2, 3)]

    deciders = [{"escalation_level": 1, "user": {"summary": LEAD}} | always]
    policies = {"PPROD": shifts, "PDECIDE": deciders}

    def oncalls(asked: Asked) -> Answer:
        (wanted,) = parse_qs(urlsplit(asked.path).query)["escalation_policy_ids[]"]
        return Answer({"oncalls": policies[wanted]})

    def incidents(asked: Asked) -> Answer:
        (key,) = parse_qs(urlsplit(asked.path).query)["incident_key"]
        there = [{"id": "Q1", "incident_key": key}] if key in events.incidents else []
        return Answer({"incidents": there, "more": False})

    answered = {name: ("phone", timedelta(hours=1)) for name in PEOPLE.values()}

    def log(asked: Asked) -> Answer:
        entries = [
            {
                "type": "acknowledge_log_entry",
                "created_at": (datetime.now(UTC) - ago).isoformat(timespec="seconds"),
                "agent": {"type": "user_reference", "summary": name},
                "channel": {"type": channel},
            }
            for name, (channel, ago) in answered.items()
        ]
        return Answer({"log_entries": entries, "more": False})

    policy = {"escalation_policy": {"name": "Production", "escalation_rules": rules}}
    api.keep(
        {
            "GET /incidents": incidents,
            "GET /escalation_policies/PPROD": lambda asked: Answer(policy),
            "GET /log_entries": log,
            "GET /oncalls": oncalls,
        }
    )
    world.write("secrets/pagerduty", KEY).chmod(0o600)
    world.systems |= {
        "pagerduty-events": System(url=events.base, secret="file:secrets/pagerduty"),
        "pagerduty": System(url=api.url, facts={"policy": "PPROD", "deciders": "PDECIDE"}),
    }
    soon = (datetime.now(UTC) + timedelta(hours=6)).isoformat()
    at_once = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    world.faults |= {
        "alerting/pagerduty": replaced(world, "secrets/pagerduty", KEY, "no key"),
        "alerting/escalation": otherwise(rules[0], "escalation_delay_in_minutes", 60),
        "alerting/rotation": otherwise(shifts[1], "end", soon),
        "on-call/calls": otherwise(answered, PEOPLE["vp_engineering"], ("website", timedelta(hours=1))),
        "authority/available": otherwise(deciders[0], "end", at_once),
    }


def chatted(world: World, stack: ExitStack, town: StandIn) -> None:
    """Slack: the webhook by its stand-in, the channels by the Web API."""
    hook, api = stack.enter_context(SlackReceiver()), House(town, "/chatted")
    channel = {"id": "C1", "name": "prod-deploy", "is_archived": False, "is_member": True}

    def history(asked: Asked) -> Answer:
        assert parse_qs(urlsplit(asked.path).query)["channel"] == ["C2"]
        return Answer({"ok": True, "messages": [{"text": each.body["text"]} for each in hook.received]})

    api.keep(
        {
            "GET /api/conversations.history": history,
            "GET /api/conversations.info": lambda asked: Answer({"ok": True, "channel": channel}),
        }
    )
    world.systems |= {
        "slack-hook": System(url=hook.url, facts={"channel": "C2"}),
        "slack": System(url=api.url, facts={"prod-deploy": "C1"}),
    }
    gone = System(url=f"{hook.base}/services/T0/B0/gone", facts={"channel": "C2"})
    world.faults |= {
        "alerting/slack": otherwise(world.systems, "slack-hook", gone),
        "channels/slack": otherwise(channel, "is_archived", True),
    }


def mailed(world: World, stack: ExitStack, desk: Desk) -> None:
    """A real mail server, which knows nobody whose name begins with reject."""
    server = stack.enter_context(SmtpReceiver())
    facts = {
        "sender": "releases@company.com",
        "lists": "production-team@company.com, stakeholders@company.com",
    }
    world.write("secrets/phone", "+49 151 2345 6789").chmod(0o600)
    world.systems["mail"] = System(url=server.url, facts=dict(facts))

    there = world.systems["mail"].facts
    world.faults |= {
        "channels/lists": otherwise(there, "lists", "reject@company.com"),
        "on-call/contacts": desk.but(
            emails={"dba": "reject.dba@company.com", "network": "reject@company.com"}
        ),
    }


def shown(world: World, town: StandIn) -> None:
    standin = House(town, "/shown")
    part = {"name": "Agent Orchestrator API", "status": "operational"}
    managed = [part | {"id": "c1"}]
    summary = {
        "page": {"id": "p1", "name": "Company status"},
        "components": [part],
        "status": {"indicator": "none", "description": "All Systems Operational"},
    }
    standin.keep(
        {
            "GET /v1/pages/p1/components": lambda asked: Answer(managed),
            "GET /api/v2/summary.json": lambda asked: Answer(summary),
        }
    )
    world.systems |= {
        "statuspage-api": System(url=standin.url, facts={"page": "p1"}),
        "statuspage": System(url=standin.url),
    }
    outage = {"indicator": "major", "description": "Partial System Outage"}
    world.faults |= {
        "incident-response/status-page": otherwise(managed[0], "name", "Something else"),
        "channels/status-page": otherwise(summary, "status", outage),
    }


def booked(world: World, town: StandIn) -> None:
    """A calendar with the deployment's conference, and the meeting before it."""
    events = {
        "Deployment of 2.1.0": ["-1h", "+3h", "https://meet.example.com/deployment"],
        "Go/no-go for 2.1.0": ["-3h", "-2h", ""],
    }

    def told(asked: Asked) -> Answer:
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
        for summary, (begins, ends, link) in events.items():
            times = [
                f"{datetime.now(UTC) + timedelta(hours=int(text[:-1])):%Y%m%dT%H%M%SZ}"
                for text in (begins, ends)
            ]
            lines += ["BEGIN:VEVENT", f"SUMMARY:{summary}", f"DTSTART:{times[0]}", f"DTEND:{times[1]}"]
            lines += [f"LOCATION:{link[:20]}\r\n {link[20:]}"] if link else []
            lines += [
                "BEGIN:VALARM",
                "DESCRIPTION:call https://elsewhere.example.com",
                "END:VALARM",
                "END:VEVENT",
            ]
        return Answer("\r\n".join([*lines, "END:VCALENDAR", ""]))

    standin = House(town, "/booked", {"GET /go-live.ics": told})
    world.systems["calendar"] = System(url=f"{standin.url}/go-live.ics")
    world.faults |= {
        "channels/bridge": otherwise(events, "Deployment of 2.1.0", ["-1h", "+3h", ""]),
        "decision/meeting": otherwise(events, "Go/no-go for 2.1.0", ["+3h", "+4h", ""]),
    }


def ticketed(world: World, town: StandIn, ticket: Ticket | None) -> None:
    """Jira: the release's ticket with its comments, and what is known to be wrong."""
    standin = House(town, "/ticketed")
    titles = planned().signoffs.titles
    comments = {
        "approvals": "\n".join(f"- {titles[role]}: {person}" for role, person in SIGNED.items()),
        "decision": f"GO for 2.1.0, decided by {LEAD}.",
    }
    keys = {"first": "ORC-7", "second": "ORC-9"}

    def node(text: str) -> dict[str, Any]:
        lines = [
            {"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in text.split("\n")
        ]
        return {"type": "doc", "version": 1, "content": lines}

    def written() -> Sequence[object]:
        return [{"body": node(text)} for text in comments.values()] if ticket is None else ticket()

    standin.keep(
        {
            "GET /rest/api/3/issue/REL-1/comment": lambda asked: Answer({"comments": written()}),
            "POST /rest/api/3/search/jql": lambda asked: Answer(
                {"issues": [{"key": key} for key in keys.values()], "isLast": True}
            ),
        }
    )
    world.systems["jira"] = System(url=standin.url, facts={"ticket": "REL-1"})
    world.faults |= {
        "release-notes/known-issues": otherwise(keys, "first", "ORC-1"),
        "approvals/ticket": otherwise(
            comments, "approvals", comments["approvals"].replace("Pia Product", "missing")
        ),
        "authority/filed": otherwise(comments, "decision", "To be decided."),
    }


# --- people ----------------------------------------------------------------------------------------------------


def people(world: World, desk: Desk) -> None:
    """What is named in the plan, and what people said of it."""
    now = datetime.now(UTC)
    reached = [
        {"level": level, "person": f"Person {level}", "after": after, "answered": True}
        for level, after in ((1, 30.0), (2, 950.0), (3, 1900.0))
    ]
    exercise = {
        "schema": "watership/exercise/v1",
        "kind": "escalation",
        "held_at": (now - timedelta(days=9)).isoformat(),
        "led_by": LEAD,
        "scenario": "The database is lost, and the first level cannot mend it.",
        "reached": reached,
    }
    world.write("evidence/exercises/escalation.json", msgspec.json.encode(exercise))
    world.faults |= {
        "incident-response/escalation": desk.but(triggers=3),
        "incident-response/templates": desk.but(
            worded={"comms/incident.md": ("incident.priority", "incident.id")}
        ),
        "channels/template": desk.but(worded={"comms/announce.md": ("release.window", "release.version")}),
        "on-call/team": desk.but(people={"operations": "Mona Monitor"}),
        "on-call/primary": desk.but(people={"monitoring": ""}),
        "on-call/secondary": desk.but(people={"operations": ""}),
        "on-call/manager": desk.but(people={"engineering_lead": ""}),
        "approvals/technical-lead": desk.but(signed={"technical_lead": None}),
        "approvals/release-manager": desk.but(signed={"release_manager": None}),
        "approvals/product-manager": desk.but(signed={"product_manager": None}),
        "approvals/security": desk.but(signed={"security_lead": "Sam Starter"}),  # who starts cannot sign
        "approvals/operations": desk.but(signed={"operations_manager": None}),
        "decision/items": desk.but(silent={"approvals/ticket"}),
        "decision/go": desk.but(decided={"reason": ""}),
        "briefing/roles": desk.but(absent={"qa"}),
        "briefing/escalation": edited(
            world,
            "evidence/exercises/escalation.json",
            lambda told: told["reached"][2].update(answered=False),
        ),
        "authority/by": desk.but(decided={"role": "qa"}),
        "authority/at": desk.but(decided={"ago": timedelta(hours=3)}),
    }


# --- documents -------------------------------------------------------------------------------------------------

INCIDENTS: Final = """\
# Incidents

## Severities

CRITICAL: customers lose data or cannot use the service; everybody is called at once. HIGH: a part of the service fails
for many, or will soon. MEDIUM: something is worse than it should be, and nobody is kept from their work by it.

## Response

Whoever is called has to acknowledge within five minutes and opens the timeline. First comes what helps those who use
the service: roll back if the release may be the cause, and only then look for it. Each act and each finding goes into
the timeline with its time, and the status page follows within a quarter of an hour.

## Post-mortem

Within two days whoever led writes it: the timeline from the records, the cause without blame, and each follow-up with
an owner and a day. It is read by the whole team, and a follow-up that is late is told of every week.
"""

RELEASE_NOTES: Final = """\
# Release notes

## What is new

2.1.0 lets agents ask a person in the middle of a run and wait for days without holding a worker; it shows each run's
cost while it goes on; and it moves queued work together with the traffic when a new version is put in.

## Known issues

- ORC-7: the list of runs shows a finished run as running for a second.
- ORC-9: a webhook that is refused is tried once too often.

## Breaking changes

None for those who call the API of 2.1.0; the old field `agent` is still there, and goes with the next major version.
"""

GUIDE: Final = """\
# Migration guide

## Upgrading

To come to 2.1.0 from 2.0 nothing has to be changed beforehand. The database gets a column while both versions run; read
the plan that `watership release plan` prints, and rehearse it. To roll back, order it: traffic and work return within
seconds, and the column stays, since the old version does not mind it.
"""

FEATURES: Final = """\
# Features

## Since

Questions to people: since 2.1.0. Budgets: since 2.0. Conversations that wait for their turn: since 2.0. Hand-overs of
runs between versions: since 2.1.0, see the page on releases.
"""

TROUBLESHOOTING: Final = """\
# Troubleshooting

## Where to look first

`watership doctor` finds what is wrong with a set-up and names what mends it. `watership health` shows live and next
side by side. If both are well, look at the queue: a run that nobody can take is called stranded, and says so.
"""

FAQ: Final = """\
# Questions

## This release

Will 2.1.0 be down for a moment? No: the new version is put beside the old one. What about my runs? They end on the
version on which they began. Can I go back? Yes, until the schema is contracted, which is asked for separately.
"""

RISKS: Final = """\
# Risks

## Risks of this release

| Risk of 2.1.0 | Likelihood | Impact | Mitigation |
|---|---|---|---|
| The new column slows down writes | low | medium | rehearsed on a copy; the gate looks at latency |
| Questions are sent twice | low | low | each has an id, and the second is dropped |
| A worker of the old version takes work of the new one | very low | high | work is pinned to its version |
"""


def documents(world: World) -> None:
    """What was written for this release."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    written = {
        "docs/incidents.md": INCIDENTS,
        "docs/release-notes.md": RELEASE_NOTES,
        "docs/migration-guide.md": GUIDE,
        "docs/features.md": FEATURES,
        "docs/api-changelog.md": f"# API\n\n## 2.1.0 - {today}\n\n### Added\n\n- POST /api/questions/ID/answers\n",
        "docs/troubleshooting.md": TROUBLESHOOTING,
        "docs/faq.md": FAQ,
        "docs/risks.md": RISKS,
    }
    for path, text in written.items():
        world.write(path, text)
    world.faults |= {
        "incident-response/classification": replaced(world, "docs/incidents.md", "MEDIUM", "LOW"),
        "incident-response/procedures": replaced(world, "docs/incidents.md", "roll back", "TODO"),
        "incident-response/review": replaced(world, "docs/incidents.md", "follow-up", "thing"),
        "release-notes/notes": replaced(world, "docs/release-notes.md", "2.1.0 lets", "2.0.5 lets"),
        "release-notes/breaking": replaced(world, "docs/release-notes.md", "API of 2.1.0", "API of 2.0.5"),
        "release-notes/migration-guide": replaced(world, "docs/migration-guide.md", "2.1.0", "2.0.5"),
        "release-notes/features": replaced(world, "docs/features.md", "2.1.0", "2.0.5"),
        "release-notes/api-changelog": replaced(world, "docs/api-changelog.md", "## 2.1.0", "## 2.0.9"),
        "runbooks/troubleshooting": replaced(world, "docs/troubleshooting.md", "watership health", "a look"),
        "runbooks/faq": replaced(world, "docs/faq.md", "2.1.0", "2.0.5"),
        "decision/risks": replaced(world, "docs/risks.md", "Impact", "Harm"),
    }


def promised(world: World) -> None:
    world.write("sla.yaml", beside("agent-orchestrator", "sla.yaml"))
    world.faults |= {
        "sla/availability": replaced(world, "sla.yaml", "at_least: 99.95%", "at_least: 99.9%"),
        "sla/latency": replaced(world, "sla.yaml", "below: 200ms", "below: 300ms"),
        "sla/errors": replaced(world, "sla.yaml", "below: 0.1%", "below: 0.2%"),
        "sla/throughput": replaced(world, "sla.yaml", "at_least: 10000", "at_least: 5000"),
    }


def printed(world: World, town: StandIn) -> None:
    """What was made of the runbook, and where people read how to go back."""
    source = find("agent-orchestrator")
    world.write("docs/DEPLOYMENT_CHECKLIST.md", PAPERS["checklist"](source))
    world.write("docs/CUTOVER_PROCEDURES.md", PAPERS["cutover"](source))
    page = Answer("<h1>Going back</h1><code>watership rollback --now</code>")
    standin = House(town, "/printed", {"GET /rollback": page})
    world.systems["handbook"] = System(url=standin.url)
    world.faults |= {
        "runbooks/checklist": replaced(world, "docs/DEPLOYMENT_CHECKLIST.md", "99.95%", "99.9%"),
        "runbooks/cutover": replaced(world, "docs/CUTOVER_PROCEDURES.md", "50 %", "40 %"),
        "runbooks/rollback": lambda: standin.changed("GET /rollback", Answer("moved", 404)),
    }


def final(world: World, town: StandIn, postgres: PostgresServer) -> None:
    """The systems once more, just before the start."""
    standin = House(town, "/final")
    health = {"status": "ok", "version": "2.0.5", "database": "ok", "rabbitmq": "ok", "redis": "ok"}
    status = {"readonly": False}
    well = Answer({"status": "ok"})
    nodes = [{"name": f"rabbit@mq-{number}", "running": True, "partitions": []} for number in (1, 2, 3)]
    standin.keep(
        {
            "GET /health": lambda asked: Answer(health),
            "GET /status": lambda asked: Answer(status),
            "GET /api/nodes": lambda asked: Answer(nodes),
            "GET /api/health/checks/alarms": well,
            "GET /api/health/checks/virtual-hosts": well,
        }
    )
    database = System(url=postgres.new_database())
    name = database.url.rpartition("/")[2].partition("?")[0]

    @contextmanager
    def readonly() -> Iterator[None]:
        setting = f'ALTER DATABASE "{name}" {{}} default_transaction_read_only{{}}'
        postgres.sql(setting.format("SET", " = on"))
        try:
            yield
        finally:
            postgres.sql(setting.format("RESET", ""))

    world.systems |= {
        "live": System(url=standin.url),
        "rabbitmq": System(url=standin.url),
        "production-database": database,
    }
    world.faults |= {
        "final-health/green": otherwise(status, "readonly", True),
        "final-health/database": readonly,
        "final-health/rabbitmq": otherwise(nodes[1], "running", False),
    }
