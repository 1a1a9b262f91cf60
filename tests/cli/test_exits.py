"""How a verdict ends a command, and how each state is shown."""

from __future__ import annotations

from typing import get_args

import pytest

from watership.cli.check import exit_for_items
from watership.cli.exits import Exit, exit_for_verdict
from watership.cli.output import SIGNS
from watership.releases.readiness.standing import State
from watership.releases.service.baseline import Change
from watership.releases.verdict import Verdict


def test_every_verdict_has_an_exit_code_of_its_own() -> None:
    assert [exit_for_verdict(each) for each in Verdict] == [Exit.OK, Exit.NOT_OK, Exit.INCONCLUSIVE]


def test_a_checklist_without_items_is_not_known_to_be_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_for_items([]) is Exit.INCONCLUSIVE
    assert "nothing was judged" in capsys.readouterr().err


def test_every_state_has_a_sign() -> None:
    states = {*(each.value for each in (*Verdict, *Change)), *get_args(State)}
    assert states <= SIGNS.keys()
    assert [state for state in states if SIGNS[state] == "✓"] == [
        state for state in states if state in ("passed", "kept")
    ]
