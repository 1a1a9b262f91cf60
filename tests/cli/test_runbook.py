"""What `watership runbook` prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.releases.book.lint.books import changed
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.releases.book.schema import FILES
from watership.releases.book.shelf import names

SEED = Path(__file__).parents[1] / "releases" / "book" / "seed" / "PRODUCTION_DEPLOYMENT_RUNBOOK.md"


def test_an_imported_runbook_is_counted_as_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbook", "import", str(SEED), "--json"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["items"], told["points"], told["verifications"]) == (60, 357, 60)
    assert told["missing"] == told["unread"] == told["notes"] == []
    first = told["document"]["items"][0]
    assert (first["id"], first["number"], first["title"]) == (
        "blue-environment-provisioning",
        1,
        "Blue Environment Provisioning",
    )
    assert first["points"][0] == "Blue servers provisioned and online"


def test_a_runbook_without_approvals_is_not_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "short.md"
    text = SEED.read_text(encoding="utf-8")
    path.write_text(text.replace("### Pre-Deployment Approvals", "### Signatures"), encoding="utf-8")
    assert run(["runbook", "import", str(path), "--json"]) == Exit.NOT_OK
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (told["approvals"], told["missing"]) == (0, ["approvals"])
    assert "missing: approvals: no heading reads 'Pre-Deployment Approvals'" in said.err


def test_a_file_that_is_not_there_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    assert run(["runbook", "import", str(tmp_path / "none.md")]) == Exit.USAGE


def test_a_skeleton_is_written_once_and_can_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ours"
    assert run(["runbook", "import", str(SEED), "--to", str(folder)]) == Exit.OK
    assert f"next: watership runbook check {folder}" in capsys.readouterr().err
    assert run(["runbook", "check", str(folder), "--json"]) == Exit.OK
    said = capsys.readouterr()
    assert "checklist/a.yaml:5: note: 70 points of section A" in said.err
    assert json.loads(said.out)["runbook"] == "ours"
    before = (folder / "team.yaml").read_bytes()
    (folder / "team.yaml").write_bytes(before + b"# mine\n")
    assert run(["runbook", "import", str(SEED), "--to", str(folder)]) == Exit.CONFLICT
    assert (folder / "team.yaml").read_bytes().endswith(b"# mine\n")


def test_warnings_are_words_and_errors_are_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = changed(tmp_path, ("runbook.yaml", "escalate_to: technical_lead", "escalate_to: nobody"))
    assert run(["runbook", "check", str(folder)]) == Exit.OK
    said = capsys.readouterr()
    assert "warning: the phase 'cutover' escalates to 'nobody', which is no seat [empty-seat]" in said.err
    assert "not looked at: whether soaks are long enough" in said.err
    assert said.out == "small can be used; 1 warning(s)\n"
    changed(
        tmp_path, ("runbook.yaml", "check: disk.free", "check: disk.fre"), ("team.yaml", "person: Ada, ", "")
    )
    assert run(["runbook", "check", str(folder), "--json"]) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "nobody sits on the seat 'lead'" in said.err
    told = json.loads(said.err.splitlines()[-1])
    assert told["error"] == "bad_input"
    assert "no check is of the kind 'disk.fre'; did you mean 'disk.free'?" in told["message"]
    changed(tmp_path, ("team.yaml", "roles:", "rolls:"))
    assert run(["runbook", "check", str(folder)]) == Exit.USAGE
    assert "team.yaml:2: unknown key 'rolls' — did you mean 'roles'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("traffic", "code", "words"),
    [
        ("240/s", Exit.OK, "small can be used; 0 warning(s)"),
        ("240", Exit.OK, "0 warning(s)"),
        ("20/s", Exit.OK, "is too short for a regression of 1 % at 20 requests per second"),
        ("0/s", Exit.USAGE, "is no number of requests per second"),
        ("nan", Exit.USAGE, "is no number of requests per second"),
        ("many", Exit.USAGE, "is no number of requests per second"),
    ],
)
def test_soaks_are_measured_against_a_stated_traffic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], traffic: str, code: Exit, words: str
) -> None:
    assert run(["runbook", "check", str(changed(tmp_path)), "--traffic", traffic]) == code
    said = capsys.readouterr()
    assert words in said.out + said.err
    assert "not looked at: whether soaks" not in said.err


def test_an_unknown_runbook_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbook", "check", "no-such"]) == Exit.NOT_FOUND
    assert "Choose one of: agent-orchestrator, one-machine" in capsys.readouterr().err
    assert run(["runbook", "show", "--bogus"]) == Exit.USAGE


def test_a_runbook_is_shown_at_a_glance(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbook", "show", "--json"]) == Exit.OK
    assert [each["name"] for each in json.loads(capsys.readouterr().out)["shipped"]] == names()
    assert run(["runbook", "show", "agent-orchestrator"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "\n0      Pre-deployment gate" in shown
    assert "T+45m to T+65m" in shown
    assert run(["runbook", "show", "agent-orchestrator", "--json"]) == Exit.OK
    assert len(json.loads(capsys.readouterr().out)["runbook"]["phases"]) == 7


def test_papers_are_written_where_they_are_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "book").mkdir()
    folder = str(changed(tmp_path / "book"))
    assert run(["runbook", "render", folder]) == Exit.OK
    assert capsys.readouterr().out.startswith("# A small go-live\n")
    assert run(["runbook", "render", folder, "--to", "html"]) == Exit.OK
    assert capsys.readouterr().out.startswith("<!doctype html>")
    for kind in ("checklist", "cutover"):
        plain, paged = tmp_path / f"{kind}.md", tmp_path / f"{kind}.html"
        assert run(["runbook", "render", folder, "--to", kind, "-o", str(plain)]) == Exit.OK
        assert run(["runbook", "render", folder, "--to", kind, "-o", str(paged)]) == Exit.OK
        assert plain.read_text(encoding="utf-8").startswith("# ")
        assert paged.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert run(["runbook", "render", folder, "--to", "pdf"]) == Exit.USAGE


def test_schemas_are_for_editors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbook", "schema", "team"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["$ref"] == "#/$defs/team.Team"
    assert run(["runbook", "schema", "--to", str(tmp_path / "s"), "--json"]) == Exit.OK
    paths = json.loads(capsys.readouterr().out)["written"]
    assert {Path(each).name for each in paths} == {f"{kind}.schema.json" for kind in FILES}
    assert all("$defs" in json.loads(Path(each).read_text(encoding="utf-8")) for each in paths)
    assert run(["runbook", "schema", "teem"]) == Exit.USAGE
