"""A go-live in Markdown is read whole, or says what is missing and what was not understood."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import asdict

from watership.errors import BadInput
from watership.releases.book.imported.moment import window
from watership.releases.book.imported.reading import WHERE, Imported, load, read
from watership.releases.book.imported.seed import Field, Item, Step

SEED = Path(__file__).parents[1] / "seed" / "PRODUCTION_DEPLOYMENT_RUNBOOK.md"

COUNTS = {
    "items": 60,
    "points": 357,
    "verifications": 60,
    "phases": 7,
    "timeline_steps": 38,
    "preparations": 12,
    "roles": 8,
    "responsibilities": 33,
    "role_duties": 90,
    "templates": 4,
    "rollback_criteria": 19,
    "rollback_authorities": 6,
    "validations": 25,
    "contacts": 8,
    "escalation_levels": 3,
    "escalation_triggers": 5,
    "approvals": 5,
    "go_no_go_lines": 10,
}


@pytest.fixture(scope="module")
def text() -> str:
    return SEED.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seed() -> Imported:
    return load(SEED)


def item(found: Imported, number: int) -> Item:
    return next(each for each in found.runbook.items if each.number == number)


def test_the_seed_is_read_whole(seed: Imported) -> None:
    assert asdict(seed.counts) == COUNTS
    assert (seed.missing, seed.unread, seed.notes) == ((), (), ())
    assert seed.whole
    sections = {section.letter: section.claims for section in seed.runbook.sections}
    assert sections == {"A": 12, "B": 14, "C": 13, "D": 21}
    assert (
        sum(
            each.verification is not None and each.verification.command is not None
            for each in seed.runbook.items
        )
        == 26
    )


def test_the_words_are_those_of_the_document(seed: Imported, text: str) -> None:
    for each in seed.runbook.items:
        assert f"**[  ] {each.number}. {each.title}**" in text
        assert each.verification is not None
        assert f"- [ ] Verification: {each.verification.text}\n" in text
        for point in each.points:
            assert f"- [ ] {point}\n" in text
    for template in seed.runbook.templates:
        assert f"```\n{template.body}\n```" in text


def test_what_was_read_means_what_the_document_says(seed: Imported) -> None:
    book = seed.runbook
    secrets = item(seed, 8)
    assert (secrets.section, secrets.title, secrets.points[0]) == (
        "A", "Secrets & Credentials", "RabbitMQ credentials rotated",
    )  # fmt: skip
    assert secrets.verification and secrets.verification.command is None
    cutover = book.phases[5]
    assert (cutover.number, cutover.title, cutover.window.start, cutover.window.end) == (
        5,
        "TRAFFIC CUTOVER",
        2700,
        3300,
    )
    assert Step(at=3000.0, text="Route 50% traffic to blue") in cutover.steps
    assert [each.at for each in book.phases[0].preparations] == [-86400, -14400, -3600]
    assert book.phases[6].success_criteria[0] == "Error rate < 0.1%"
    assert "Maximum retries: 2" in book.phases[2].failure_handling
    assert book.roles[0].remark == "Decision Authority"
    assert book.roles[7].during[0] == "Update status page every 15 minutes"
    assert [each.title for each in book.criteria] == [
        "Critical Errors",
        "High Priority Errors",
        "Medium Priority",
    ]
    assert [each.holders[-1] for each in book.authorities] == [
        "Incident commander",
        "CTO/VP Engineering (executive decision)",
    ]
    assert [each.command for each in book.validations][2] == "scripts/post-deployment-verify.sh --extended"
    assert book.contacts[5].seat == "Operations Engineer #2"
    assert book.approvals[0].fields[1] == Field("Signature")
    assert [(each.window.start, each.window.end) for each in book.levels] == [
        (0, 900),
        (900, 1800),
        (1800, None),
    ]
    assert (len(book.go), len(book.no_go)) == (6, 4)
    assert [each.name for each in book.templates] == [
        "Message",
        "Status Update",
        "Issue Alert",
        "Success Message",
    ]


def test_a_copy_is_counted_as_it_is_and_not_as_the_seed_was(text: str) -> None:
    renumbered = re.sub(
        r"^\*\*\[  \] (\d+)\.", lambda found: f"**[  ] {int(found[1]) + 100}.", text, flags=re.MULTILINE
    )
    begin = renumbered.index("**[  ] 127. Unit Tests**")
    end = renumbered.index("**[  ] 128. Integration Tests**")
    added = (
        "**[  ] 201. Licences**\n- [ ] Every licence is known\n- [ ] None is forbidden\n"
        "- [ ] Verification: `reuse lint`\n\n"
        "**[x] 202. Weather**\n- [x] No storm is forecast\n- Verification: Look out of the window\n\n"
    )
    found = read(renumbered[:begin] + added + renumbered[end:])
    removed = 6
    expected = COUNTS | {"items": 61, "points": 357 - removed + 3, "verifications": 61}
    assert asdict(found.counts) == expected
    assert found.whole
    assert [each.number for each in found.runbook.items][:3] == [101, 102, 103]
    licences = item(found, 201)
    assert licences.points == ("Every licence is known", "None is forbidden")
    assert licences.verification and licences.verification.command == "reuse lint"
    assert item(found, 202).points == ("No storm is forecast",)
    assert found.notes == ("section C says 13 items, and holds 14",)


def sections(text: str) -> Iterator[tuple[str, str]]:
    """The document without one of its sections, for each that counts something."""
    for heading in WHERE:
        begun = re.search(rf"^(#+) {re.escape(heading)}$", text, flags=re.MULTILINE | re.IGNORECASE)
        assert begun
        rest = text[begun.end() :]
        ends = re.search(rf"^#{{1,{len(begun[1])}}} ", rest, flags=re.MULTILINE)
        yield heading, text[: begun.start()] + (rest[ends.start() :] if ends else "")


def test_a_section_that_is_missing_is_named(text: str) -> None:
    for heading, without in sections(text):
        found = read(without)
        lacking = {each.what for each in found.missing}
        assert lacking == set(WHERE[heading]), heading
        assert all(asdict(found.counts)[what] == 0 for what in lacking)
        assert all(heading in each.why for each in found.missing)
        kept = {name: number for name, number in asdict(found.counts).items() if name not in lacking}
        assert kept == {name: COUNTS[name] for name in kept}, heading
        assert not found.whole


def test_a_section_that_is_empty_says_where_it_stands(text: str) -> None:
    emptied = text.replace(
        "- On-call monitoring engineer\n- Deployment lead\n- Incident commander\n", ""
    ).replace(
        "- Product manager (business decision)\n- Engineering lead\n- CTO/VP Engineering (executive decision)\n",
        "",
    )
    (lack,) = read(emptied).missing
    assert lack.what == "rollback_authorities"
    assert lack.why == "line 1650, 'Rollback Decision Authority', holds none"


@pytest.mark.parametrize(
    ("was", "becomes", "unread"),
    [
        ("**[  ] 44. Metrics", "**[  ] Metrics", "Prometheus retention configured"),  # an item without a number
        ("**[  ] 44. Metrics Collection & Storage**", "[  ] 44. Metrics", "[  ] 44. Metrics"),  # not in bold
        ("T+52 min: Route 100%", "at once: Route 100%", "at once: Route 100% traffic to blue"),
        ("**Failure Handling:**\n- If val", "**Trouble:**\n- If val", "If validation fails: Investigate"),
        ("### 7. SECURITY ENGINEER", "### SECURITY ENGINEER", "Security validation"),
        ("**Network Engineer**\n- Name", "**Network Engineer**\n- Called", "Called: _______________________"),
    ],
)  # fmt: skip
def test_what_no_rule_takes_up_is_said_with_its_line(text: str, was: str, becomes: str, unread: str) -> None:
    assert was in text
    changed = text.replace(was, becomes)
    found = read(changed)
    assert not found.whole
    first = found.unread[0]
    assert first.text == unread
    assert unread in changed.splitlines()[first.line - 1]


def test_a_blank_line_that_somebody_forgot_hides_no_item(text: str) -> None:
    found = read(text.replace("\n\n**[  ] 45.", "\n**[  ] 45."))
    assert asdict(found.counts) == COUNTS


def test_what_is_filled_in_is_kept(text: str) -> None:
    named = text.replace(
        "**Network Engineer**\n- Name: _______________________", "**Network Engineer**\n- Name: Ada"
    )
    assert read(named).runbook.contacts[7].fields[0] == Field("Name", "Ada")
    assert asdict(read(named).counts) == COUNTS


def test_line_ends_and_a_mark_at_the_start_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "windows.md"
    path.write_bytes(b"\xef\xbb\xbf" + SEED.read_bytes().replace(b"\n", b"\r\n"))
    assert load(path) == load(SEED)


def test_what_was_encoded_twice_is_repaired_and_told(text: str) -> None:
    broken = text.replace("✓", "âœ“")
    found = read(broken)
    assert found.runbook.templates[3].body == read(text).runbook.templates[3].body
    assert found.notes == (f"{text.count('✓')} characters were encoded twice, and are repaired",)


def test_a_file_that_is_no_text_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "scan.md"
    path.write_bytes(b"# A\n\n\xff\n")
    with pytest.raises(BadInput, match=r"scan\.md:3: not UTF-8 text"):
        load(path)
    path.write_bytes(b"#" * (1 << 20) + b"#")
    with pytest.raises(BadInput, match="longer than"):
        load(path)


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("T-24 hours to T-0", -86400, 0),
        ("T+5 to T+25 min", 300, 1500),
        ("T+30 min to T+2 hours", 1800, 7200),
        ("0-15 minutes", 0, 900),
        ("30+ minutes", 1800, None),
        ("T+5 to T+25", None, None),
        ("If Needed", None, None),
    ],
)
def test_a_window_has_the_ends_that_the_text_states(
    words: str, start: float | None, end: float | None
) -> None:
    found = window(words)
    assert (found.text, found.start, found.end) == (words, start, end)
