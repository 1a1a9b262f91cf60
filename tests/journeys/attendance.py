"""Who takes part in a whole go-live, and what they bring: a runbook of their own, systems by name, and their word."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec
import yaml

from tests.checklist.desk import LEAD, SIGNED
from tests.checklist.desk import PEOPLE as CONTACTS
from tests.checklist.whole import Whole, grown_whole
from tests.checklist.world import RUNBOOK
from tests.journeys.golive import PEOPLE, SETTLED, Builds, GoLive, golive
from tests.managed import Servers
from tests.simulation.release_targets import SimAudit
from watership.adapters.files.bindings import Bindings
from watership.adapters.files.builds import read_build, read_migrations
from watership.adapters.files.records import RecordFiles
from watership.durable.clock import SystemClock
from watership.releases.book import shelf
from watership.releases.book.paper import PAPERS
from watership.releases.book.system import System
from watership.releases.readiness.checklist import ChecklistItem, items_of
from watership.releases.readiness.records import Record
from watership.testing import receivers as posts
from watership.testing.receivers import Receiver
from watership.testing.receivers.jira import TOKEN
from watership.testing.receivers.pagerduty import KEY
from watership.testing.standin import Answer, StandIn
from watership.wiring.environment import deployment_id

BUILDS: Final = Builds("2.0.5", "2.1.0", 6)

BOOK: Final = "runbooks/agent-orchestrator"

NAMES: Final = {**PEOPLE, **SIGNED, "deployment_lead": LEAD, "monitoring": CONTACTS["monitoring"]}

MINUTES: Final = "minutes.md"

CHANNELS: Final = """\
schema: watership/comms/v1

channels:
  - {{ id: ops, kind: slack, url: "file:secrets/comms/slack" }}
  - {{ id: mail, kind: email, host: 127.0.0.1, port: {mail}, security: none, sender: releases@company.com,
      to: [production-team@company.com] }}
  - {{ id: public, kind: statuspage, page: {page}, key: "file:secrets/comms/statuspage", url: "{statuspage}" }}
  - {{ id: pager, kind: pagerduty, routing_key: "file:secrets/comms/pagerduty", url: "{pagerduty}" }}
  - {{ id: ticket, kind: jira, url: "{jira}", ticket: REL-1, token: "file:secrets/comms/jira" }}
  - {{ id: programs, kind: webhook, url: "{webhook}", secret: "file:secrets/comms/webhook" }}
  - {{ id: lead, kind: voice, url: "{webhook}", secret: "file:secrets/comms/webhook", to: ["file:secrets/phone"] }}
