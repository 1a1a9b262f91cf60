"""Documents, by what they say."""

from __future__ import annotations

from datetime import timedelta

from tests.releases.checks.scenes import Looker, now
from watership.releases.book.quantity import Given

SAYS: dict[str, Given] = {"path": "a.md", "section": "Contacts"}
ENOUGH = " with a number by day and by night" * 3
MONTH = 30 * 86400.0


def test_a_section_says_what_is_asked_and_is_finished(looker: Looker) -> None:
    looker.fails("document.says", "There is no a.md", **SAYS)
    looker.write(
        "a.md", f"# All\n\n## Contacts\n\nOperations of 2.1.0: Ole{ENOUGH}.\n\n## More\n\nOn-call hours\n"
    )
    looker.passes("document.says", **SAYS, mentions="{version}, operations")
    looker.fails("document.says", "it does not mention on-call", **SAYS, mentions="on-call")
    looker.fails("document.says", "2 words, 20 at least", **(SAYS | {"section": "More"}))
    looker.fails("document.says", "no section 'Nobody'", **(SAYS | {"section": "Nobody"}))
    looker.write("a.md", f"## Contacts\n\nOperations: TBD{ENOUGH}\n")
    looker.fails("document.says", "'TBD' is not filled in", **SAYS)
    looker.unsure("document.says", "BadInput", **(SAYS | {"path": "../a.md"}))


def test_a_section_that_has_to_be_young_bears_a_date_of_its_own(looker: Looker) -> None:
    def dated(words: str) -> None:
        looker.write("a.md", f"## Contacts\n\nOperations: Ole{ENOUGH}. {words}\n")

    def day(ago: int) -> str:
        return f"{now() - timedelta(days=ago):%Y-%m-%d}"

    dated("")
    looker.passes("document.says", **SAYS)
    looker.fails("document.says", "it bears no date (YYYY-MM-DD)", **SAYS, younger_than=MONTH)
    dated(f"First of {day(400)}, gone through on {day(30)}.")
    looker.passes("document.says", **SAYS, younger_than=MONTH)
    dated(f"Gone through on {day(32)}.")
    looker.fails("document.says", f"it is dated {day(32)}, before 30d", **SAYS, younger_than=MONTH)
    dated(f"Gone through on {day(-3)}.")
    looker.fails("document.says", "which has not come yet", **SAYS, younger_than=MONTH)
