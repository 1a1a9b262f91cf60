"""A go-live from T-24h to T+24h, with only the calendar virtual."""

from __future__ import annotations

import re
import shutil
from importlib import resources
from pathlib import Path

import pytest

from tests.journeys.golive import GoLive, golive
from tests.releases.checklists import TEXT

GUIDE = "# Guide\n\n## How\n\nLike this, then like that.\n"
DUTY = ["release_manager", "technical_lead", "product_manager", "security_lead", "operations_manager"]
TEAM = ["deployment_lead", "operations", "dba", "monitoring", "qa", "network", "security", "communication"]


def small_runbook(folder: Path) -> Path:
    """The shipped runbook with a checklist of two items, where there is no name server to ask."""
    book = folder / "runbook"
    with resources.as_file(resources.files("watership") / "runbooks" / "agent-orchestrator") as shipped:
        shutil.copytree(shipped, book)
    lines = (book / "runbook.yaml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("  - checklist/", "  - comms"))]
    text = "\n".join(kept).replace("  - team.yaml", "  - team.yaml\n  - small.yaml")
    text = re.sub(r"judged_by: items,\n +items: \[.*?\]", "judged_by: checklist", text)
    text = re.sub(r"      - { do: check, id: dns-ttl,.*?\n(?=      - )", "", text, flags=re.DOTALL)
    (book / "runbook.yaml").write_text(text)
    (book / "small.yaml").write_text(TEXT)
    return book


def planned(there: GoLive, book: Path) -> None:
    there.must(
        "operator",
        *("release", "plan", str(there.folder / "two"), "--runbook", str(book), "--name", "r1"),
        *("--soak", "4", "--min-samples", "200", "--workers", "1"),
    )


@pytest.mark.usefixtures("long")
def test_a_release_is_prepared_signed_and_decided_by_people_and_promoted(tmp_path: Path) -> None:
    with golive(tmp_path) as there:
        (tmp_path / "guide.md").write_text(GUIDE)
        planned(there, small_runbook(tmp_path))
        controller = there.release("r1")
        try:
            there.until("T-4h")
            there.must("qa", "check", "attest", "uat", "--words", "they like it")
            there.leap("20h")
            there.until("T-1h")
            for role in DUTY:
                there.must(role, "signoff", "give", role)
            for role in TEAM:
                there.must(role, "team", "ready", "--role", role)
            there.leap("1h")
            there.must("deployment_lead", "gate", "decide", "go", "--reason", "all green")
            assert there.go_on("watching")["stage"] == "watching", there.status()["reason"]
            there.leap("24h")
            # Nobody saw the hours that were leapt over, so that a person is content with the watch, or is not.
            while not there.status()["asks"]:
                assert controller.poll() is None, "the watch waits for a person"
            there.must("operator", "release", "accept", "--reason", "it is a rehearsal")
            assert there.go_on("promoted")["stage"] == "promoted"
            assert controller.wait(60) == 0
            assert there.traffic is not None and there.traffic.answered > 100 and not there.traffic.failed
        finally:
            controller.kill()
            controller.wait()