"""


class Desks:
    """The receivers of every channel, and the secrets to them."""

    def __init__(self, stack: ExitStack, whole: Whole, jira: posts.JiraReceiver) -> None:
        self.slack = stack.enter_context(posts.SlackReceiver())
        self.mail = stack.enter_context(posts.SmtpReceiver())
        self.statuspage = stack.enter_context(posts.StatuspageReceiver())
        self.pagerduty = stack.enter_context(posts.PagerDutyReceiver())
        self.jira = jira
        self.webhook = stack.enter_context(posts.WebhookReceiver())
        secrets = {
            "slack": self.slack.url,
            "statuspage": self.statuspage.key,
            "pagerduty": KEY,
            "jira": TOKEN,
            "webhook": self.webhook.secret,
        }
        for name, secret in secrets.items():
            whole.write(f"secrets/comms/{name}", secret).chmod(0o600)

    def everybody(self) -> list[Receiver]:
        return [self.slack, self.statuspage, self.pagerduty, self.jira, self.webhook]

    def channels(self) -> str:
        return CHANNELS.format(
            mail=self.mail.port,
            page=self.statuspage.page,
            statuspage=self.statuspage.base,
            pagerduty=self.pagerduty.url,
            jira=self.jira.base,
            webhook=self.webhook.url,
        )


def book(folder: Path, desks: Desks) -> Path:
    """The shipped runbook with people in its seats, and channels that lead to our receivers."""
    with resources.as_file(resources.files("watership") / "runbooks" / RUNBOOK) as there:
        shutil.copytree(there, folder)
    team = folder / "team.yaml"
    filled = yaml.safe_load(team.read_text())
    for contact in filled["contacts"]:
        seat = contact["seat"]
        contact |= {
            "person": CONTACTS[seat],
            "phone": "file:secrets/phone",
            "email": f"{seat}@company.com",
        }
    team.write_text(yaml.safe_dump(filled, allow_unicode=True, sort_keys=False))
    comms = folder / "comms.yaml"
    _, send = comms.read_text().split("\nsend:")
    comms.write_text(desks.channels() + "\nsend:" + send)
    return folder


@dataclass
class Attendance:
    """A go-live in which everybody takes part."""

    there: GoLive
    whole: Whole
    desks: Desks
    zero: datetime

    def records(self, name: str) -> Sequence[Record]:
        """What people and programs put down about a release."""
        state = self.there.folder / ".watership"
        bindings = Bindings(state / "audit.jsonl", secret="")
        desk = RecordFiles(state / "releases", SimAudit(SystemClock()), bindings)  # nothing is added to it
        return asyncio.run(desk.all(name))

    def until(self, good: Callable[[], object]) -> None:
        """Look until it is so."""
        end = time.monotonic() + SETTLED
        while not good():
            assert time.monotonic() < end, self.there.status()
            time.sleep(0.1)

    def plan(self, name: str) -> None:
        """A plan, with T+0 in a day from now."""
        self.zero = self.whole.clock.now() + timedelta(hours=24)
        self.there.must(
            "operator",
            *(
                "release",
                "plan",
                str(self.there.folder / "two"),
                "--runbook",
                str(self.there.folder / BOOK),
            ),
            *(
                "--systems",
                "systems.yaml",
                "--name",
                name,
                "--soak",
                "3",
                "--min-samples",
                "200",
                "--workers",
                "1",
            ),
        )

    def attest(self, good: Callable[[ChecklistItem], bool]) -> None:
        """Everybody answers for what is theirs of some items."""
        for item in items_of(shelf.shipped(RUNBOOK).runbook.checklist):
            if good(item) and any(point.attest for point in item.points):
                words = (
                    "check",
                    "attest",
                    item.id,
                    "--words",
                    f"{item.title}: I looked.",
                    "--evidence",
                    MINUTES,
                )
                self.there.must(item.owner, *words)

    def called(self, *seats: str) -> None:
        """A test call to those contacts, or to each, is answered."""
        for seat in seats or CONTACTS:
            self.there.must("operations", "team", "called", "--seat", seat, "--reached")

    def signed(self, *, but: str = "") -> None:
        for role in SIGNED:
            if role != but:
                self.there.must(role, "signoff", "give", role)

    def ready(self) -> None:
        for role in shelf.shipped(RUNBOOK).runbook.roles:
            self.there.must(role.id, "team", "ready", "--role", role.id)


@contextmanager
def attendance(folder: Path, servers: Servers) -> Iterator[Attendance]:
    """An environment with 2.0.5 live, in a world in which all is well with 2.1.0."""
    with golive(folder, builds=BUILDS) as there, ExitStack() as stack:
        two = folder / "two"
        build = read_build(two)
        whole = Whole(
            root=folder,
            next=build,
            deployment=deployment_id(build.version, build.digest),
            switched=lambda on: there.switch("release-probe", on),
            live=read_build(folder / "one"),
            migrations=tuple(read_migrations(two)[-1:]),
        )
        jira = stack.enter_context(posts.JiraReceiver())
        # What the checks read under the ticket is what the release has written there, and nothing else.
        grown_whole(whole, stack, servers, ticket=lambda: jira.shown("3"))
        whole.write(MINUTES, "# Minutes\n\nWho was there, what was asked, and what was answered.\n")
        desks = Desks(stack, whole, jira)
        source = shelf.read(book(folder / BOOK, desks))
        # They are printed from the book with our people in it.
        for path, form in (
            ("docs/DEPLOYMENT_CHECKLIST.md", "checklist"),
            ("docs/CUTOVER_PROCEDURES.md", "cutover"),
        ):
            whole.parts["d"].write(path, PAPERS[form](source))
        there.people, there.along = dict(NAMES), whole.leap
        # For our own command, and for whom the entrance's certificate is good.
        there.settings |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SSL_CERT_FILE": str(whole.authorities),
        }
        everybody = Attendance(there, whole, desks, whole.clock.now())
        whole.systems["calendar"] = calendar(stack, lambda: everybody.zero)
        (folder / "systems.yaml").write_text(named(whole))
        yield everybody


def calendar(stack: ExitStack, zero: Callable[[], datetime]) -> System:
    """A calendar with the meetings before the deployment, and the conference while it runs."""
    standin = stack.enter_context(StandIn({"GET /go-live.ics": lambda _: Answer(booked(zero()))}))
    return System(url=f"{standin.url}/go-live.ics")


def booked(zero: datetime) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for summary, begins, ends in (
        ("Briefing for 2.1.0", -20, -19),
        ("Go/no-go for 2.1.0", -2, -1),
        ("Deployment of 2.1.0", -1, 3),
    ):
        times = [f"{zero + timedelta(hours=hours):%Y%m%dT%H%M%SZ}" for hours in (begins, ends)]
        lines += ["BEGIN:VEVENT", f"SUMMARY:{summary}", f"DTSTART:{times[0]}", f"DTEND:{times[1]}"]
        lines += ["LOCATION:https://meet.example.com/deployment", "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def named(whole: Whole) -> str:
    """The file systems.yaml of the world."""
    systems = {name: msgspec.to_builtins(system) for name, system in whole.systems.items()}
    return yaml.safe_dump({"schema": "watership/systems/v1", "systems": systems}, sort_keys=False)
