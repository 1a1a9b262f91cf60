"""What docs/checks.md shows is what is read: its systems, its items, and the check that it writes."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from tests.releases.book.lint.books import changed
from watership.releases.book.document import parse
from watership.releases.book.system import Systems
from watership.releases.checks import CHECKS
from watership.releases.readiness.checklist import Point, Section, points_of

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "checks.md").read_text(encoding="utf-8")

ITEM, SYSTEMS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

CHECK, TEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

WITHOUT_CODE = re.findall(r"^\| `([a-z.]+)` \| .* \| `(\{.*\})` \|$", PAGE, re.MULTILINE)


def test_the_systems_that_are_shown_can_be_used() -> None:
    assert set(parse(SYSTEMS, Systems).systems) == {"jira", "replica", "registry"}


def test_the_item_that_is_shown_can_be_used() -> None:
    head = "schema: watership/checklist/v1\nsection: A\nid: a\ntitle: A\nitems:\n"
    section = parse(head + re.sub("^", "  ", ITEM, flags=re.MULTILINE), Section)
    measured = [point for _, point in points_of((section,)) if point.check is not None]
    assert measured
    for point in measured:
        CHECKS[point.check or ""].bound(point.parameters)


@pytest.mark.parametrize(("name", "given"), WITHOUT_CODE)
def test_a_kind_that_needs_no_code_takes_what_is_shown(name: str, given: str) -> None:
    # As a runbook's point is read: a percentage is a number there.
    asked = parse(f"id: it\ntext: it\ncheck: {name}\nparameters: {given}\n", Point).parameters
    assert CHECKS[name].bound(asked).keys() >= asked.keys()


def test_the_check_that_is_shown_passes_the_test_that_is_shown(tmp_path: Path) -> None:
    book = changed(tmp_path / "book")
    for path, code in (("checks/clients_allowed.py", CHECK), ("tests/test_clients_allowed.py", TEST)):
        (book / path).parent.mkdir()
        (book / path).write_text(code)
    test = runpy.run_path(str(book / "tests" / "test_clients_allowed.py"))
    test["test_a_list_is_as_long_as_it_may_be"](tmp_path)
