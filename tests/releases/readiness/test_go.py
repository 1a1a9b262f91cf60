"""What keeps a GO from being had is counted, with the command that brings it on; the items are there one by one."""

from __future__ import annotations

from msgspec.structs import replace

from watership.errors import Unavailable
from watership.releases.measurement import unknown
from watership.releases.readiness.go import ConditionFound, NotGo, items_stand, not_good, verdict
from watership.releases.readiness.standing import ItemStanding, PointStanding, State
from watership.releases.verdict import Verdict


def item(number: int, state: State) -> ItemStanding:
    point = PointStanding(
        key=f"i{number}/p", text="p", state=state, how="measured", words='Unavailable: b\'{"type":' * 20
    )
    return ItemStanding(
        id=f"i{number}",
        number=number,
        title=f"Item {number}",
        section="A",
        owner="qa",
        due=None,
        late=False,
        points=(point,),
        names=frozenset(),
    )


def test_a_wall_of_bad_items_is_told_in_a_line() -> None:
    items = [
        *(item(number, "failed") for number in range(1, 24)),
        *(item(number, "inconclusive") for number in range(24, 51)),
        item(51, "passed"),
    ]
    assert items_stand(items) == (
        Verdict.FAILED,
        "50 of 51 items are not good: 23 failed, 27 not known (1 Item 1, 2 Item 2, 3 Item 3 and 47 more); "
        "see: watership check list --open",
    )
    assert items_stand([item(7, "failed"), item(8, "passed")])[1] == (
        "1 of 2 items are not good: 1 failed (7 Item 7: p); see: watership check list --open"
    )
    bad = not_good(items)
    assert [each.number for each in bad] == list(range(1, 51))
    assert bad[-1].state == "inconclusive"


def test_of_no_item_and_of_no_condition_nothing_is_known() -> None:
    found, words = items_stand([])
    assert found is Verdict.INCONCLUSIVE and "nothing was judged" in words
    assert verdict([]) is Verdict.INCONCLUSIVE
    refused = NotGo([])
    assert refused.verdict is Verdict.INCONCLUSIVE
    assert refused.message == "GO cannot be decided: The runbook states no condition of a GO."
    assert refused.fix.startswith("Write go_no_go in runbook.yaml")


def test_the_refusal_of_a_go_names_the_command_for_what_is_missing() -> None:
    approvals = ConditionFound(
        id="a",
        text="Approvals",
        verdict=Verdict.INCONCLUSIVE,
        words="qa: not given",
        fix="watership signoff list",
    )
    team = replace(approvals, fix="watership team ready", text="Team")
    told = NotGo([approvals, approvals, team, replace(team, verdict=Verdict.PASSED, fix="never")])
    assert (
        told.fix == "watership signoff list; watership team ready; or: watership gate decide no-go --reason …"
    )


def test_evidence_has_words_for_people_and_the_name_of_the_error_beside_them() -> None:
    got = unknown(Unavailable("No answer from db1."))
    assert (got.evidence, got.facts) == ("No answer from db1.", {"raised": "Unavailable"})
    broke = unknown(KeyError("x"))
    assert (broke.evidence, broke.facts) == ("The check itself broke: 'x'", {"raised": "KeyError"})
