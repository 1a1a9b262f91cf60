"""A plan fits together, keeps the seed's numbers, and has a fingerprint of all it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy as copy_of
from datetime import datetime, timedelta
from enum import Enum
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.releases.plans import ADD_TOPIC, a_plan, side
from watership.errors import BadInput, NotFound
from watership.fleet.deployment import Slot
from watership.releases.book.document import DocumentError
from watership.releases.book.runbook import Drain, Runbook, Shift, Soak
from watership.releases.book.shelf import read, shipped
from watership.releases.judging.fuse import ErrorRate, Level
from watership.releases.plan import Overrides, Plan, access, check_kinds, fingerprint
from watership.releases.ports import Migration


def book() -> Runbook:
    return shipped("one-machine").runbook


def test_the_phases_are_the_seeds() -> None:
    found = [(phase.number, phase.at / 60, phase.budget / 60, phase.retries) for phase in book().phases]
    assert found == [
        (0, -1440, 1440, 0),
        (1, 0, 5, 0),
        (2, 5, 20, 2),
        (3, 25, 10, 0),
        (4, 35, 10, 0),
        (5, 45, 20, 0),
        (6, 55, 35, 0),
    ]


def test_the_people_are_the_seeds() -> None:
    runbook = book()
    assert len(runbook.roles) == 8
    assert len(runbook.signoffs.needed) == 5
    assert not runbook.signoffs.starter_may_sign
    assert runbook.signoffs.expires == 86_400
    assert "roll_back_on_criteria" in runbook.may("monitoring")
    assert runbook.may("executive") == {"roll_back_by_decision"}
    assert not runbook.may("qa")


def test_the_cutover_is_the_seeds() -> None:
    acts = [item.does for item in a_plan().items if item.phase == "cutover"]
    assert [act.weight for act in acts if isinstance(act, Shift)] == [0.5, 1.0]
    assert [(act.length, act.give_up) for act in acts if isinstance(act, Soak)] == [(60.0, 600.0)]
    assert [act.length for act in acts if isinstance(act, Drain)] == [30.0]


def test_the_thresholds_are_the_seeds() -> None:
    errors = [fuse for fuse in book().fuses if isinstance(fuse, ErrorRate)]
    assert [(fuse.above, fuse.window, fuse.min_samples, fuse.then) for fuse in errors] == [
        (0.1, 120.0, 50, "roll_back"),
        (0.05, 300.0, 50, "page"),
        (0.01, 600.0, 50, "investigate"),
    ]
    latency = [fuse for fuse in book().fuses if isinstance(fuse, Level) and fuse.of == "latency_p95"]
    assert [(fuse.bound, fuse.window) for fuse in latency] == [(5.0, 30.0), (1.0, 300.0), (0.5, 60.0)]


def copied(folder: Path) -> Path:
    """The shipped runbook with what it includes, to be changed."""
    for each in (resources.files("watership") / "runbooks/one-machine").iterdir():
        (folder / each.name).write_text(each.read_text("utf-8"), "utf-8")
    return folder / "runbook.yaml"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("hold_back: 0%", "hold_back: 1%", "A watch compares with live if, and only if"),
        ("    owner: network\n", "    owner: netwrok\n", "The owner 'netwrok' is no role"),
        ("    id: cutover\n", "    id: validation\n", "The phase 'validation' stands there twice"),
        ("    at: T+45m\n", "    at: T+5m\n", "The phases do not stand in the order"),
        ("length: 60s, give_up: 10m", "length: 60s, give_up: 10s", "gives up before it is over"),
        ("soak, id: soak", "soka, id: soak", "unknown do 'soka' — did you mean 'soak'?"),
        ("limit: 2%, sees: 5%", "limit: 2%, sees: 1%", "must see a rate above it"),
    ],
)
def test_a_runbook_that_contradicts_itself_is_refused(
    was: str, becomes: str, said: str, tmp_path: Path
) -> None:
    changed = copied(tmp_path)
    text = changed.read_text("utf-8")
    assert was in text
    changed.write_text(text.replace(was, becomes, 1), "utf-8")
    with pytest.raises(DocumentError, match=re.escape(said)):
        read(changed)


def test_a_watch_may_hold_traffic_back_to_compare_with(tmp_path: Path) -> None:
    changed = copied(tmp_path)
    arm = "      - { against: live, of: errors, tolerance: 0.1%, sees: 1% }\n"
    text = changed.read_text("utf-8").replace("hold_back: 0%", "hold_back: 1%")
    text = text.replace("standby:", f"{arm}\nstandby:")
    changed.write_text(text, "utf-8")
    assert read(changed).runbook.watch.hold_back == 0.01


def test_an_unknown_runbook_is_named_with_those_that_are_shipped() -> None:
    with pytest.raises(NotFound, match="one-machine"):
        shipped("nothing")


def test_a_plan_survives_being_written_and_read() -> None:
    plan = a_plan()
    again = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    assert again == plan
    assert fingerprint(again) == fingerprint(plan)


def test_every_item_has_a_key_of_its_own() -> None:
    keys = [item.key for item in a_plan().items]
    assert len(set(keys)) == len(keys) == 42
    assert "cutover/half" in keys
    assert a_plan().phase(a_plan().items[-1]).id == "post-verification"
    assert "http.health" in check_kinds(a_plan())


def test_a_clock_factor_shortens_what_is_waited_for_and_not_what_is_worked_on() -> None:
    plan, short = a_plan(), a_plan(overrides=Overrides(clock_factor=0.01))
    assert [item.at for item in short.items] == [item.at * 0.01 for item in plan.items]
    assert [phase.budget for phase in short.phases] == [phase.budget for phase in plan.phases]
    soak = next(item.does for item in short.items if isinstance(item.does, Soak))
    drain = next(item.does for item in short.items if isinstance(item.does, Drain))
    assert (soak.length, soak.give_up, drain.length) == (0.6, 600.0, 0.3)
    assert short.watch_seconds == 864
    assert short.watch_gate.horizon == 864
    assert plan.watch_gate.horizon == 86_400


def test_a_rehearsal_may_state_its_soak_and_its_watch() -> None:
    chosen = Overrides(clock_factor=0.001, soak_seconds=5, watch_seconds=3, min_samples=500)
    plan = a_plan(overrides=chosen)
    assert next(item.does for item in plan.items if isinstance(item.does, Soak)).length == 5
    assert (plan.watch_seconds, plan.watch_gate.horizon) == (3, 3)
    assert (plan.gate.min_samples, plan.watch_gate.min_samples) == (500, 500)


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot live with schema 6"):
        a_plan(live=side("2.0.5", Slot.GREEN, highest=5))
    with pytest.raises(BadInput, match="both stand in blue"):
        a_plan(live=side("2.0.5", Slot.BLUE))
    with pytest.raises(BadInput, match="same deployment"):
        a_plan(live=side("2.1.0", Slot.GREEN))
    with pytest.raises(BadInput, match="does not begin at schema 6"):
        a_plan(migrations=(ADD_TOPIC, ADD_TOPIC))
    with pytest.raises(BadInput, match="zone"):
        a_plan(created_at=datetime(2026, 11, 23))  # noqa: DTZ001 - the fault that is meant


def test_what_people_are_told_about_access_follows_from_the_migrations() -> None:
    assert access(a_plan()) == "Reads and writes are served throughout."
    pausing = frozenset({"add_topic"})
    unknown = access(a_plan(pauses_writes=pausing))
    assert "writes are held while add_topic runs: for how long is not known" in unknown
    told = access(a_plan(pauses_writes=pausing, pause_seconds={"add_topic": 1.42}))
    assert "about 1.4 s, by a rehearsal on a copy" in told
    assert "more than 20 s is told 503" in told
    refusing = access(a_plan(pauses_writes=pausing, pause_seconds={"add_topic": 1.42}, holds=False))
    assert "writes are told 503, with Retry-After, while add_topic runs" in refusing


def test_what_is_contracted_is_no_part_of_the_expansion_and_needs_next_alone() -> None:
    drop = Migration(start=6, end=7, forward="-- contract\nDROP …", backward="ADD …", name="drop_old")
    plan = a_plan(migrations=(ADD_TOPIC, drop), nxt=side("2.1.0", Slot.BLUE, highest=7))
    assert [each.name for each in plan.migrations] == ["add_topic"]
    assert [(each.name, each.kind) for each in plan.contracts] == [("drop_old", "contract")]
    with pytest.raises(BadInput, match=r"2\.1\.0 cannot live with schema 7, to which its own contract leads"):
        a_plan(migrations=(ADD_TOPIC, drop))


def test_nothing_is_expanded_past_a_contract_that_is_not_done() -> None:
    drop = replace(ADD_TOPIC, name="drop_old", forward="-- contract\nDROP …")
    after = Migration(start=6, end=7, forward="ALTER …", backward="…", name="add_more")
    with pytest.raises(BadInput, match="expand add_more stands after the contract drop_old"):
        a_plan(migrations=(drop, after), nxt=side("2.1.0", Slot.BLUE, highest=7))


def test_the_content_of_a_migration_is_part_of_the_plan() -> None:
    other = Migration(start=5, end=6, forward="ALTER …;", backward=ADD_TOPIC.backward, name=ADD_TOPIC.name)
    assert fingerprint(a_plan(migrations=(other,))) != fingerprint(a_plan())


def test_any_change_of_any_field_changes_the_fingerprint() -> None:
    plan = a_plan()
    prints = [fingerprint(changed) for changed in _changes(plan)]
    assert len(prints) > 500
    assert fingerprint(plan) not in prints
    assert len(set(prints)) == len(prints)


def _changes(plan: Plan) -> Iterator[Plan]:
    for field in plan.__struct_fields__:
        for changed in _changed(getattr(plan, field)):
            yield replace(plan, **{field: changed})


def _changed(value: object) -> Iterator[object]:  # noqa: PLR0912 - one case for each type
    """The value with each one of its leaves changed, and each of its lists shortened."""
    match value:
        case msgspec.Struct():
            for field in value.__struct_fields__:
                for changed in _changed(getattr(value, field)):
                    yield _with(value, field, changed)
        case tuple():
            for at, each in enumerate(value):
                yield from ((*value[:at], changed, *value[at + 1 :]) for changed in _changed(each))
            if len(set(map(repr, value))) == len(value):
                yield (*value, "one more")
        case dict():
            for key, each in value.items():
                yield from ({**value, key: changed} for changed in _changed(each))
            yield {**value, "more": 1}
        case bool():
            yield not value
        case Enum():
            yield f"not {value.value}"
        case int() | float():
            yield value + 1
        case str():
            yield f"{value}x"
        case datetime():
            yield value + timedelta(microseconds=1)
        case None:
            yield "something"
        case _:
            raise AssertionError(value)


def _with(value: msgspec.Struct, field: str, changed: object) -> msgspec.Struct:
    """A copy made past the checks: a plan changed by hand is not checked either."""
    copy = copy_of(value)
    msgspec.structs.force_setattr(copy, field, changed)
    return copy
