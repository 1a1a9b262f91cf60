"""The changelog, and the version that its entries ask for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.releases.checks.scenes import Looker, now
from tests.releases.plans import a_plan, side
from watership.fleet.deployment import Slot
from watership.releases.checks.changelog import entries

TODAY = f"{now():%Y-%m-%d}"


def log(body: str, *, head: str = f"[2.1.0] - {TODAY}") -> str:
    old = "## [2.0.5] - 2026-01-07\n### Removed\n- Much.\n"
    return f"# Changelog\n\n## [Unreleased]\n- Later.\n\n## {head}\n{body}\n\n{old}"


def test_headings_are_read_as_people_write_them() -> None:
    text = "\n".join(
        ("## [1.2.0] - 2026-01-02", "### Added", "- A.", "## v1.1.0 (2026-01-01)", "## 1.0.0", "- B.")
    )
    assert [(each.version, each.dated) for each in entries(text)] == [
        ("1.2.0", "2026-01-02"),
        ("1.1.0", "2026-01-01"),
        ("1.0.0", ""),
    ]
    assert entries(text)[0].parts == {"added": ["- A."]}


def test_a_version_that_is_dated_and_says_something_passes(looker: Looker) -> None:
    looker.fails("code.changelog", "There is no CHANGELOG.md")
    looker.write("CHANGELOG.md", log("### Added\n- Topics."))
    assert "1 changes of 2.1.0" in looker.passes("code.changelog")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (log("### Added\n- Topics.", head=f"[2.2.0] - {TODAY}"), "has no version 2.1.0"),
        (log("### Added\n"), "says nothing of what changed"),
        (log("### Added\n- Topics.", head="[2.1.0] - soon"), "its date is 'soon'"),
        (log("### Added\n- Topics.", head="[2.1.0]"), "its date is ''"),
        (log("### Added\n- Topics.", head="[2.1.0] - 2025-01-01"), "not within the last 30d"),
        (log("### Added\n- Topics.", head="[2.1.0] - 2099-01-01"), "not within the last 30d"),
    ],
)
def test_what_a_changelog_may_lack(looker: Looker, text: str, words: str) -> None:
    looker.write("CHANGELOG.md", text)
    looker.fails("code.changelog", words)


@pytest.mark.parametrize(
    ("before", "after", "body", "good"),
    [
        ("2.0.5", "2.1.0", "### Added\n- A.", True),
        ("2.0.5", "2.1.0", "### Fixed\n- A.", True),
        ("2.0.5", "2.1.0", "### Removed\n- A.", False),
        ("2.0.5", "2.1.0", "### Changed\n- **Breaking:** A.", False),
        ("2.0.5", "3.0.0", "### Removed\n- A.", True),
        ("2.0.5", "2.0.6", "### Added\n- A.", False),
        ("2.0.5", "2.0.6", "### Security\n- A.", True),
        ("2.1.0", "2.0.9", "### Fixed\n- A.", False),
        ("0.4.0", "0.5.0", "### Removed\n- A.", True),
        ("0.4.0", "0.4.1", "### Removed\n- A.", False),
        ("2.9.0", "2.10.0", "### Added\n- A.", True),
    ],
)
def test_the_version_rises_as_far_as_the_entries_ask(
    looker: Looker, before: str, after: str, body: str, good: bool
) -> None:
    looker.plan = replace(a_plan(), live=side(before, Slot.GREEN), next=side(after, Slot.BLUE))
    old = f"## [{before}] - 2026-01-01\n### Removed\n- Old.\n"
    looker.write("CHANGELOG.md", f"## [{after}] - {TODAY}\n{body}\n{old}")
    if good:
        looker.passes("code.version")
    else:
        looker.fails("code.version", f"{before} to {after}" if before < after else "tells nothing")


def test_a_version_that_is_none_is_no_verdict(looker: Looker) -> None:
    looker.plan = a_plan(live=side("green", Slot.GREEN))
    looker.write("CHANGELOG.md", log("### Added\n- A."))
    looker.unsure("code.version", "no semantic version")
