"""A check of one's own goes with the plan: the controller measures with what was signed, whatever the folder holds."""

from __future__ import annotations

import json
from pathlib import Path

from tests.journeys.golive import GoLive, golive
from tests.releases.book.lint.books import changed

CHECK = '''\
from watership.releases.checks import Finding, Scene, check, found


@check("rack.locked")
async def locked(scene: Scene, *, path: str) -> Finding:
    """The file at `path` says that the rack is locked."""
    document = await scene.look.documents.read(path)
    return found(document is not None and document.content == b"locked", "As it was signed: the rack is not locked.")
'''


def planned(there: GoLive, book: Path, name: str) -> Path:
    """A plan that is signed; its file."""
    there.must("operator", "release", "plan", "two", "--runbook", str(book), "--name", name)
    there.must("technical_lead", "signoff", "give", "technical_lead")
    return there.folder / ".watership" / "releases" / name / "plan.json"


def a_change_after_signing_is_refused(there: GoLive, book: Path) -> None:
    """Of the code, by its digest; of both, because nobody signed that plan."""
    papers = planned(there, book, "r1")
    before = papers.read_text()
    draft = json.loads(before)
    draft["code"][0]["text"] = CHECK.replace('b"locked"', 'b""')
    papers.write_text(json.dumps(draft))
    assert there.act("operator", "release", "start", "r1")[0] == 2
    assert "The check checks/rack.py is not the one that was planned." in there.words
    papers.write_text(before)
    (book / "checks" / "rack.py").write_text(CHECK + "# changed\n")
    there.must("operator", "release", "plan", "two", "--runbook", str(book), "--name", "r1")
    assert there.act("operator", "release", "start", "r1")[0] == 4
    assert "technical_lead (it was given for another plan)" in there.words, there.words
    (book / "checks" / "rack.py").write_text(CHECK)


def the_controller_measures_with_what_was_signed(there: GoLive, book: Path) -> None:
    planned(there, book, "r2")
    code, found = there.act("operator", "check", "run", "rack.locked")
    assert code == 3 and found["items"][0]["points"][1]["words"].startswith("As it was signed")
    (book / "checks" / "rack.py").write_text(
        CHECK.replace("not locked", "fine").replace("found(", "found(True or ")
    )
    there.must("operator", "check", "explain", "rack.locked")
    assert there.release("r2").wait(60) == 3, (there.folder / "controller.log").read_text()[-2000:]
    assert "As it was signed: the rack is not locked." in there.status()["reason"]


def test_a_check_of_ones_own_is_measured_as_it_was_signed(tmp_path: Path) -> None:
    rack = (
        "{ do: check, id: disk, check: rack.locked, at: T-30m, title: Rack, parameters: { path: rack.txt } }"
    )
    disk = (
        "{ do: check, id: disk, check: disk.free, at: T-30m, title: Room, parameters: { used_below: 90% } }"
    )
    point = "check: rack.locked, parameters: { path: rack.txt }"
    book = changed(
        tmp_path / "book",
        ("runbook.yaml", disk, rack.replace("T-30m", "T-1h")),
        ("checklist/a.yaml", "attest: No program sees a rack.", point),
    )
    (book / "checks").mkdir()
    (book / "checks" / "rack.py").write_text(CHECK)
    with golive(tmp_path, rate=0) as there:
        a_change_after_signing_is_refused(there, book)
        the_controller_measures_with_what_was_signed(there, book)
