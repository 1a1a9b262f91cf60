"""`watership runbook add-check`, and what the other commands say of a check of one's own."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from tests.releases.book.lint.books import changed
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.releases.book.addition import added
from watership.releases.book.shelf import find, read

Refused = tuple[Exit, str]

POINT = '      - { id: rack-locked, text: "The rack is locked", check: rack.locked }\n'


def add(folder: Path, *words: str, name: str = "rack-locked") -> int:
    return run(["runbook", "add-check", name, "--section", "A", "--runbook", str(folder), *words])


def test_a_check_is_begun_and_does_not_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = changed(tmp_path)
    before = (book / "checklist" / "a.yaml").read_text()
    assert add(book, "--item", "room", "--text", "The rack is locked") == Exit.OK
    said = capsys.readouterr()
    assert (
        said.out
        == "created checks/rack_locked.py, tests/test_rack_locked.py, and one line in checklist/a.yaml\n"
    )
    assert (book / "checklist" / "a.yaml").read_text() == before + POINT
    (item,) = read(book).runbook.checklist[0].items
    assert [point.check for point in item.points] == ["disk.free", None, "rack.locked"]
    assert run(["runbook", "check", str(book)]) == Exit.OK
    test = runpy.run_path(str(book / "tests" / "test_rack_locked.py"))
    test["test_nothing_is_known_until_the_check_is_written"](tmp_path)


def test_a_check_of_ones_own_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = changed(tmp_path)
    assert add(book, "--item", "1") == Exit.OK
    capsys.readouterr()
    assert run(["check", "explain", "rack.locked", "--runbook", str(book)]) == Exit.OK
    assert capsys.readouterr().out.startswith("rack.locked: Say here, in a sentence, when it passes.")
    assert run(["--json", "check", "explain", "--runbook", str(book)]) == Exit.OK
    kinds = {each["kind"] for each in json.loads(capsys.readouterr().out)["kinds"]}
    assert {"rack.locked", "disk.free"} <= kinds
    assert run(["check", "explain", "rack.locked"]) == Exit.NOT_FOUND


@pytest.mark.parametrize(
    ("words", "name", "refused"),
    [
        (("--item", "rooms"), "rack-locked", (Exit.NOT_FOUND, "Section A has no item 'rooms'.")),
        (("--item", "room", "--section", "B"), "rack-locked", (Exit.NOT_FOUND, "has no section 'B'")),
        (("--item", "room"), "disk-free", (Exit.CONFLICT, "There is a check disk.free already.")),
        (("--item", "room"), "rack", (Exit.CONFLICT, "The item 'room' has a point 'rack' already.")),
        (("--item", "room"), "Rack 1", (Exit.USAGE, "A check cannot be named 'Rack 1'.")),
    ],
)
def test_a_check_that_cannot_be_added_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], name: str, refused: Refused
) -> None:
    book, (code, said) = changed(tmp_path), refused
    before = read(book).sha256
    assert add(book, *words, name=name) == code
    assert said in capsys.readouterr().err
    assert read(book).sha256 == before and not (book / "checks").exists()


def test_a_file_that_does_not_import_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = changed(tmp_path)
    assert add(book, "--item", "room") == Exit.OK
    (book / "checks" / "rack_locked.py").write_text("\nimport not_there\n")
    assert run(["runbook", "check", str(book)]) == Exit.USAGE
    assert "checks/rack_locked.py:2: it cannot be loaded: ModuleNotFoundError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("points", "becomes"),
    [
        (
            "points: [{ id: a, text: A, attest: Why. }]  # all of it",
            "points: [{ id: a, text: A, attest: Why. }, %]  # all of it",
        ),
        (
            "points:\n    - id: a  # first\n      text: A\n      attest: >\n        Why\n        not.\n",
            "points:\n    - id: a  # first\n      text: A\n      attest: >\n        Why\n        not.\n    - %\n",
        ),
        (
            "points:\n      - { id: a, text: A, attest: Why. }  # one\n\n    command: look",
            "points:\n      - { id: a, text: A, attest: Why. }  # one\n      - %\n\n    command: look",
        ),
    ],
)
def test_a_point_is_added_as_a_person_would_write_it(tmp_path: Path, points: str, becomes: str) -> None:
    head = (
        "schema: watership/checklist/v1\nsection: A\nid: a\ntitle: A\nitems:\n"
        "  - id: room\n    number: 1\n    title: Room\n    owner: lead\n    by: T-30m\n    verification: Look\n"
    )
    command = "" if "command" in points else "    command: look\n"
    book = changed(tmp_path)
    sheet = book / "checklist" / "a.yaml"
    sheet.write_text(f"{head}{command}    {points}")
    assert add(book, "--item", "room", "--text", "The rack is locked") == Exit.OK
    line = POINT.strip().removeprefix("- ")
    assert sheet.read_text() == f"{head}{command}    {becomes.replace('%', line)}"


def test_each_section_of_the_shipped_runbook_can_be_lengthened() -> None:
    source = find("agent-orchestrator")
    for section in source.runbook.checklist:
        made = added(source, "rack-locked", section=section.section, item=section.items[-2].id)
        assert made.texts[made.checklist].count("check: rack.locked") == 1
