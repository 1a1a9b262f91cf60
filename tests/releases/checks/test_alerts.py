"""Alerts as a real Prometheus has them loaded, and as Alertmanager tells of the one that always fires."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.releases.verdict import Verdict
from watership.testing.servers import PrometheusServer, free_port
from watership.testing.standin import Answer, Asked, StandIn

RULES = """\
groups:
  - name: tried
    rules:
      - alert: TooMany
        expr: sum(up) > 50
        for: 5m
        labels: { severity: page }
        annotations: { summary: "{{ $value }} are too many", description: "Look at {{ $labels.job }}." }
      - alert: Always
        expr: sum(up) > -1
        labels: { severity: page }
        annotations: { summary: "{{ $value }}", description: it is always so }
      - alert: Bare
        expr: absent(up)
        annotations: { summary: the same for everything }
"""


@pytest.fixture
def looker(looker: Looker, prometheus_server: PrometheusServer) -> Iterator[Looker]:
    prometheus_server.rules["tried"] = RULES
    prometheus_server.reload()
    looker.named("prometheus", prometheus_server.url)
    looker.named("nobody", f"http://127.0.0.1:{free_port()}")
    for _ in range(100):  # a rule is evaluated a moment after it is loaded
        if looker.look("alerts.loaded", of="prometheus", alerts="TooMany, Always").verdict is Verdict.PASSED:
            break
    yield looker
    del prometheus_server.rules["tried"]
    prometheus_server.reload()


def test_rules_are_judged_as_they_are_loaded(looker: Looker) -> None:
    looker.passes("alerts.loaded", of="prometheus", alerts="TooMany, Always")
    looker.fails("alerts.loaded", "there is no alert Missing", of="prometheus", alerts="TooMany, Missing")
    looker.passes("alerts.tuned", of="prometheus", that="TooMany > 50 for 5m")
    for wish, words in (
        ("TooMany > 60", "not > 60"),
        ("TooMany >= 50", "not >= 50"),
        ("TooMany > 50 for 10m", "waits 5m, not 10m"),
        ("Always > -1", "is no threshold"),
        ("Bare > 1", "Bare is absent(up)"),
        ("Missing > 1", "there is no alert Missing"),
    ):
        check = looker.unsure if "is no" in words and "alert" not in words else looker.fails
        check("alerts.tuned", words, of="prometheus", that=wish)
    looker.fails(
        "alerts.worded", "Bare has no description", of="prometheus", annotations="summary, description"
    )
    looker.fails("alerts.worded", "Bare says the same", of="prometheus", annotations="summary", labels="")
    looker.unsure("alerts.loaded", "no answer", of="nobody", alerts="TooMany")
    looker.unsure("alerts.tuned", "no answer", of="nobody", that="TooMany > 50")
    looker.unsure("alerts.worded", "no answer", of="nobody", annotations="summary")


def rule(**fields: object) -> Answer:
    """One rule, as Prometheus would tell it."""
    whole = {
        "name": "It",
        "query": "up > 1",
        "duration": 0,
        "health": "ok",
        "state": "inactive",
        "labels": {"severity": "page"},
        "annotations": {"summary": "{{ $value }}"},
    }
    return Answer({"status": "success", "data": {"groups": [{"rules": [whole | fields]}]}})


def test_a_rule_that_fires_now_or_cannot_be_evaluated_is_not_well(looker: Looker) -> None:
    with StandIn() as server:
        looker.named("told", server.url)
        server.routes["GET /api/v1/rules"] = rule(state="firing")
        looker.fails("alerts.tuned", "It fires now", of="told", that="It > 1")
        server.routes["GET /api/v1/rules"] = rule(health="err", lastError="many-to-many matching")
        looker.fails("alerts.loaded", "It is err: many-to-many matching", of="told", alerts="It")
        server.routes["GET /api/v1/rules"] = rule()
        looker.passes("alerts.worded", of="told", annotations="summary")
        server.routes["GET /api/v1/rules"] = Answer({"status": "success", "data": {"groups": []}})
        looker.fails("alerts.worded", "has no alerting rule", of="told", annotations="summary")


def alert(minutes: float = 1.0, state: str = "active", receiver: str = "deadman") -> dict[str, object]:
    at = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
    return {"updatedAt": at, "status": {"state": state}, "receivers": [{"name": receiver}]}


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ([], "nothing comes from Prometheus"),
        ([alert(minutes=30)], "5m is the limit"),
        ([alert(state="suppressed")], "is suppressed"),
        ([alert(receiver="nobody")], "does not go to deadman"),
    ],
)
def test_silence_is_known_from_health(looker: Looker, there: list[object], words: str) -> None:
    asked: dict[str, Given] = {"alert": "Watchdog", "receiver": "deadman", "younger_than": 300.0}
    with StandIn({"GET /api/v2/alerts": Answer([alert(minutes=20), alert()])}) as server:
        looker.named("alertmanager", server.url)
        looker.passes("alerts.watched", of="alertmanager", **asked)
        with server.changed("GET /api/v2/alerts", Answer(there)):
            looker.fails("alerts.watched", words, of="alertmanager", **asked)
    looker.unsure("alerts.watched", "no answer", of="nobody", **asked)


CONFIG = """
receivers:
  - name: mailed
    email_configs: [{ to: alerts@company.com }]
  - name: deadman
    webhook_configs: [{ url: https://deadman.example.com }]
"""


STATUS = Answer({"config": {"original": CONFIG}})


class Alertmanager(StandIn):
    """Routes every alert to `receiver`, and counts `adds` to what was sent and failed by e-mail."""

    def __init__(self) -> None:
        super().__init__({"POST /api/v2/alerts": self._taken, "GET /api/v2/status": STATUS})
        self.routes |= {"GET /metrics": self._metrics, "GET /api/v2/alerts": self._alerts}
        self.receiver = "mailed"
        self.adds = (1, 0)
        self.counts = [5, 2]
        self.put: list[dict[str, str]] = []

    def _taken(self, asked: Asked) -> Answer:
        (alert,) = msgspec.json.decode(asked.body)
        if not self.put:
            self.counts = [self.counts[0] + sum(self.adds), self.counts[1] + self.adds[1]]
        self.put.append(alert)
        return Answer()

    def _alerts(self, asked: Asked) -> Answer:
        return Answer([alert(receiver=self.receiver)])

    def _metrics(self, asked: Asked) -> Answer:
        return Answer(
            f"""# HELP alertmanager_notifications_total The total number of attempted notifications.
alertmanager_notifications_total{{integration="email",receiver_name="mailed"}} {self.counts[0]}
alertmanager_notifications_total{{integration="slack"}} 100
alertmanager_notifications_failed_total{{integration="email",reason="other"}} {self.counts[1]}
"""
        )


@pytest.mark.parametrize(
    ("receiver", "adds", "words"),
    [
        ("deadman", (1, 0), "goes to no receiver that has email_configs"),
        ("mailed", (0, 0), "0 sent by email, 0 failed"),
        ("mailed", (0, 1), "0 sent by email, 1 failed"),
        ("mailed", (1, 1), "1 sent by email, 1 failed"),
    ],
)
def test_an_alert_goes_all_the_way(looker: Looker, receiver: str, adds: tuple[int, int], words: str) -> None:
    asked: dict[str, Given] = {"integration": "email", "labels": "severity=info", "within": 0.3}
    with Alertmanager() as server:
        looker.named("alertmanager", server.url)
        looker.passes("alerts.delivered", of="alertmanager", **asked)
        first, last = server.put
        assert first["endsAt"] > last["endsAt"], "a test alert is ended"
        server.put.clear()
        server.receiver, server.adds = receiver, adds
        looker.fails("alerts.delivered", words, of="alertmanager", **asked)
        assert len(server.put) == 2, "a test alert is ended whatever came of it"
        asked["integration"] = "pager"
        looker.unsure("alerts.delivered", "counts no notifications by pager", of="alertmanager", **asked)
    looker.unsure("alerts.delivered", "no answer", of="nobody", **asked)
