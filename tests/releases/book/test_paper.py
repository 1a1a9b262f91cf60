"""What is printed of a runbook is made of it, and nothing of it is left out."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from tests.releases.book.lint.books import changed
from watership.errors import BadInput
from watership.releases.book.imported.reading import load
from watership.releases.book.imported.reading import read as imported
from watership.releases.book.imported.skeleton import skeleton
from watership.releases.book.paper import checklist, cutover, document, page
from watership.releases.book.runbook import Drain, Shift, Soak
from watership.releases.book.shelf import Source, names, read, shipped
from watership.releases.readiness.checklist import items_of, points_of

SEED = Path(__file__).parent / "seed" / "PRODUCTION_DEPLOYMENT_RUNBOOK.md"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The seed's runbook in our files."""
    folder = tmp_path_factory.mktemp("whole")
    for name, text in skeleton(load(SEED).runbook, "whole").items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return read(folder)


def test_the_printed_document_is_read_again_as_the_runbook_it_was(whole: Source) -> None:
    found = imported(document(whole))
    wanted = asdict(load(SEED).counts)
    kept = {name: number for name, number in asdict(found.counts).items() if name in wanted}
    book = whole.runbook
    kept_wanted = wanted | {
        # Acts, fuses and what is due are those of the phases that can be executed; messages are files of their own.
        "timeline_steps": sum(len(phase.items) for phase in book.phases),
        "preparations": 0,
        "templates": 0,
        "rollback_criteria": len(book.fuses),
        # A role may also be an authority: the deployment lead and the monitoring engineer's seat stand once each.
        "rollback_authorities": 6,
        # The escalation calls somebody whom the document did not list.
        "contacts": 9,
    }
    assert kept == kept_wanted
    assert found.unread == ()
    assert [item.title for item in found.runbook.items] == [item.title for item in items_of(book.checklist)]


@pytest.mark.parametrize("name", names())
def test_every_shipped_runbook_has_its_papers(name: str) -> None:
    source = shipped(name)
    book = source.runbook
    text = document(source)
    for item in [item for phase in book.phases for item in phase.items]:
        assert item.title in text
    for fuse in book.fuses:
        assert fuse.name in text
    for made in (document, cutover):
        assert source.sha256 in made(source)
        assert "None" not in made(source)


def test_the_checklist_has_a_box_for_every_item_and_point(whole: Source) -> None:
    text = checklist(whole)
    book = whole.runbook
    rows = [line for line in text.splitlines() if line.startswith(("| [ ] |", "| **[ ]** |"))]
    points = len(list(points_of(book.checklist))) + sum(len(each.points) for each in book.validations)
    assert len(rows) == 60 + points + len(book.signoffs.needed)
    assert "| **[ ]** | **6** | **SSL/TLS & Certificates** | **DEPLOYMENT LEAD** | **T-1h** |" in text
    assert "| [ ] | 6.1 | All certificates valid and renewed | | | ____________ |" in text
    assert "Decision: [ ] GO [ ] NO-GO" in text


def test_what_a_program_measures_is_not_signed(tmp_path: Path) -> None:
    text = checklist(read(changed(tmp_path)))
    assert "| [ ] | 1.1 | There is room | | | measured: `disk.free` |" in text
    assert "| [ ] | 1.2 | The rack is locked | | | ____________ |" in text


def test_the_cutover_is_what_the_runbook_does(tmp_path: Path) -> None:
    source = read(changed(tmp_path))
    text = cutover(source)
    assert (
        "| T+1m | Half | Lead | sets router and intake to 50 % for next, and reads both back | 50 % | 50 % |"
        in text
    )
    assert "the gate looks for 2m at least, until it has a verdict, 10m at most | 50 % | 50 % |" in text
    assert (
        "| T+4m | All | Lead | sets router and intake to 100 % for next, and reads both back | 0 % | 100 % |"
        in text
    )
    assert "on the criteria: Lead" in text
    assert "by decision" not in text  # nobody may
    assert "within 2m." in text
    assert "All of it within 5m." in text


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("weight: 50%", "weight: 20%", "sets router and intake to 20 % for next"),
        ("length: 2m", "length: 3m", "the gate looks for 3m at least"),
        ("traffic: 2m", "traffic: 90s", "within 1m 30s"),
        ("on_failure: roll_back", "on_failure: hold", "If a step fails, the release waits for a person"),
        ("above: 10%, window: 60s", "above: 10%, window: 5m", "Too short a time for these to blow: error rate"),
        ("above: 10%, window: 60s", "above: 12%, window: 60s", "- error rate above 12 % for 1m"),
        ("min_samples: 3000", "min_samples: 500", "before 500 requests"),
        ("at_most: 48h", "at_most: 72h", "is kept for 24h to 72h"),
    ],
)  # fmt: skip
def test_another_runbook_has_other_procedures(tmp_path: Path, was: str, becomes: str, words: str) -> None:
    assert words not in cutover(read(changed(tmp_path)))
    assert words in cutover(read(changed(tmp_path, ("runbook.yaml", was, becomes))))


def test_parameters_are_printed_as_they_are_written(tmp_path: Path) -> None:
    assert "Room (Lead: disk.free used_below=90%)" in document(read(changed(tmp_path)))


def test_every_step_of_the_shipped_cutover_is_there() -> None:
    source = shipped("agent-orchestrator")
    text = cutover(source)
    phase = next(each for each in source.runbook.phases if any(isinstance(i, Shift) for i in each.items))
    rows = [line for line in text.splitlines() if re.match(r"\| T[+-]", line)]
    assert len(rows) == len(phase.items)
    assert {type(item) for item in phase.items} >= {Shift, Soak, Drain}


def test_what_a_runbook_does_not_have_is_not_printed(tmp_path: Path) -> None:
    source = read(changed(tmp_path))
    with pytest.raises(BadInput, match="has no checklist"):
        checklist(replace(source, runbook=replace(source.runbook, checklist=())))
    with pytest.raises(BadInput, match="shifts no traffic"):
        cutover(replace(source, runbook=replace(source.runbook, phases=source.runbook.phases[:1])))


class Markup(HTMLParser):
    """The tags of a page, and whether they close."""

    VOID = frozenset({"meta", "br", "hr", "img", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_runs_nothing(whole: Source) -> None:
    for text in (document(whole), checklist(whole), cutover(whole)):
        made = page(text)
        markup = Markup()
        markup.feed(made)
        assert markup.open == []
        assert not {"script", "img", "link", "iframe"} & set(markup.tags)
        assert "[ ]" not in made
        assert "default-src 'none'" in made
    assert page(document(whole)).count('<li class="box">') > 357


def test_markup_in_a_runbook_is_only_text(tmp_path: Path) -> None:
    evil = (
        "checklist/a.yaml",
        "text: The rack is locked",
        'text: "<script>alert(1)</script> | [x](javascript:alert(1))"',
    )
    source = read(changed(tmp_path, evil))
    for made in (page(document(source)), page(checklist(source))):
        assert "<script>" not in made
        assert 'href="javascript' not in made
        assert "&lt;script&gt;" in made
    assert "&lt;/script&gt; | [x](javascript:alert(1))</td>" in page(checklist(source))
