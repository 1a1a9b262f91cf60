"""A rule obeys whatever becomes of the calls to AWS, or is left as it was and somebody is told."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest

from tests.adapters.aws.conftest import ALL_BLUE, ALL_GREEN, BLUE, GREEN, QUARTER, Stand
from tests.adapters.aws.go_between import READS, WRITES, Fault
from tests.conftest import NIGHTLY
from tests.contracts.http_peers import Backend, until
from watership.adapters.aws.agent import AwsAgent
from watership.errors import Conflict, Fenced, Unavailable
from watership.releases.ports import SlotWeights

EVERY = [*product(WRITES, Fault), *product(READS, (Fault.REFUSED, Fault.HANGS, Fault.LIES))]

BY_DAY = [
    ("RegisterTargets", Fault.HALF),
    ("ModifyRule", Fault.LIES),
    ("ModifyRule", Fault.DEAF),
    ("DescribeRules", Fault.LIES),
]


async def changed(stand: Stand, agent: AwsAgent, address: str, weights: SlotWeights, epoch: int) -> bool:
    """Change all that can be changed, and whether that was confirmed."""
    stand.wrong_delay()
    try:
        await agent.set_targets(BLUE, [stand.blue.address, address], epoch=epoch)
        await agent.set_weights(weights, epoch=epoch)
        await agent.set_targets(BLUE, [stand.blue.address], epoch=epoch)
    except (Unavailable, Conflict):
        return False
    return True


async def test_a_call_that_fails_once_is_made_good_or_is_not_confirmed(stand: Stand) -> None:
    # Of another host: moto tells targets apart by that alone.
    second = Backend("second")
    await second.listen(host="127.0.0.2")
    async with stand.agent() as agent:
        await stand.targeted(agent)
        confirmed = 0
        for number, (action, fault) in enumerate(EVERY if NIGHTLY else BY_DAY):
            weights = (ALL_BLUE, QUARTER)[number % 2]
            stand.between.fails(action, fault)
            good = await changed(stand, agent, second.address, weights, epoch=number + 2)
            if not good:  # whoever was not confirmed says it once more
                stand.between.faults.clear()
                assert await changed(stand, agent, second.address, weights, epoch=number + 2)
            assert not stand.between.faults.get(action), f"{action} was not called"
            assert stand.weights() == weights, (action, fault)
            assert stand.targets(stand.made.blue) == {stand.blue.address}, (action, fault)
            assert (stand.delay(stand.made.blue), stand.delay(stand.made.green)) == ("30", "30")
            assert (await agent.read()).weights == weights
            confirmed += good
    await second.die()
    # An order that failed is given again after a look; a look that failed is for who called to repeat.
    assert confirmed > len(EVERY if NIGHTLY else BY_DAY) // 3


@pytest.mark.parametrize(
    "fault", [Fault.LIES, *([Fault.REFUSED, Fault.HALF, Fault.HANGS] if NIGHTLY else [])]
)
async def test_what_fails_for_good_stays_as_it_was_and_is_told_until_it_is_put_right(
    stand: Stand, fault: Fault
) -> None:
    async with stand.agent(look_seconds=0.1) as agent:
        await stand.targeted(agent)
        await agent.set_weights(ALL_GREEN, epoch=2)
        stand.between.fails("ModifyRule", fault, times=1000)
        with pytest.raises(Unavailable, match="does not show what it is told"):
            await agent.set_weights(QUARTER, epoch=2)
        assert (await agent.read()).weights != QUARTER
        await until(lambda: _noted(stand, "router does not obey"))
        stand.between.faults.clear()
        await until(lambda: _shows(stand, QUARTER))
        await until(lambda: _noted(stand, "router put right"))
        assert stand.notes.count("router does not obey") == 1


async def test_weights_and_delays_that_somebody_else_sets_are_set_back(stand: Stand) -> None:
    async with stand.agent(look_seconds=0.1) as agent:
        await stand.targeted(agent)
        await agent.set_weights(ALL_GREEN, epoch=2)
        stand.tell(ALL_BLUE)
        stand.wrong_delay()
        await until(lambda: _shows(stand, ALL_GREEN))
        await until(lambda: _noted(stand, "router put right"))
        assert stand.delay(stand.made.blue) == "30"


async def test_both_weights_change_in_one_call(stand: Stand) -> None:
    async with stand.agent() as agent:
        await stand.targeted(agent)
        stand.between.asked.clear()
        await agent.set_weights(QUARTER, epoch=2)
        assert stand.between.asked.count("ModifyRule") == 1


async def test_an_agent_on_a_new_machine_takes_over_what_is_there(stand: Stand) -> None:
    async with stand.agent() as agent:
        await stand.targeted(agent)
        await agent.set_weights(QUARTER, epoch=7)
    async with stand.agent("elsewhere") as other:
        state = await other.read()
        assert (state.weights, state.epoch) == (QUARTER, 7)
        assert state.targets == {BLUE: (stand.blue.address,), GREEN: (stand.green.address,)}
        with pytest.raises(Fenced):
            await other.set_weights(ALL_BLUE, epoch=6)


async def test_a_rule_that_no_agent_has_seen_keeps_its_traffic(stand: Stand) -> None:
    """A new router begins with blue; a rule is older than its agent, and what it does counts."""
    async with stand.agent() as agent:
        assert (await agent.read()).weights == ALL_GREEN
        assert stand.weights() == ALL_GREEN


async def test_of_two_agents_the_one_with_the_lower_epoch_gives_way(stand: Stand) -> None:
    async with stand.agent(look_seconds=0.1) as one, stand.agent("other", look_seconds=0.1) as other:
        await stand.targeted(one)
        await one.set_weights(ALL_BLUE, epoch=4)
        await until(lambda: _knows(other, 4))
        # The other looks on while one goes on, in the same epoch, and does not set back what it saw before.
        await one.set_weights(ALL_GREEN, epoch=4)
        await asyncio.sleep(0.5)
        assert stand.weights() == ALL_GREEN
        assert stand.targets(stand.made.blue) == {stand.blue.address}
        await other.set_weights(QUARTER, epoch=5)
        with pytest.raises(Fenced) as fenced:
            await one.set_weights(ALL_BLUE, epoch=4)
        assert (fenced.value.held, fenced.value.current) == (4, 5)
        await until(lambda: _knows(one, 5))
        assert stand.weights() == QUARTER
        assert "router does not obey" not in stand.notes.events


async def test_a_switch_fires_although_its_agent_is_gone(stand: Stand) -> None:
    async with stand.agent() as agent:
        await stand.targeted(agent)
        await agent.set_weights(QUARTER, epoch=4, hold_seconds=0.5, last_safe=ALL_GREEN)
    assert stand.weights() == QUARTER
    async with stand.agent("elsewhere", look_seconds=0.1) as other:
        await until(lambda: _shows(stand, ALL_GREEN))
        await until(lambda: _knows(other, 5))


async def test_a_login_before_the_forward_stays(stand: Stand) -> None:
    login = {"Type": "redirect", "Order": 1, "RedirectConfig": {"StatusCode": "HTTP_302", "Host": "login"}}
    forward = {"Type": "forward", "Order": 2, "TargetGroupArn": stand.made.green}
    stand.direct.modify_rule(RuleArn=stand.made.rule, Actions=[login, forward])  # type: ignore[list-item]
    async with stand.agent() as agent:
        await stand.targeted(agent)
        await agent.set_weights(QUARTER, epoch=2)
    (rule,) = stand.direct.describe_rules(RuleArns=[stand.made.rule])["Rules"]
    assert [(each["Type"], each["Order"]) for each in rule["Actions"]] == [("redirect", 1), ("forward", 2)]
    assert stand.weights() == QUARTER


async def test_a_rule_that_sends_elsewhere_is_not_taken(stand: Stand) -> None:
    group = stand.direct.create_target_group(Name="elsewhere", TargetType="lambda")
    (strange,) = group["TargetGroups"]
    forward = {"Type": "forward", "TargetGroupArn": strange["TargetGroupArn"]}
    stand.direct.modify_rule(RuleArn=stand.made.rule, Actions=[forward])  # type: ignore[list-item]
    with pytest.raises(Conflict, match="no slot's target group"):
        async with stand.agent():
            pass


async def _noted(stand: Stand, event: str) -> bool:
    return event in stand.notes.events


async def _knows(agent: AwsAgent, epoch: int) -> bool:
    return (await agent.read()).epoch == epoch


async def _shows(stand: Stand, weights: SlotWeights) -> bool:
    return await asyncio.to_thread(stand.weights) == weights
