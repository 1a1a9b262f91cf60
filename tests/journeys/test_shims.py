"""The six scripts with the old names: with each of their flags, where all is well and where it is not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib import resources

import pytest

from tests.journeys.golive import ROOT, GoLive, golive

Ended = subprocess.CompletedProcess[str]

CHECKLIST = """
schema: watership/checklist/v1
section: A
id: infrastructure
title: Infrastructure
items:
  - id: provisioning
    number: 1
    title: Provisioning
    owner: operations
    by: T-24h
    verification: scripts/pre-deployment-check.sh --check-infrastructure
    command: watership check run infrastructure
    points:
      - { id: hosts, text: Hosts, check: document.says, parameters: { path: notes.md, section: Hosts, words: 2 } }
  - id: configuration
    number: 7
    title: What is staged
    owner: operations
    by: T-4h
    verification: scripts/pre-deployment-check.sh --config-validation
    command: watership check run 7
    points:
      - { id: flags, text: Flags, check: document.says, parameters: { path: notes.md, section: Flags, words: 2 } }
  - id: loaded
    number: 34
    title: What was loaded
    owner: qa
    by: T+45m
    verification: scripts/pre-deployment-check.sh --config
    command: watership check run 34
    points:
      - { id: limits, text: Limits, check: document.says, parameters: { path: notes.md, section: Limits, words: 2 } }
  - id: final
    number: 60
    title: Final health
    owner: deployment_lead
    by: T+0m
    verification: scripts/pre-deployment-check.sh --final
    command: watership check run 60
    points:
      - { id: content, text: The lead is content, attest: Only the lead knows. }
