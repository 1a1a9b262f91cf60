"""A skeleton holds everything that the document holds, in files that the strict loader reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from watership.releases.book.document import Keyed, Scalar, tree
from watership.releases.book.imported.reading import load
from watership.releases.book.imported.seed import Role, SeedRunbook
from watership.releases.book.imported.skeleton import ATTEST, BASE, skeleton
from watership.releases.book.imported.text import scalar, slug
from watership.releases.book.lint import linted
from watership.releases.book.shelf import Source, read, shipped
from watership.releases.checks import CHECKS
from watership.releases.readiness.checklist import items_of, points_of

SEED = Path(__file__).parents[1] / "seed" / "PRODUCTION_DEPLOYMENT_RUNBOOK.md"


@pytest.fixture(scope="module")
def seed() -> SeedRunbook:
    return load(SEED).runbook


@pytest.fixture(scope="module")
def ours(seed: SeedRunbook, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The seed's skeleton, read by the strict loader."""
    return written(tmp_path_factory.mktemp("ours"), skeleton(seed, "ours"))


def written(folder: Path, files: Mapping[str, str]) -> Source:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return read(folder)


def test_what_people_wrote_is_all_there(seed: SeedRunbook, ours: Source) -> None:
    book = ours.runbook
    items = list(items_of(book.checklist))
    assert [(each.number, each.title) for each in items] == [(each.number, each.title) for each in seed.items]
    assert [point.text for _, point in points_of(book.checklist)] == [
        text for each in seed.items for text in each.points
    ]
    assert {point.attest for _, point in points_of(book.checklist)} == {ATTEST}
    assert [each.verification for each in items] == [
        each.verification.text for each in seed.items if each.verification
    ]
    for role, theirs in zip(book.roles, seed.roles, strict=True):
        assert (role.responsibilities, role.before) == (theirs.responsibilities, theirs.before)
        assert (role.during, role.after) == (theirs.during, theirs.after)
    assert [each.text for each in book.go_no_go] == list(seed.go)
    assert len(book.no_go_record) == len(seed.no_go)
    assert list(book.signoffs.titles.values()) == [each.role for each in seed.approvals]
    assert [point.text for each in book.validations for point in each.points] == [
        text for each in seed.validations for text in each.points
    ]
    assert book.validations[1].begins == 1800
    assert book.escalation is not None
    assert [(each.title, each.after) for each in book.escalation.levels] == [
        ("On-Call Engineer", 0), ("Engineering Lead", 900), ("VP Engineering", 1800),
    ]  # fmt: skip
    assert book.escalation.triggers == seed.triggers


def test_who_may_what_is_what_the_document_says(ours: Source) -> None:
    book = ours.runbook
    assert book.may("deployment_lead") == {"go_no_go", "roll_back_on_criteria"}
    assert book.may("qa") == frozenset()
    may = {each.title: each.may for each in book.authorities}
    assert may["Incident commander"] == ("roll_back_on_criteria",)
    assert may["Product manager (business decision)"] == ("roll_back_by_decision",)


def test_its_phases_ask_for_the_checklist_and_for_the_decision(ours: Source) -> None:
    book, base = ours.runbook, shipped(BASE).runbook
    assert [phase.id for phase in book.phases] == [phase.id for phase in base.phases]
    added = {item.id for phase in book.phases for item in phase.items}
    added -= {item.id for phase in base.phases for item in phase.items}
    assert added == {"checklist", "decision"}
    found = linted(ours, CHECKS)
    assert {each.rule for each in found if each.weight == "error"} == set()
    assert not {"unreached-item", "unreached-gate", "out-of-order", "after-its-phase"} & {
        each.rule for each in found
    }


def test_messages_are_templates_with_the_words_of_the_document(seed: SeedRunbook) -> None:
    files = skeleton(seed, "ours")
    text = files["comms/success-message.md"]
    assert text.startswith('---\nsubject: "Post-Deployment Communication"\n---\nSUBJECT: Production')
    braces = replace(seed.templates[0], body="Dear {{name}}")
    assert (
        "{% raw %}Dear {{name}}{% endraw %}"
        in skeleton(replace(seed, templates=(braces,)), "x")["comms/message.md"]
    )


def test_a_document_with_other_seats_has_its_first_as_owner(seed: SeedRunbook, tmp_path: Path) -> None:
    captain = Role(number=1, title="Captain", remark=None)
    book = written(tmp_path, skeleton(replace(seed, roles=(captain,)), "ours")).runbook
    assert {phase.owner for phase in book.phases} == {"captain"}
    assert {item.owner for item in items_of(book.checklist)} == {"captain"}


def test_an_empty_document_gives_a_runbook_all_the_same(tmp_path: Path) -> None:
    book = written(tmp_path, skeleton(SeedRunbook(title=""), "empty")).runbook
    assert (book.name, book.checklist, book.go_no_go) == ("empty", (), ())


def test_an_item_without_points_is_a_point_itself(seed: SeedRunbook, tmp_path: Path) -> None:
    bare = replace(seed.items[0], points=(), verification=None)
    book = written(tmp_path, skeleton(replace(seed, items=(bare,)), "ours")).runbook
    ((item, point),) = points_of(book.checklist)
    assert (point.text, item.verification) == (bare.title, "The document does not say.")


@given(
    st.text(min_size=1, max_size=40)
    | st.sampled_from(["true", "false", "NO", "2.10", "a: b", "x #y", "a, b", "[x]"])
)
@example("true")
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    node = tree(f"- {{ id: a, text: {scalar(text)}, attest: {scalar(text)} }}\nb: 1".partition("\nb")[0])
    (entry,) = node.items  # type: ignore[union-attr] # a list of one mapping
    assert isinstance(entry, Keyed)
    for key in ("text", "attest"):
        value = entry.items[key]
        assert isinstance(value, Scalar)
        assert value.value() == text


def test_ids_are_words_and_never_twice_the_same() -> None:
    assert slug("SSL/TLS & Certificates") == "ssl-tls-and-certificates"
    assert slug("24/7 cover") == "x-24-7-cover"
    assert slug("Tests", ["tests", "tests-2"]) == "tests-3"
    assert len(slug("word " * 40)) <= 50
    assert slug("QA lead", joint="_") == "qa_lead"
