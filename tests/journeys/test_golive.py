"""A go-live from T-24h to T+24h, with only the calendar virtual."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest

from tests.journeys.golive import GoLive, golive
from tests.releases.checklists import TEXT

GUIDE = "# Guide\n\n## How\n\nLike this, then like that.\n"
DUTY = ["release_manager", "technical_lead", "product_manager", "security_lead", "operations_manager"]
TEAM = ["deployment_lead", "operations", "dba", "monitoring", "qa", "network", "security", "communication"]


BACKUPS = """\
  - id: backups
    number: 25
    title: Backup & Recovery
    owner: dba
    by: T-24h
    verification: look at the last one
    command: watership check run backups
    points:
      - { id: full, text: "Full database backup < 4 hours old", check: backups.young,
          parameters: { of: production-backups, kind: full, younger_than: 4h } }
"""

SYSTEMS = """\
schema: watership/systems/v1
systems:
  production-backups: { url: "file:backups.json" }
"""


def small_runbook(folder: Path, name: str = "runbook", more: str = "") -> Path:
    """The shipped runbook with a checklist of two items, and `more`, where there are no systems of others to ask."""
    book = folder / name
    with resources.as_file(resources.files("watership") / "runbooks" / "agent-orchestrator") as shipped:
        shutil.copytree(shipped, book)
    lines = (book / "runbook.yaml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("  - checklist/", "  - comms"))]
    text = "\n".join(kept).replace("  - team.yaml", "  - team.yaml\n  - small.yaml")
    text = re.sub(r"judged_by: items,\n +items: \[.*?\]", "judged_by: checklist", text)
    for step in re.findall(r"      - { do: .*?}\n(?=      - |\n|  - number)", text, flags=re.DOTALL):
        if re.search(r"parameters: \{ (of: (?!(live|next)[ ,])|items:)", step):
            text = text.replace(step, "")
    text = text.replace("during: 10s", "during: 1s")
    (book / "runbook.yaml").write_text(text)
    (book / "small.yaml").write_text(TEXT + more)
    return book


def everybody_is_there(there: GoLive) -> None:
    for role in TEAM:
        there.must(role, "team", "ready", "--role", role)


def arrived(there: GoLive) -> None:
    """From T-24h to T-1h: both roll calls are answered."""
    there.must("operator", "environment", "leap", "--to", "T-4h")
    everybody_is_there(there)
    there.must("operator", "environment", "leap", "--to", "T-1h")
    everybody_is_there(there)


def planned(there: GoLive, book: Path, name: str = "r1", *options: str) -> None:
    there.must(
        "operator",
        *("release", "plan", str(there.folder / "two"), "--runbook", str(book), "--name", name),
        *("--soak", "4", "--min-samples", "200", "--workers", "1", *options),
    )


def a_stale_backup_is_a_no_go(there: GoLive) -> None:
    """The release ends with exit 3, and names the item."""
    (there.folder / "systems.yaml").write_text(SYSTEMS)
    taken = datetime.now(UTC) - timedelta(hours=5)
    last = {"kind": "full", "name": "full/1", "taken_at": taken.isoformat(), "bytes": 4096}
    (there.folder / "backups.json").write_text(json.dumps({"backups": [last]}))
    planned(there, small_runbook(there.folder, "with-backups", BACKUPS), "r0", "--systems", "systems.yaml")
    controller = there.release("r0")
    try:
        there.reach("gate/review")
        refused, _ = there.act("operator", "environment", "leap", "20h")
        assert refused == 6 and "gate/review" in there.words
        there.leap("20h", "--force")
        assert controller.wait(60) == 3
    finally:
        controller.kill()
        controller.wait()
    there_now = there.status()
    assert there_now["stage"] == "refused" and "1 failed (25 Backup & Recovery: full" in there_now["reason"]


def an_approval_that_is_missing_needs_a_person(there: GoLive, book: Path) -> None:
    """The release ends with exit 7, and names the role."""
    planned(there, book, "unsigned")
    there.must("qa", "check", "attest", "uat", "--words", "they like it")
    for role in DUTY[1:]:
        there.must(role, "signoff", "give", role)
    controller = there.release("unsigned")
    try:
        arrived(there)
        assert there.go_on("refused")["stage"] == "refused"
        assert controller.wait(60) == 7
    finally:
        controller.kill()
        controller.wait()
    assert "release_manager: not given" in there.status()["reason"]


def a_rollback_the_morning_after_is_the_releases_own(there: GoLive) -> None:
    """No controller lives any more: it is done at once, and told wherever the release is."""
    there.must("operator", "release", "rollback", "--now", "--reason", "orders fail")
    status = there.status()
    assert status["stage"] == "rolled_back" and "taken back at" in status["reason"], status["reason"]
    assert (status["router"], status["intake"]) == (0, 0)
    path = Path(there.must("operator", "release", "report", "--to", "json")["report"])
    report = json.loads(path.read_bytes())
    assert report["outcome"] == "rolled_back"
    last = report["decisions"][-1]
    assert last["what"] == "took it back" and last["reason"].startswith("orders fail")
    assert "Rolled back" in path.with_suffix(".html").read_text()
    assert {each["name"]: each["value"] for each in report["dora"]}["Change failure rate"] == "100 %: 1 of 1"
    assert there.act("qa", "check", "attest", "uat", "--words", "they like it")[0] == 6
    assert there.must("operator", "audit", "verify")["records"] == {"astray": {}, "unbound": {}}


@pytest.mark.usefixtures("long")
def test_a_release_is_prepared_signed_and_decided_by_people_and_promoted(tmp_path: Path) -> None:
    with golive(tmp_path) as there:
        (tmp_path / "guide.md").write_text(GUIDE)
        a_stale_backup_is_a_no_go(there)
        book = small_runbook(tmp_path)
        an_approval_that_is_missing_needs_a_person(there, book)
        planned(there, book)
        controller = there.release("r1")
        try:
            there.until("T-4h")
            there.must("qa", "check", "attest", "uat", "--words", "they like it")
            arrived(there)
            for role in DUTY:
                there.must(role, "signoff", "give", role)
            there.must("deployment_lead", "gate", "decide", "go", "--reason", "all green")
            assert there.go_on("watching", 120)["stage"] == "watching", there.status()["reason"]
            there.leap("24h")
            # Nobody saw the hours that were leapt over, so that a person is content with the watch, or is not.
            while not there.status()["asks"]:
                assert controller.poll() is None, "the watch waits for a person"
            there.must("operator", "release", "accept", "--reason", "it is a rehearsal")
            assert there.go_on("promoted")["stage"] == "promoted"
            assert controller.wait(60) == 0
            told = there.must("operator", "audit", "verify")
            assert told["records"] == {"astray": {}, "unbound": {}} and told["seal"] == "signed"
            a_rollback_the_morning_after_is_the_releases_own(there)
            assert there.traffic is not None and there.traffic.answered > 100 and not there.traffic.failed
        finally:
            controller.kill()
            controller.wait()
