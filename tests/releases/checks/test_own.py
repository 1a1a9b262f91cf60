"""Checks of a runbook's own: what is loaded, and what is refused with its line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.releases.book.lint.books import changed
from tests.releases.plans import NOON, a_plan
from tests.simulation.release_world import Life, ReleaseWorld
from watership.errors import BadInput, NotFound
from watership.releases.book.code import MAX_FILES, Code
from watership.releases.book.document import DocumentError
from watership.releases.book.lint import linted
from watership.releases.book.shelf import Source, read
from watership.releases.checks import CHECKS, CheckKind
from watership.releases.checks.own import loaded, planned
from watership.releases.order import Release
from watership.releases.plan import Plan, Size, draw, fingerprint
from watership.releases.smoke import Smoke
from watership.testing import run_in_virtual_time
from watership.testing.checks import measured, scene
from watership.testing.standin import Answer, StandIn
from watership.wiring.kinds import of_source

RACK = '''\
from __future__ import annotations

from dataclasses import dataclass

from watership.releases.checks import Finding, Scene, check, found


@dataclass
class Rack:
    doors: list[str]


@check("rack.locked", good_for="1h", fix="Lock it.")
async def locked(scene: Scene, *, doors: int = 1) -> Finding:
    """The rack has its doors, and each is locked."""
    rack = Rack(list(await scene.json("rack", "/doors")))
    return found(rack.doors == ["locked"] * doors, f"The doors are {', '.join(rack.doors)}.")
'''


def ours(folder: Path, text: str = RACK, name: str = "rack.py") -> Path:
    """The small runbook, with a check of its own that a point asks for."""
    changed(folder, ("checklist/a.yaml", "attest: No program sees a rack.", "check: rack.locked"))
    (folder / "checks").mkdir(exist_ok=True)
    (folder / "checks" / name).write_text(text)
    return folder


def drawn(source: Source) -> Plan:
    base = a_plan()
    return draw(
        source,
        release="2.1.0-1",
        environment="production",
        live=base.live,
        next=base.next,
        migrations=(),
        smoke=Smoke(),
        size=Size(),
        controller="sha256:controller",
        starter="Sam",
        created_at=NOON,
    )


def test_a_check_of_ones_own_passes_fails_and_does_not_know(tmp_path: Path) -> None:
    book = ours(tmp_path)
    with StandIn({"GET /doors": Answer(["locked", "locked"])}) as standin:
        there = scene(tmp_path, rack=standin.url)
        assert measured(book, "rack.locked", there, doors=2).verdict.value == "passed"
        with standin.changed("GET /doors", Answer(["open"])):
            got = measured(book, "rack.locked", there)
        assert (got.verdict.value, got.evidence, got.fix) == ("failed", "The doors are open.", "Lock it.")
        with standin.changed("GET /doors", None):
            assert measured(book, "rack.locked", there).verdict.value == "inconclusive"
    with pytest.raises(NotFound):
        measured(book, "rack.unlocked", there)


def test_a_lint_knows_what_a_check_of_ones_own_takes(tmp_path: Path) -> None:
    source = read(ours(tmp_path))
    assert linted(source, of_source(source)) == ()
    assert [each.rule for each in linted(source, CHECKS)] == ["unknown-check"]
    sheet = tmp_path / "checklist" / "a.yaml"
    sheet.write_text(sheet.read_text().replace("rack.locked", "rack.locked, parameters: { dors: 2 }"))
    source = read(tmp_path)
    (wrong,) = linted(source, of_source(source))
    assert wrong.rule == "bad-parameter" and "Did you mean 'doors'?" in wrong.words


def test_code_is_part_of_the_runbook_and_of_the_plan_that_is_signed(tmp_path: Path) -> None:
    before = read(ours(tmp_path))
    after = read(ours(tmp_path, RACK + "\n# one byte more"))
    assert before.sha256 != after.sha256
    assert [each.path for each in drawn(before).code] == ["checks/rack.py"]
    assert fingerprint(drawn(before)) != fingerprint(drawn(after))
    renamed = read(tmp_path, instead={"checks/tack.py": b"#"})
    assert list(renamed.files)[-2:] == ["checks/rack.py", "checks/tack.py"]


def test_code_that_is_not_what_was_planned_is_not_loaded(tmp_path: Path) -> None:
    source = read(ours(tmp_path))
    plan, (file,) = drawn(source), source.code
    assert planned(plan, (file, Code("checks/more.py", "raise SystemExit"))) == (file,)
    with pytest.raises(BadInput, match=r"The check checks/rack\.py is not the one that was planned"):
        planned(plan, (Code(file.path, file.text + " "),))
    with pytest.raises(BadInput, match=r"The check checks/rack\.py was not handed over"):
        planned(plan, ())


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("import sys\nx = (\n", 2, "SyntaxError: '(' was never closed"),
        ("\n\nimport nothing_of_that_name\n", 3, "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("def f():\n    raise KeyError('it')\n\nf()\n", 2, "KeyError: 'it'"),
        ("import sys\nsys.exit(0)\n", 2, "SystemExit: 0"),
        ("x = 1\n", 1, "defines no check"),
        (RACK.replace("rack.locked", "disk.free"), 13, "the check disk.free comes with Watership"),
        (RACK.replace("rack.locked", "Rack 1"), 13, "no runbook can write the name 'Rack 1'"),
        (RACK.replace("async def", "def").replace("await ", ""), 13, "the check rack.locked is no async function"),
        (RACK.replace("doors: int", "doors: list[int]"), 13, "locked(doors) is of no type that a runbook can write"),
        (RACK.replace("doors: int = 1", "doors=1"), 13, "locked(doors) is of no type that a runbook can write"),
        (RACK.replace("scene: Scene, *, doors: int = 1", ""), 13, "locked() takes no scene"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_loaded_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(DocumentError) as refused:
        loaded((Code("checks/rack.py", text),), CHECKS)
    assert (refused.value.source, refused.value.line) == ("checks/rack.py", line), refused.value
    assert words in refused.value.problem


def test_a_release_whose_code_does_not_load_any_more_is_not_resumed_and_takes_no_lock() -> None:
    def gone(_: Release) -> Mapping[str, CheckKind]:
        raise DocumentError("checks/rack.py", 3, "it cannot be loaded")

    async def main() -> None:
        world, life, before = ReleaseWorld(), Life(), asyncio.all_tasks()
        await world.begin()
        first = asyncio.create_task(world.controller(life).start(world.brief()))
        await world.clock.sleep(1.0)
        assert not first.done()
        await world.kill(life, asyncio.all_tasks() - before - {world.traffic})
        again = world.controller()
        again._kinds = gone
        with pytest.raises(DocumentError, match=r"checks/rack\.py:3"):
            await again.resume()
        assert world.lock.owner is None
        assert (await world.controller().resume()).outcome == "promoted"

    run_in_virtual_time(main, limit_seconds=7200.0)


def test_two_files_cannot_define_one_check(tmp_path: Path) -> None:
    ours(tmp_path)
    source = read(ours(tmp_path, name="tack.py"))
    with pytest.raises(DocumentError, match=r"checks/tack\.py:13: the check rack\.locked is defined twice"):
        of_source(source)


def test_what_is_no_text_or_too_much_is_refused(tmp_path: Path) -> None:
    folder = ours(tmp_path)
    (folder / "checks" / "rack.py").write_bytes(b"x = 1\ny = '\xff'\n")
    with pytest.raises(DocumentError, match=r"checks/rack\.py:2: not UTF-8 text"):
        read(folder)
    more = {f"checks/n{number}.py": b"" for number in range(MAX_FILES)}
    with pytest.raises(DocumentError, match="more than 100 files"):
        read(folder, instead=more)
