"""`watership release report` at the command line: in every form, where it is wanted, of a real controller's store."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from tests.releases.folds import a_release
from watership.adapters.sqlite.store import SQLiteStore
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.durable.clock import SystemClock
from watership.durable.ids import RunId
from watership.durable.writes import Submit
from watership.releases.controller import DEPLOYMENT
from watership.releases.program import PROGRAM

NAME = "r1"


async def prepared(state: Path) -> None:
    """An environment whose controller has accepted a release and done nothing of it."""
    (state / "releases" / NAME).mkdir(parents=True)
    async with await SQLiteStore.open(state / "watership.db", clock=SystemClock()):
        pass
    async with await SQLiteStore.open(state / "releases" / "controller.db", clock=SystemClock()) as store:
        release = msgspec.Raw(msgspec.json.encode(a_release()))
        submit = Submit(run_id=RunId(NAME), program=PROGRAM, input=release, deployment=DEPLOYMENT)
        await store.write([submit])


@pytest.fixture
def papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The release's folder; the working folder is the environment's."""
    monkeypatch.chdir(tmp_path)
    asyncio.run(prepared(tmp_path / ".watership"))
    return tmp_path / ".watership" / "releases" / NAME


BEGINS = {"html": b"<!doctype html>", "md": b"# 2.1.0", "json": b'{\n  "schema"', "pdf": b"%PDF-"}


def test_a_report_is_written_in_the_form_that_is_wanted(
    papers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["release", "report"]) == Exit.OK
    assert capsys.readouterr().out.strip() == str(papers / "report.html")
    for form, begins in BEGINS.items():
        assert run(["release", "report", NAME, "--to", form, "--json"]) == Exit.OK
        path = Path(json.loads(capsys.readouterr().out)["report"])
        assert path == papers / f"report.{form}"
        assert path.read_bytes().startswith(begins)
    told = json.loads((papers / "report.json").read_bytes())
    assert (told["outcome"], told["messages"], told["incidents"]) == ("running", [], [])


def test_a_report_goes_where_it_is_wanted_or_nowhere(
    papers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["release", "report", "-o", "mine.txt", "--to", "md"]) == Exit.OK
    assert Path("mine.txt").read_text().startswith("# 2.1.0")
    assert run(["release", "report", "-o", "no/such/mine.html"]) == Exit.USAGE
    assert "There is no folder" in capsys.readouterr().err
    assert run(["release", "report", "--to", "doc"]) == Exit.USAGE
    assert run(["release", "report", "r2"]) == Exit.NOT_FOUND