"""

VALIDATION = """
  - { id: %s, title: %s, begins: %s, ends: %s, command: scripts/post-deployment-verify.sh --%s, owner: qa, points: [
      { id: calm, text: Calm, check: document.says, parameters: { path: notes.md, section: %s, words: 2 } } ] }"""

VALIDATIONS = "validations:" + "".join(
    VALIDATION % (each, each, begins, ends, each, each)
    for each, begins, ends in (
        ("immediate", "0m", "30m"),
        ("short-term", "30m", "2h"),
        ("extended", "2h", "24h"),
    )
)

NOTES = "".join(
    f"# {section}\n\nAll is well.\n\n"
    for section in ("Hosts", "Flags", "Limits", "immediate", "short-term", "extended")
)

APPROVERS = ["release_manager", "technical_lead", "product_manager", "security_lead", "operations_manager"]

FAR_FROM_READY = {
    # Nothing is written down, nobody has signed, nothing stands in blue, and the schema is the old one.
    "pre-deployment-check.sh": 3,
    "pre-deployment-check.sh --check-infrastructure": 3,
    "pre-deployment-check.sh --config-validation": 3,
    "pre-deployment-check.sh --config": 3,
    "pre-deployment-check.sh --final": 7,  # nobody has said that it is not so: the person was not asked yet
    "deploy.sh --environment=blue": 4,
    "deploy.sh --environment=green": 6,
    "health-check-dashboard.sh": 3,
    "health-check-dashboard.sh blue": 3,
    "post-deployment-verify.sh": 3,
    "post-deployment-verify.sh --db-validation": 3,
    "post-deployment-verify.sh --immediate": 3,
    "post-deployment-verify.sh --short-term": 3,
    "post-deployment-verify.sh --extended": 3,
    "verify-deployment.sh --environment=blue": 3,
    "rollback.sh --version=1.0.0 --immediate=true": 5,
}
"""Scripts, and how they end where nothing is ready."""

READY = {
    "pre-deployment-check.sh": 0,
    "pre-deployment-check.sh --check-infrastructure": 0,
    "pre-deployment-check.sh --config-validation": 0,
    "pre-deployment-check.sh --config": 0,
    "pre-deployment-check.sh --final": 0,
    "deploy.sh --environment=blue": 0,
    "health-check-dashboard.sh": 0,
    "health-check-dashboard.sh blue": 0,
    "health-check-dashboard.sh green": 0,
    "post-deployment-verify.sh": 0,
    "post-deployment-verify.sh --db-validation": 0,
    "post-deployment-verify.sh --immediate": 0,
    "post-deployment-verify.sh --short-term": 0,
    "post-deployment-verify.sh --extended": 0,
    "verify-deployment.sh --environment=blue": 0,
    "verify-deployment.sh --environment=green": 0,
    "rollback.sh --version=9.9.9 --immediate=true": 6,
    "rollback.sh --version=1.0.0 --immediate=false": 2,  # there is no terminal at which one could be asked
    "rollback.sh --version=1.0.0 --immediate=true": 0,
}
"""The same where everything is: the deployment first, and the way back last."""


def planned(there: GoLive) -> None:
    """A plan by a runbook with the items that the scripts name."""
    book = there.folder / "runbook"
    book.mkdir()
    shipped = resources.files("watership") / "runbooks" / "one-machine" / "runbook.yaml"
    (book / "runbook.yaml").write_text(f"{shipped.read_text()}\ninclude: [items.yaml]\n\n{VALIDATIONS}\n")
    (book / "items.yaml").write_text(CHECKLIST)
    there.must(
        "operator",
        *(
            "release",
            "plan",
            str(there.folder / "two"),
            "--runbook",
            str(book),
            "--name",
            "r1",
            "--workers",
            "1",
        ),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoLive]:
    with golive(tmp_path_factory.mktemp("shims"), rate=0) as there:
        planned(there)
        yield there


@pytest.fixture(scope="module")
def before(place: GoLive) -> dict[str, Ended]:
    """How every script ended before anything was ready."""
    return {line: place.script(*line.split()) for line in FAR_FROM_READY}


@pytest.fixture(scope="module")
def after(place: GoLive, before: dict[str, Ended]) -> dict[str, Ended]:
    """How every script ended once everything was."""
    (place.folder / "notes.md").write_text(NOTES)
    place.must("deployment_lead", "check", "attest", "final", "--words", "I am content")
    for role in APPROVERS:
        place.must(role, "signoff", "give", role)
    place.must("operator", "migrate", "up")
    return {line: place.script(*line.split()) for line in READY}


@pytest.mark.parametrize("line", FAR_FROM_READY)
def test_a_script_ends_as_its_command_does_where_all_is_not_well(before: dict[str, Ended], line: str) -> None:
    ended = before[line]
    assert ended.returncode == FAR_FROM_READY[line], ended.stdout + ended.stderr
    assert ended.stdout + ended.stderr


@pytest.mark.parametrize("line", READY)
def test_a_script_ends_well_where_all_is_well(after: dict[str, Ended], line: str) -> None:
    ended = after[line]
    assert ended.returncode == READY[line], ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "line",
    [
        "pre-deployment-check.sh --bogus",
        "pre-deployment-check.sh --final --bogus",
        "deploy.sh --bogus",
        "deploy.sh --environment=blue --bogus",
        "deploy.sh --environment=red",
        "deploy.sh",
        "health-check-dashboard.sh --bogus",
        "health-check-dashboard.sh blue --bogus",
        "post-deployment-verify.sh --bogus",
        "post-deployment-verify.sh --immediate --extended",
        "rollback.sh --bogus",
        "rollback.sh --version=1.0.0 --immediate=true --bogus",
        "rollback.sh --version=",
        "rollback.sh --immediate=perhaps",
        "verify-deployment.sh --bogus",
        "verify-deployment.sh --environment=blue --bogus",
        "verify-deployment.sh",
    ],
)
def test_what_a_script_does_not_know_ends_with_2_and_its_usage(line: str) -> None:
    name, *flags = line.split()
    ended = subprocess.run(
        [ROOT / "scripts" / name, *flags], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"usage: scripts/{name}" in ended.stderr
