"""Points to die at: which there are, which are chosen, and that a process dies there and not elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from watership.errors import BadInput
from watership.rehearsal.campaign import Wanted, chosen
from watership.rehearsal.points import WRITES, Points, Watched, read, write_of
from watership.releases.environment import Environment
from watership.releases.ports import Hosts, Lock, Migrator, Router

POINTS = [
    *("journal.write#1/before", "journal.write#1/after", "audit.append#1/before", "audit.append#1/after"),
    *("journal.write#2/before", "journal.write#2/after"),
]

READS = {"read", "ticks", "instances", "version", "rehearse", "integrity", "lint", "rows"}


@pytest.mark.parametrize(
    ("port", "name"), [(Router, "router"), (Hosts, "hosts"), (Migrator, "migrator"), (Lock, "lock")]
)
def test_every_method_of_a_port_that_changes_something_is_a_place_to_die_at(port: type, name: str) -> None:
    methods = {each for each in vars(port) if not each.startswith("_")}
    assert methods - READS == set(WRITES[name])


def test_every_port_that_is_watched_is_the_environments_but_journal_and_messages() -> None:
    ports = set(Environment.__dataclass_fields__)
    assert set(WRITES) - ports == {"journal", "messages"}


class Target:
    """Writes, and reads."""

    def __init__(self) -> None:
        self.put: list[str] = []
        self.head = "head"

    def append(self, word: str) -> int:
        self.put.append(word)
        return len(self.put)

    def entries(self) -> list[str]:
        return self.put


def test_a_write_is_two_points_and_a_read_is_none(tmp_path: Path) -> None:
    watched = Watched(Target(), "audit", Points(notes=tmp_path / "points"))
    assert watched.append("one") == 1 and watched.append("two") == 2  # type: ignore[operator]
    assert watched.entries() == ["one", "two"] and watched.head == "head"  # type: ignore[operator]
    assert read(tmp_path / "points") == [
        *("audit.append#1/before", "audit.append#1/after"),
        *("audit.append#2/before", "audit.append#2/after"),
    ]


async def test_a_write_that_is_awaited_is_two_points_too(tmp_path: Path) -> None:
    class Store:
        async def write(self, word: str) -> str:
            return word

    watched = Watched(Store(), "work", Points(notes=tmp_path / "points"))
    assert await watched.write("one") == "one"  # type: ignore[operator]
    assert read(tmp_path / "points") == ["work.write#1/before", "work.write#1/after"]


@pytest.mark.parametrize(("side", "written"), [("before", "one"), ("after", "one two")])
def test_a_process_dies_at_its_point_as_if_the_power_were_cut(
    side: str, written: str, tmp_path: Path
) -> None:
    script = f"""
from pathlib import Path
from watership.rehearsal.points import Points, Watched
class Audit:
    def append(self, word):
        with Path("written").open("a") as file:
            file.write(word + " ")
audit = Watched(Audit(), "audit", Points("audit.append#2/{side}"))
try:
    for word in ("one", "two", "three"):
        audit.append(word)
finally:
    Path("unwound").touch()
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (tmp_path / "written").read_text().strip() == written
    assert not (tmp_path / "unwound").exists()


def test_each_takes_the_first_of_each_write_and_all_takes_every_one() -> None:
    assert chosen(POINTS, Wanted(crash="none")) == []
    assert chosen(POINTS, Wanted(crash="each")) == POINTS[:4]
    assert sorted(chosen(POINTS * 20, Wanted(crash="all"))) == sorted(POINTS * 20)
    assert chosen(POINTS, Wanted(crash="some", most=3)) == [POINTS[0], POINTS[2], POINTS[4]]
    assert chosen(POINTS, Wanted(crash="some", most=99)) == POINTS


def test_what_is_no_point_is_refused() -> None:
    assert write_of("router.set_weights#2/before") == "router.set_weights/before"
    with pytest.raises(BadInput, match="no point"):
        write_of("router.set_weights#2")
