"""An abridged plan does what the plan does, and waits for less."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.releases.plans import a_plan
from watership.releases.abridged import AT_HOME, DRAIN_SECONDS, SAMPLES, SOAK_SECONDS, abridged, left_out
from watership.releases.book.runbook import Check, Drain, Repoint, Soak, Ttl
from watership.releases.checks import CHECKS
from watership.releases.judging.arms import AgainstGrowth, AgainstLive
from watership.releases.notices.comms import Comms
from watership.releases.plan import Plan


def short(plan: Plan) -> Plan:
    sides: dict[str, Any] = {"live": plan.live, "next": plan.next}
    return abridged(
        plan, release="rehearsal-1", environment="rehearsal", controller="sha256:c", comms=Comms(), **sides
    )


def test_every_act_of_the_plan_is_there_in_its_order() -> None:
    plan = a_plan()
    acts = [item.key for item in plan.items if not isinstance(item.does, Check)]
    assert [item.key for item in short(plan).items if not isinstance(item.does, Check)] == acts


def test_checks_that_look_outside_are_left_out_and_named() -> None:
    plan = a_plan()
    kept = {item.key for item in short(plan).items}
    assert kept.isdisjoint(left_out(plan)) and kept | set(left_out(plan)) == {item.key for item in plan.items}
    checks = {item.does.check for item in short(plan).items if isinstance(item.does, Check)}
    assert checks <= AT_HOME


def test_a_name_that_people_come_by_is_not_rehearsed_with() -> None:
    plan = a_plan()
    lower = Ttl(id="lower", title="Lower", of="entrance", to=60.0)
    lead = Repoint(id="lead", title="Lead", of="entrance", to="192.0.2.7")
    first = plan.items[0]
    named = tuple(replace(first, key=f"{first.phase}/{each.id}", does=each) for each in (lower, lead))
    plan = replace(plan, items=(*named, *plan.items))
    assert {item.key for item in named} <= set(left_out(plan))
    assert not any(isinstance(item.does, Ttl | Repoint) for item in short(plan).items)


def test_what_sees_only_the_environment_is_a_kind_that_there_is() -> None:
    assert CHECKS.keys() >= AT_HOME


def test_its_times_and_samples_are_cut_short_and_never_lengthened() -> None:
    plan = a_plan()
    for item in short(plan).items:
        match item.does:
            case Soak(length=length):
                assert length <= SOAK_SECONDS
            case Drain(length=length):
                assert length <= DRAIN_SECONDS
        assert abs(item.at) < 1.0
    assert short(plan).gate.min_samples == SAMPLES
    quick = replace(plan, gate=replace(plan.gate, min_samples=5))
    assert short(quick).gate.min_samples == 5


def test_its_gates_look_at_what_a_few_requests_tell_of() -> None:
    plan = a_plan()
    more = (AgainstLive(of="tail"), AgainstLive(of="runs"), AgainstGrowth(), *plan.gate.arms)
    compared = replace(plan.watch_gate, arms=(AgainstLive(), *plan.watch_gate.arms))
    made = short(replace(plan, gate=replace(plan.gate, arms=more), watch_gate=compared, hold_back=0.01))
    assert [arm.name for arm in made.gate.arms] == [arm.name for arm in plan.gate.arms]
    assert [arm.name for arm in made.watch_gate.arms] == [arm.name for arm in plan.watch_gate.arms]
    assert made.hold_back == 0.0


def test_nothing_of_it_leads_to_people_or_to_other_systems() -> None:
    plan = short(a_plan())
    assert plan.comms == Comms() and plan.systems == {} and plan.code == () and plan.rehearsal


@pytest.mark.parametrize("act", ["shift", "deploy", "migrate"])
def test_no_act_is_left_out(act: str) -> None:
    assert not any(act in key for key in left_out(a_plan()))
