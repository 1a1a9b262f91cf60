"""What does not fit in a runbook is shown where it stands: the file and the line, and the name that is near."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from watership.releases.book.document import DocumentError
from watership.releases.book.shelf import read

SHIPPED = Path(str(resources.files("watership"))) / "runbooks" / "agent-orchestrator"


@pytest.fixture
def runbook(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "runbook"))


def changed(folder: Path, file: str, change: Callable[[str], str]) -> str:
    path = folder / file
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        read(folder)
    return caught.value.message


def test_an_owner_that_nobody_is_names_who_is_near(runbook: Path) -> None:
    words = changed(
        runbook, "checklist/a-infrastructure.yaml", lambda text: text.replace("owner: dba", "owner: dbaa", 1)
    )
    assert re.fullmatch(
        r"checklist/a-infrastructure\.yaml:\d+: The owner 'dbaa' is no role .* did you mean 'dba'\?", words
    )


def test_a_role_that_stands_there_twice_is_shown_the_second_time(runbook: Path) -> None:
    team = (runbook / "team.yaml").read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(team, 1) if re.search(r"\bid: qa\b", line))
    words = changed(runbook, "team.yaml", lambda text: text.replace("id: security\n", "id: qa\n", 1))
    found = re.fullmatch(r"team\.yaml:(\d+): The role 'qa' stands there twice\.", words)
    assert found is not None and int(found[1]) > first


def test_a_number_that_two_items_have_is_shown_where_it_stands_again(runbook: Path) -> None:
    words = changed(
        runbook, "checklist/b-application.yaml", lambda text: text.replace("number: 14", "number: 13", 1)
    )
    assert words.startswith("checklist/b-application.yaml:") and "The number '13'" in words
