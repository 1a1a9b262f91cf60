"""Who may do what to a release, and that the audit knows by which right."""

from __future__ import annotations

import pytest

from tests.releases.plans import NOON, a_plan
from tests.simulation.release_targets import SimAudit
from watership.durable.clock import SystemClock
from watership.errors import BadInput, NotAllowed
from watership.fleet.identity import ADMIN, OPERATOR, Identity, everybody
from watership.releases.warrant import Caller, criteria, grounds, may_take_back

PLAN = a_plan()


def caller(*roles: str) -> Caller:
    identity = Identity(person="Ina", tenant="t", roles=frozenset(roles), expires_at=NOON)
    return Caller(identity, open=False)


def allowed(*roles: str, needs: tuple[str, ...]) -> bool:
    audit = SimAudit(SystemClock())
    try:
        caller(*roles).require(audit, "act", *needs)
    except NotAllowed as error:
        assert " or ".join(needs) in str(error), "it names the role that is needed"
        assert [(each.actor, each.action) for each in audit.kept] == [("Ina", "authority.refused")]
        return False
    assert [(each.actor, each.action) for each in audit.kept] == [("Ina", "authority.granted")]
    return True


@pytest.mark.parametrize(
    ("roles", "needs", "expected"),
    [
        (("qa_lead",), ("qa_lead",), True),
        ((ADMIN,), ("qa_lead",), False),
        ((OPERATOR,), (OPERATOR,), True),
        ((ADMIN,), (OPERATOR,), True),
        ((OPERATOR,), (ADMIN,), False),
        (("writer",), (OPERATOR,), False),
        ((), (OPERATOR,), False),
    ],
)
def test_an_act_needs_its_role_and_the_audit_keeps_the_answer(
    roles: tuple[str, ...], needs: tuple[str, ...], expected: bool
) -> None:
    assert allowed(*roles, needs=needs) == expected


def test_a_rollback_is_ordered_by_operators_and_by_whom_the_runbook_gives_that_right() -> None:
    needs = may_take_back(PLAN)
    holders = [(each.id, each.may) for each in PLAN.roles] + [
        (each.id, each.may) for each in PLAN.authorities
    ]
    granted = {role for role, powers in holders if any("roll_back" in power for power in powers)}

    assert granted and set(needs) == {OPERATOR, *granted}
    assert all(allowed(role, needs=needs) for role in (*granted, OPERATOR, ADMIN))
    others = {role.id for role in PLAN.roles} - granted
    assert others and not any(allowed(role, needs=needs) for role in (*others, "writer", "stranger"))
    assert may_take_back(None) == (OPERATOR,)


def test_on_open_loopback_everybody_may_and_the_audit_says_that_it_was_open() -> None:
    audit = SimAudit(SystemClock())

    person = Caller(everybody("Ina", SystemClock()), open=True).require(audit, "sign", "qa_lead")

    assert person == "Ina" and audit.kept[-1].facts["open"] is True


def test_who_may_on_criteria_names_the_one_that_is_met() -> None:
    audit, monitoring = SimAudit(SystemClock()), caller("monitoring")

    with pytest.raises(NotAllowed, match="named none"):
        grounds(PLAN, monitoring, audit, criterion="", reason="I have a feeling")
    assert audit.kept[-1].action == "authority.refused"
    with pytest.raises(BadInput, match="No criterion"):
        grounds(PLAN, monitoring, audit, criterion="bad luck", reason="")

    met = criteria(PLAN)[0]
    assert str(grounds(PLAN, monitoring, audit, criterion=met, reason="")) == f"{met}, as monitoring"


def test_who_may_by_decision_needs_no_criterion() -> None:
    found = grounds(
        PLAN, caller("product_manager"), SimAudit(SystemClock()), criterion="", reason="the campaign failed"
    )

    assert str(found) == "the campaign failed, as product_manager"


def test_the_wrong_role_orders_no_rollback_whatever_it_says() -> None:
    audit = SimAudit(SystemClock())

    with pytest.raises(NotAllowed, match="qa"):
        grounds(PLAN, caller("qa"), audit, criterion=criteria(PLAN)[0], reason="really")
    assert audit.kept[-1].action == "authority.refused"
