"""The audit log at the command line: looked into, followed, verified, taken elsewhere, sealed anew."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watership.adapters.files.audit import AuditFile, head_file
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.releases.auditing.audit import Broken, Entry
from watership.wiring.auditing import follow_log

SECRET = "s" * 40
FORMULA = "=HYPERLINK(evil)"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment's log of two releases, ten minutes between entries; the working folder is its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WATERSHIP_SECRET", raising=False)
    (tmp_path / ".watership").mkdir()
    path = tmp_path / ".watership" / "audit.jsonl"
    begin = datetime.now(UTC) - timedelta(hours=2)
    times = iter(begin + timedelta(minutes=10 * step) for step in range(1000))
    with AuditFile(path, times.__next__, secret="") as audit:
        for release in ("r1", "r2"):
            audit.append("ada", "plan.signed", {"release": release, "role": "technical_lead"})
            audit.append("controller", "release.cutover.half.passed", {"release": release, "share": 0.5})
            audit.append("controller", "release.ended", {"release": release, "outcome": "promoted"})
        audit.append(FORMULA, "authority.refused", {"act": "start\x1b[2J", "release": "r2"})
    return path


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[int]:
    assert run(["audit", "list", "--json", *options]) == Exit.OK
    return [entry["number"] for entry in json.loads(capsys.readouterr().out)["entries"]]


def test_entries_are_listed_by_release_actor_action_and_time(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listed(capsys) == [1, 2, 3, 4, 5, 6, 7]
    assert listed(capsys, "--release", "r1") == [1, 2, 3]
    assert listed(capsys, "--release", "r2", "--actor", "ada") == [4]
    assert listed(capsys, "--action", "release.*") == [2, 3, 5, 6]
    assert listed(capsys, "--action", "release") == []
    assert listed(capsys, "--since", "85m") == [5, 6, 7]
    assert listed(capsys, "--since", "2000-01-01") == [1, 2, 3, 4, 5, 6, 7]
    assert listed(capsys, "--limit", "2") == [6, 7]
    assert run(["audit", "list", "--since", "yesterday"]) == Exit.USAGE
    assert "Write 2026-11-23T12:00" in capsys.readouterr().err


def test_what_is_left_out_is_said_and_no_text_moves_the_terminal(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", "list", "--limit", "1"]) == Exit.OK
    said = capsys.readouterr()
    assert "6 older ones are left out" in said.err
    assert "\x1b" not in said.out
    assert FORMULA in said.out


def test_a_whole_log_is_verified_and_a_cut_one_is_not(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "verify"]) == Exit.OK
    assert "verified: 7 entries, head" in capsys.readouterr().out
    whole = log.read_bytes()
    log.write_bytes(whole[: whole.rfind(b"\n", 0, -1) + 1])
    assert run(["audit", "verify", "--json"]) == Exit.NOT_OK
    told = json.loads(capsys.readouterr().out)
    assert (told["verified"], told["number"]) == (False, 7)
    for command in (["list"], ["tail"], ["export"], ["export", "-o", "out.jsonl"]):
        assert run(["audit", *command]) == Exit.NOT_OK
        assert (
            capsys.readouterr().out == "BROKEN at entry 7: the record ends here, and 7 entries were written\n"
        )
    assert not Path("out.jsonl").exists()
    log.unlink()
    assert run(["audit", "verify"]) == Exit.NOT_OK
    assert "BROKEN at entry 1" in capsys.readouterr().out


def test_a_log_is_sealed_when_a_secret_is_set_and_who_lacks_it_learns_nothing(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATERSHIP_SECRET", SECRET)
    monkeypatch.setenv("WATERSHIP_AUTH", "none")
    assert run(["audit", "verify"]) == Exit.NOT_OK
    assert "is not signed, and there is a secret" in capsys.readouterr().out
    assert run(["audit", "seal", "--as", "ada"]) == Exit.OK
    assert run(["audit", "verify"]) == Exit.OK
    assert "its head is signed" in capsys.readouterr().out
    assert listed(capsys, "--action", "audit.sealed", "--actor", "ada") == [8]
    monkeypatch.delenv("WATERSHIP_SECRET")
    assert run(["audit", "verify"]) == Exit.INCONCLUSIVE
    assert "NOT CHECKED" in capsys.readouterr().out


def test_where_tokens_are_asked_for_a_seal_needs_an_administrator(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATERSHIP_SECRET", SECRET)
    for role, code in (("operator", Exit.NOT_ALLOWED), ("admin", Exit.OK)):
        assert run(["token", "issue", "ada", "--role", role]) == Exit.OK
        token = capsys.readouterr().out.strip()
        assert run(["audit", "seal", "--token", token]) == code
        capsys.readouterr()


def test_an_export_is_the_log_with_its_digest_and_is_verified_itself(
    log: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(["audit", "export"]) == Exit.OK
    said = capsysbinary.readouterr()
    assert said.out == log.read_bytes()
    assert f"7 entries, sha256 {hashlib.sha256(said.out).hexdigest()}".encode() in said.err
    assert run(["audit", "export", "-o", "copy.jsonl", "--json"]) == Exit.OK
    told = json.loads(capsysbinary.readouterr().out)
    copy = Path("copy.jsonl").read_bytes()
    assert told["sha256"] == hashlib.sha256(copy).hexdigest()
    assert run(["audit", "verify", "copy.jsonl"]) == Exit.OK
    Path("copy.jsonl").write_bytes(copy[:-1])
    assert run(["audit", "verify", "copy.jsonl"]) == Exit.NOT_OK


def test_an_export_does_not_replace_the_log(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = log.read_bytes()
    for name in (".watership/audit.jsonl", ".watership/audit.head", str(log.resolve())):
        assert run(["audit", "export", "-o", name]) == Exit.USAGE
    assert "does not replace the log" in capsys.readouterr().err
    assert log.read_bytes() == before
    assert run(["audit", "verify"]) == Exit.OK


def test_a_sheet_holds_every_entry_and_no_formula(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "export", "--to", "csv", "-o", "audit.csv"]) == Exit.OK
    rows = list(csv.reader(io.StringIO(Path("audit.csv").read_text())))
    assert rows[0] == ["number", "at", "actor", "action", "facts", "previous", "digest"]
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4", "5", "6", "7"]
    assert rows[7][2] == f"'{FORMULA}"
    assert json.loads(rows[1][4]) == {"release": "r1", "role": "technical_lead"}
    assert "7 entries, sha256" in capsys.readouterr().out


def test_the_tail_is_the_last_entries(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "tail", "-n", "2"]) == Exit.OK
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["6", "7"]


def followed(log: Path, *acts: str) -> Iterator[Entry | Broken]:
    """Follow the log from its third entry on, while at each pause the next of the acts befalls it."""
    entries = [json.loads(line)["number"] for line in log.read_text().splitlines()]
    assert entries == [1, 2, 3, 4, 5, 6, 7]
    coming = iter(acts)
    with AuditFile(log, lambda: datetime.now(UTC), secret="") as audit:
        third = audit.entries()[2]

        def meanwhile(_: float) -> None:
            match next(coming):
                case "append":
                    audit.append("bo", "note", {})
                case "begin a line":
                    log.write_bytes(log.read_bytes() + b'{"act')
                case "forge":
                    line = log.read_bytes().splitlines(keepends=True)[-1]
                    log.write_bytes(log.read_bytes() + line)
                case "cut":
                    log.write_bytes(log.read_bytes()[:100])

        yield from follow_log(log, third, pause=meanwhile)


def test_a_log_is_followed_over_what_comes_until_it_is_cut_or_forged(log: Path) -> None:
    told = list(followed(log, "append", "append", "begin a line", "cut"))
    assert [each.number for each in told] == [4, 5, 6, 7, 8, 9, 10]
    assert told[-1] == Broken(10, "the log was cut while it was followed")


def test_a_line_that_does_not_follow_ends_the_following(log: Path) -> None:
    told = list(followed(log, "append", "forge"))
    assert told[-1] == Broken(9, "it does not follow the entry before it")


def test_a_log_whose_head_was_removed_is_broken(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head_file(log).unlink()
    assert run(["audit", "verify"]) == Exit.NOT_OK
    assert (
        "BROKEN at its head, after entry 7: the head beside the record is missing" in capsys.readouterr().out
    )


def test_what_is_broken_comes_with_the_commands_that_mend_it(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.write_bytes(log.read_bytes().replace(b"technical_lead", b"security_lead", 1))
    fix = ""
    for words in (["verify"], ["list"], ["export"], ["seal", "--as", "ada"]):
        assert run(["audit", *words]) == Exit.NOT_OK
        fix = capsys.readouterr().err.partition("fix: ")[2]
        assert "keep it as evidence" in fix.lower() and "mv " in fix, words
    for move in fix.strip().partition("planned anew: ")[2].split("; "):
        command, old, new = shlex.split(move)
        assert command == "mv"
        Path(old).rename(new)
    with AuditFile(log, lambda: datetime.now(UTC), secret="") as audit:
        assert audit.append("ada", "plan.signed", {}).number == 1
    assert run(["audit", "verify"]) == Exit.OK


def test_what_is_no_head_and_what_is_a_sheet_is_no_broken_log(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", "verify", "--head", "abc"]) == Exit.USAGE
    assert "'abc' is no head" in capsys.readouterr().err
    assert run(["audit", "export", "--to", "csv", "-o", "r.csv"]) == Exit.OK
    assert run(["audit", "verify", "r.csv"]) == Exit.USAGE
    assert "--to jsonl" in capsys.readouterr().err
