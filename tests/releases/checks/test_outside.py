"""Systems that are not ours, asked by their own protocols: stand-ins answer as the real ones do."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checklist.orchestrator import TOKEN, guarded, receiver
from tests.checklist.world import World
from tests.releases.checks.looks import look
from watership.adapters.rehearsal.clock import LeapingClock
from watership.releases.book.system import System
from watership.releases.checks.kubernetes import REGION, REVIEWS
from watership.releases.verdict import Verdict
from watership.testing.servers.ports import LOOPBACK, free_port
from watership.testing.standin import Answer, StandIn

PASSED, FAILED, INCONCLUSIVE = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE

WHSEC = "whsec_" + base64.b64encode(b"a secret of webhooks").decode()
BEARER = {"authorization": "Bearer {secret}"}
SEARCH = "POST /rest/api/3/search/jql"
SCALER = "/apis/autoscaling/v2/namespaces/production/horizontalpodautoscalers/app"


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with StandIn() as there:
        yield there


@pytest.fixture
def world(tmp_path: Path, standin: StandIn) -> World:
    """One in which `it` answers and lets us in with a token, and `off` does not answer."""
    there = World(root=tmp_path)
    there.write("token", TOKEN).chmod(0o600)
    there.write("webhooks", WHSEC).chmod(0o600)
    secret = "file:token"
    there.systems["it"] = System(url=standin.url, secret=secret, headers=BEARER)
    there.systems["off"] = System(url=f"http://{LOOPBACK}:{free_port()}", secret=secret, headers=BEARER)
    there.systems["hooks"] = System(url=standin.url, secret="file:webhooks")
    return there


def test_access_is_granted_by_the_credential_or_not_at_all(world: World, standin: StandIn) -> None:
    standin.routes["GET /me"] = guarded({"id": "app"})
    granted = {"of": "it", "path": "/me"}
    assert look(world, "access.granted", **granted) == (PASSED, "it/me: 200 to us, 401 to others.")
    assert look(world, "access.granted", **granted, contains="nobody")[0] is FAILED
    world.write("token", "old").chmod(0o600)
    assert look(world, "access.granted", **granted) == (FAILED, "our credential is answered 401")
    standin.routes["GET /me"] = Answer({"id": "anybody"})
    verdict, words = look(world, "access.granted", **granted)
    assert (verdict, words) == (FAILED, "without a credential it is answered 200 all the same")
    assert look(world, "access.granted", of="off", path="/me")[0] is INCONCLUSIVE
    assert look(world, "access.granted", of="hooks", path="/me")[0] is INCONCLUSIVE


def test_a_receiver_of_webhooks_refuses_what_is_forged_or_stale(world: World, standin: StandIn) -> None:
    verified = {"of": "hooks", "path": "/in"}
    standin.routes["POST /in"] = receiver(WHSEC)
    assert look(world, "webhooks.verified", **verified)[0] is PASSED
    standin.routes["POST /in"] = Answer(status=204)
    assert look(world, "webhooks.verified", **verified) == (
        FAILED,
        "one that is forged was answered 204; one that is stale was answered 204.",
    )
    standin.routes["POST /in"] = receiver("whsec_" + base64.b64encode(b"another").decode())
    verdict, words = look(world, "webhooks.verified", **verified)
    assert verdict is FAILED and "one that is signed was answered 401" in words
    world.write("webhooks", "no Base64!").chmod(0o600)
    assert look(world, "webhooks.verified", **verified)[0] is INCONCLUSIVE
    assert look(world, "webhooks.verified", of="off", path="/in")[0] is INCONCLUSIVE


def test_a_webhook_is_dated_by_the_machines_clock_when_the_calendar_has_leapt(
    world: World, standin: StandIn
) -> None:
    world.clock = calendar = LeapingClock(world.root / "calendar.json")
    calendar.leap(86_400.0)
    standin.routes["POST /in"] = receiver(WHSEC)
    assert look(world, "webhooks.verified", of="hooks", path="/in")[0] is PASSED


def issues(*priorities: str, last: bool = True) -> Answer:
    there = [{"key": f"UAT-{n}", "fields": {"priority": {"name": name}}} for n, name in enumerate(priorities)]
    return Answer({"issues": there, "isLast": last})


def test_defects_are_counted_by_their_priority(world: World, standin: StandIn) -> None:
    defects = {"of": "it", "jql": "type = Bug", "among": "labels = uat"}
    standin.routes[SEARCH] = issues(*["Low"] * 4)
    assert look(world, "jira.defects", **defects)[0] is PASSED
    assert b'"jql":"type = Bug"' in standin.asked[-1].body
    for answer in (issues(*["Low"] * 5), issues("Highest"), issues("Low", last=False)):
        standin.routes[SEARCH] = answer
        assert look(world, "jira.defects", **defects)[0] is FAILED
    for silent in (issues(), Answer({"errorMessages": ["no"]}, 400), Answer("<html>")):
        standin.routes[SEARCH] = silent
        assert look(world, "jira.defects", **defects)[0] is INCONCLUSIVE
        assert look(world, "jira.issues", **defects)[0] is INCONCLUSIVE
    assert look(world, "jira.defects", **{**defects, "of": "off"})[0] is INCONCLUSIVE


def test_issues_are_few_enough_only_if_the_search_can_find_any(world: World, standin: StandIn) -> None:
    standin.routes[SEARCH] = lambda asked: issues("Low") if b"among" in asked.body else issues()
    few = {"of": "it", "jql": 'fixVersion = "{version}"', "among": "labels = among"}
    assert look(world, "jira.issues", **few) == (PASSED, "0 issues, fewer than 1 are wanted.")
    assert b'fixVersion = \\"2.1.0\\"' in standin.asked[-1].body
    standin.routes[SEARCH] = issues("Low")
    assert look(world, "jira.issues", **few)[0] is FAILED


def node(name: str, region: str | None, ready: str = "True") -> dict[str, Any]:
    labels = {} if region is None else {REGION: region}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_clusters_are_ready_and_apart(world: World, standin: StandIn) -> None:
    world.systems["far"] = System(url=f"{standin.url}/far")
    standin.routes["GET /api/v1/nodes"] = Answer({"items": [node("a", "east"), node("b", "east")]})
    standin.routes["GET /far/api/v1/nodes"] = Answer({"items": [node("c", "west", "Unknown")]})
    apart = {"clusters": "it, far"}
    assert look(world, "kubernetes.ready", of="it", at_least=2)[0] is PASSED
    assert look(world, "kubernetes.ready", of="it", at_least=3)[0] is FAILED
    assert look(world, "kubernetes.ready", of="far")[0] is FAILED
    with standin.changed(
        "GET /api/v1/nodes", Answer({"items": [node("a", "east"), node("b", "east", "False")]})
    ):
        assert look(world, "kubernetes.ready", of="it", at_least=1) == (
            FAILED,
            "1 of 2 nodes are ready, 1 at least are wanted; not: b",
        )
    assert look(world, "kubernetes.apart", **apart) == (PASSED, "it, far: in east, west.")
    for items, verdict in (
        ([node("c", "east")], FAILED),
        ([], FAILED),
        ([node("c", None)], INCONCLUSIVE),
    ):
        standin.routes["GET /far/api/v1/nodes"] = Answer({"items": items})
        assert look(world, "kubernetes.apart", **apart)[0] is verdict
    for check, given in (("kubernetes.ready", {"of": "off"}), ("kubernetes.apart", {"clusters": "it, off"})):
        assert look(world, check, **given)[0] is INCONCLUSIVE


def test_the_cluster_itself_says_what_we_may(world: World, standin: StandIn) -> None:
    may = {"of": "it", "verb": "patch", "group": "apps", "resource": "deployments", "namespace": "production"}
    standin.routes[f"POST {REVIEWS}"] = Answer({"status": {"allowed": True, "reason": "RBAC: allowed"}}, 201)
    assert look(world, "kubernetes.allows", **may)[0] is PASSED
    assert b'"verb":"patch","group":"apps","resource":"deployments"' in standin.asked[-1].body
    standin.routes[f"POST {REVIEWS}"] = Answer({"status": {"allowed": False}}, 201)
    assert look(world, "kubernetes.allows", **may) == (FAILED, "We may not patch deployments in production.")
    standin.routes[f"POST {REVIEWS}"] = Answer({"message": "Unauthorized"}, 401)
    assert look(world, "kubernetes.allows", **may)[0] is INCONCLUSIVE
    assert look(world, "kubernetes.allows", **{**may, "of": "off"})[0] is INCONCLUSIVE


def test_an_autoscaler_has_to_be_able_and_to_have_room(world: World, standin: StandIn) -> None:
    good = [{"type": kind, "status": "True"} for kind in ("AbleToScale", "ScalingActive")]
    asked = {"of": "it", "namespace": "production", "name": "app"}

    def scaler(least: int, most: int, metrics: list[object], conditions: list[dict[str, str]]) -> Answer:
        spec = {"minReplicas": least, "maxReplicas": most, "metrics": metrics}
        return Answer({"spec": spec, "status": {"conditions": conditions}})

    for answer, verdict in (
        (scaler(2, 8, [{"type": "Resource"}], good), PASSED),
        (scaler(1, 8, [{"type": "Resource"}], good), FAILED),
        (scaler(2, 2, [{"type": "Resource"}], good), FAILED),
        (scaler(2, 8, [], good), FAILED),
        (scaler(2, 8, [{"type": "Resource"}], good[:1]), FAILED),
        (Answer({"kind": "Status", "code": 404}, 404), INCONCLUSIVE),
        (Answer({"kind": "Status"}), INCONCLUSIVE),
    ):
        standin.routes[f"GET {SCALER}"] = answer
        assert look(world, "kubernetes.autoscaler", **asked)[0] is verdict
    assert look(world, "kubernetes.autoscaler", **{**asked, "of": "off"})[0] is INCONCLUSIVE
