"""What a plan cannot see is told before anybody signs it, and never what a secret holds."""

from __future__ import annotations

from importlib import resources

import pytest
from msgspec.structs import replace

from tests.releases.plans import a_plan, side
from watership.durable.ids import DeploymentId
from watership.errors import BadInput, Unavailable
from watership.fleet.deployment import Slot
from watership.releases.book.system import System, read
from watership.releases.checks import CHECKS
from watership.releases.plan import doing_without, fingerprint
from watership.releases.readiness.caution import cautions
from watership.releases.readiness.unseen import asks, unseen

BOOK = "agent-orchestrator"

REFERRED = ("from", "inside")
"""Facts of systems.yaml that name another system."""


class Kept:
    """Secrets by reference; of all others it says that they are not there."""

    def __init__(self, **secrets: str) -> None:
        self._secrets = secrets

    def read(self, reference: str) -> str:
        name = reference.removeprefix("env:")
        if name not in self._secrets:
            raise Unavailable(f"The secret {reference} is not set.")
        return self._secrets[name]


def example() -> dict[str, System]:
    shipped = resources.files("watership") / f"runbooks/{BOOK}/systems.example.yaml"
    with resources.as_file(shipped) as path:
        return read(path)


def test_every_system_of_the_example_is_known_to_be_asked_and_no_other_is() -> None:
    plan = a_plan(book=BOOK)
    known = {name for each in unseen(plan, CHECKS, Kept()) for name in each.systems}
    referred = {
        name
        for system in example().values()
        for fact, value in system.facts.items()
        if fact in REFERRED
        for name in str(value).split(", ")
    }
    assert known == example().keys() - referred


def test_without_systems_the_items_of_phases_come_first_and_are_named() -> None:
    found = unseen(a_plan(book=BOOK), CHECKS, Kept())
    steps = [each for each in found if each.where == "phases"]
    assert found[: len(steps)] == tuple(steps)
    words = {each.key: each.words for each in steps}
    assert words["cutover/dns-ttl"] == "dns is not named"
    assert "post-verification/integrations" in words, "it has points measured that ask systems"
    assert "validation/endpoints" not in words, "an environment knows its own processes"


def test_a_secret_that_is_not_set_is_named_and_one_that_is_there_is_not_told() -> None:
    url, headers = "http://next.internal:3000", {"authorization": "Bearer {secret}"}
    systems = {
        "next": System(url=url, secret="env:WATERSHIP_TOKEN", headers=headers),
        "dns": System(url="dns://ns1.example.com"),
    }
    plan = a_plan(book=BOOK, systems=systems)
    without = {each.key: each.words for each in unseen(plan, CHECKS, Kept())}
    assert without["validation/endpoints"] == "next: The secret env:WATERSHIP_TOKEN is not set"
    assert "cutover/dns-ttl" not in without
    found = unseen(plan, CHECKS, Kept(WATERSHIP_TOKEN="hunter2"))
    assert "validation/endpoints" not in {each.key for each in found}
    assert "hunter2" not in repr(found)


def test_a_rehearsal_does_without_what_cannot_be_seen_and_says_so() -> None:
    plan = a_plan(book=BOOK)
    lacking = [each.key for each in unseen(plan, CHECKS, Kept()) if each.where == "phases"]
    assert "--leave-out-unseen" in cautions(replace(plan, rehearsal=True), unseen(plan, CHECKS, Kept()))[0]
    assert "--leave-out-unseen" not in cautions(plan, unseen(plan, CHECKS, Kept()))[0]
    less = doing_without(plan, lacking)
    assert [each for each in unseen(less, CHECKS, Kept()) if each.where == "phases"] == []
    assert len(less.items) == len(plan.items) - len(lacking) and less.overrides.left_out == tuple(lacking)
    assert fingerprint(less) != fingerprint(plan), "who signs it signs what it does without"
    assert "cutover/dns-ttl" in cautions(less, ())[-1]


def test_no_release_does_without_what_acts() -> None:
    with pytest.raises(BadInput, match="is neither a check"):
        doing_without(a_plan(book=BOOK), ["cutover/soak"])


def test_a_lower_version_and_the_same_version_are_warned_of() -> None:
    def said(live: str, nxt: str) -> tuple[str, ...]:
        return cautions(a_plan(live=side(live, Slot.GREEN), nxt=side(nxt, Slot.BLUE)), ())

    assert "lower version" in said("1.10.0", "1.9.0")[0]
    assert said("1.9.0", "1.10.0") == said("1.0", "1.0.1") == said("main-1", "main-0") == ()
    live = side("1.0.0", Slot.GREEN)
    nxt = replace(side("1.0.0", Slot.BLUE), deployment=DeploymentId("d-1.0.0-again"))
    assert "cannot tell them apart" in cautions(a_plan(live=live, nxt=nxt), ())[0]


def test_a_check_of_nobodys_kind_asks_what_its_parameters_name() -> None:
    assert asks("own.check", {"of": "jira, github", "path": "next"}, {}) == {"jira", "github"}
    assert asks("trial.flag", {"of": "next", "on": "true"}, CHECKS) == {"next"}
