"""What docs/messages.md shows is what is read, and names all that a template may."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from msgspec import Struct

from tests.releases.notices.scenes import comms
from watership.releases.notices.comms import Channel
from watership.releases.notices.lint import check_comms
from watership.releases.notices.minute import Traffic
from watership.releases.notices.notice import Asked, Incident, Issue
from watership.releases.notices.situation import Approval, PhaseSight, Rollback, Seat, Situation
from watership.releases.notices.template import Scene, escaping

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "messages.md").read_text(encoding="utf-8")


def test_the_comms_that_are_shown_can_be_used() -> None:
    shown = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    found = comms(shown[1])
    assert check_comms(found) == {}
    kinds = {kind.__struct_config__.tag for kind in get_args(Channel)}
    assert {channel.__struct_config__.tag for channel in found.channels} == kinds
    assert all(f"| `{kind}` |" in PAGE for kind in kinds)


@pytest.mark.parametrize(
    "shape", [Situation, Scene, Issue, Incident, Asked, Approval, Seat, PhaseSight, Traffic, Rollback]
)
def test_every_name_that_a_template_may_use_is_told(shape: type[Struct]) -> None:
    table = PAGE.partition("| name | what it holds |")[2].partition("\n\n")[0]
    told = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", table))))
    assert set(shape.__struct_fields__) - told == set()


def test_every_filter_of_ours_is_told() -> None:
    ours = {name for name, made in escaping().filters.items() if made.__module__.startswith("watership")}
    assert ours == {"utc", "spoken", "percent"}
    assert all(f"`{name}`" in PAGE for name in ours)
