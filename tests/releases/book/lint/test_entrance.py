"""A name that is led elsewhere: before traffic moves, with its TTL lowered, and never as the only dial."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.releases.book.lint.books import remarks
from tests.simulation.release_world import SHORT, ReleaseWorld
from watership.errors import BadInput
from watership.releases.book.document import parse
from watership.releases.book.lint import Remark
from watership.releases.book.runbook import Runbook
from watership.releases.book.shelf import Source
from watership.testing import run_in_virtual_time

BOOK = "runbook.yaml"
DISK = "      - { do: check, id: disk, check: disk.free, at: T-30m, title: Room, parameters: { used_below: 90% } }\n"
HALF = "      - { do: shift, id: half, at: T+1m, weight: 50%, title: Half }\n"
FULL = "      - { do: shift, id: full, at: T+4m, weight: 100%, title: All }\n"
LOWER = "      - { do: ttl, id: lower, of: entrance, at: T-30m, to: 60s, title: Lower }\n"
LEAD = '      - { do: repoint, id: lead, of: entrance, at: T-30m, to: "192.0.2.7", title: Lead }\n'


def said(tmp_path: Path, *changes: tuple[str, str, str]) -> list[Remark]:
    rules = ("dns-alone", "dns-on-the-way-back", "ttl-not-lowered")
    return [each for each in remarks(tmp_path, *changes) if each.rule in rules]


def test_a_name_that_is_led_elsewhere_before_traffic_moves_is_in_order(tmp_path: Path) -> None:
    assert remarks(tmp_path, (BOOK, DISK, DISK + LOWER + LEAD)) == []


def test_a_name_is_no_way_back(tmp_path: Path) -> None:
    late = LEAD.replace("T-30m", "T+2m")
    (found,) = said(tmp_path, (BOOK, DISK, DISK + LOWER), (BOOK, HALF, HALF + late))
    assert (found.weight, found.rule) == ("error", "dns-on-the-way-back")
    assert "moves the name after 'half' has moved traffic: a rollback would wait for resolvers" in found.words


def test_a_name_is_no_dial(tmp_path: Path) -> None:
    changes = [(BOOK, DISK, DISK + LOWER + LEAD), (BOOK, HALF, ""), (BOOK, FULL, "")]
    (found,) = said(tmp_path, *changes)
    assert (found.weight, found.rule) == ("error", "dns-alone")


def test_a_ttl_that_nothing_lowers_is_a_warning(tmp_path: Path) -> None:
    (found,) = said(tmp_path, (BOOK, DISK, DISK + LEAD))
    assert (found.weight, found.rule) == ("warning", "ttl-not-lowered")


@pytest.mark.parametrize("shifts", [True, False])
def test_no_release_is_planned_in_which_dns_is_the_dial_or_the_way_back(shifts: bool) -> None:
    book = SHORT.rstrip("\n") + "\n" + LEAD.replace("at: T-30m, ", "")
    if not shifts:
        book = "\n".join(line for line in book.splitlines() if "do: shift" not in line)

    async def main() -> None:
        ReleaseWorld(source=Source(runbook=parse(book, Runbook), sha256="0" * 64))

    with pytest.raises(BadInput, match="No release by this runbook: 'lead'"):
        run_in_virtual_time(main)
