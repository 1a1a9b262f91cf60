"""What somebody did to records is named at the command line, and nothing is judged by them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.releases.checklists import a_checked_plan
from watership.adapters.files.releases import Draft, ReleaseFolder
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.config import load
from watership.releases.smoke import Smoke
from watership.wiring.environment import Places
from watership.wiring.system import open_system

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask) -> Path:
    """A plan that nobody has started, of which people have spoken three times."""
    monkeypatch.chdir(tmp_path)
    places = Places.of(load(tmp_path, {}))

    async def made() -> None:
        async with await open_system(load(tmp_path, {}), waits=True):
            pass

    asyncio.run(made())
    folder = ReleaseFolder(places.releases, "2.1.0-1")
    folder.save_draft(Draft(plan=a_checked_plan(), scripts=(), smoke=Smoke()))
    for holds in ("--fails", "--fails", "--words=fine"):
        words = () if holds.startswith("--words") else ("--words", "no")
        assert ask("check", "attest", "uat", *words, holds, "--as", "quinn")[0] == Exit.OK
    return folder.folder / "records.jsonl"


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command; its exit code and what it said as JSON."""

    def asked(*arguments: str) -> tuple[int, Any]:
        code = run([*arguments, "--json"])
        said = capsys.readouterr()
        return code, json.loads((said.out or said.err).strip().splitlines()[-1])

    return asked


def test_an_edited_record_is_named_and_every_gate_needs_a_person(ask: Ask, records: Path) -> None:
    assert ask("audit", "verify")[0] == Exit.OK
    whole = records.read_bytes()
    records.write_bytes(whole.replace(b'"holds":false', b'"holds":true ', 1))

    code, told = ask("audit", "verify")
    assert (code, told["verified"]) == (Exit.NOT_OK, False)
    assert {name: (each["line"], each["what"]) for name, each in told["records"]["astray"].items()} == {
        str(records): (1, "edited")
    }
    for command in (
        ("gate", "show"),
        ("gate", "decide", "go", "--reason", "all green", "--as", "dana"),
        ("check", "list"),
        ("check", "attest", "uat", "--words", "fine", "--as", "quinn"),
        ("signoff", "give", "technical_lead", "--as", "theo"),
        ("release", "start", "--as", "sam"),
    ):
        code, told = ask(*command)
        assert (code, told["error"]) == (Exit.INCONCLUSIVE, "records_astray"), (command, told)
        assert "records.jsonl does not agree with the audit: line 1 was edited" in told["message"]
    records.write_bytes(whole)
    assert ask("audit", "verify")[0] == Exit.OK
    code, told = ask("gate", "show")
    assert (code, "0.2 %" in told["promise"], bool(told["sight"])) == (Exit.INCONCLUSIVE, True, True)
    assert ask("gate", "replay")[0] == Exit.NOT_FOUND
    assert ask("check", "attest", "uat", "--words", "fine", "--as", "quinn")[0] == Exit.OK


def test_the_words_for_people_name_file_and_line(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = records.read_bytes().splitlines(keepends=True)
    for lines, words in (
        ((first, third), "line 2 was removed: what stands here comes later, and entry"),
        ((second, first, third), "line 1 was moved: it belongs in line 2"),
        ((first, second, third, first, first), "line 4 was inserted: 2 lines follow"),
        ((first, second), "line 3 was removed: the file ends before it, and it is entry"),
    ):
        records.write_bytes(b"".join(lines))
        assert run(["audit", "verify"]) == Exit.NOT_OK
        assert f"ASTRAY: {records}, {words}" in capsys.readouterr().out
    records.write_bytes(first + second + third + first)
    assert run(["audit", "verify"]) == Exit.OK
    assert "records.jsonl, line 4 is in no entry: a crash came between" in capsys.readouterr().out


def test_an_export_has_no_records_to_be_compared_with(
    records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", "export", "-o", "copy.jsonl"]) == Exit.OK
    assert run(["audit", "verify", "copy.jsonl"]) == Exit.OK
    assert "they were not compared" in capsys.readouterr().out
    records.unlink()
    records.parent.joinpath("plan.json").unlink()
    records.parent.rmdir()
    assert run(["audit", "verify"]) == Exit.NOT_OK
    assert "line 1 was removed" in capsys.readouterr().out


def test_a_refused_sign_off_shows_wherever_it_is_asked_for_until_it_is_given(ask: Ask, records: Path) -> None:
    role, why = "security_lead", "refused by sue: no scan"
    assert ask("signoff", "give", role, "--as", "sue")[0] == Exit.OK
    assert ask("signoff", "refuse", role, "--reason", "no scan", "--as", "sue")[0] == Exit.OK

    code, told = ask("signoff", "list")
    assert (code, [each["reason"] for each in told["missing"] if each["refused"]]) == (Exit.NOT_OK, [why])
    assert ask("release", "status")[1]["refused"] == {role: why}
    code, told = ask("gate", "show")
    approvals = next(each for each in told["conditions"] if role in each["words"])
    assert (code, approvals["verdict"]) == (Exit.NOT_OK, "failed") and f"{role}: {why}" in approvals["words"]

    assert ask("signoff", "give", role, "--as", "sue")[0] == Exit.OK
    code, told = ask("signoff", "list")
    assert (code, [each for each in told["missing"] if each["refused"]]) == (Exit.INCONCLUSIVE, [])


def test_who_signs_twice_has_signed_once(ask: Ask, records: Path) -> None:
    for _ in range(2):
        assert ask("signoff", "give", "technical_lead", "--as", "theo")[0] == Exit.OK
    assert [each["person"] for each in ask("signoff", "list")[1]["signed"]] == ["theo"]
