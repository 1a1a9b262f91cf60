"""What `watership doctor` sees of a load balancer of AWS: whether it can be asked, and what its rule does."""

from __future__ import annotations

from watership.adapters.aws import UNTRIED
from watership.adapters.aws.balancer import Balancer, Where, elbv2
from watership.adapters.aws.sight import DELAY_SECONDS, Sight
from watership.errors import WatershipError
from watership.fleet.deployment import Slot
from watership.fleet.finding import Finding

WHAT = "AWS"


async def examine(where: Where) -> list[Finding]:
    """A look at the rule, and what no look at it can tell."""
    untried = Finding(
        what=WHAT, state="warning", detail=UNTRIED, fix="Rehearse a release there, before the first."
    )
    try:
        sight = await Balancer(where, elbv2(where)).look()
    except WatershipError as error:
        fix = error.fix or "Look at aws.rule, and at the keys: aws sts get-caller-identity"
        return [Finding(what=WHAT, state="problem", detail=error.message.rstrip("."), fix=fix), untried]
    return [_of_rule(sight), untried]


def _of_rule(sight: Sight) -> Finding:
    shares = ", ".join(f"{slot} {weight} %" for slot, weight in sight.weights.items())
    healthy = ", ".join(f"{slot} {len(sight.healthy(slot))}" for slot in Slot)
    words = f"the rule gives {shares}; healthy: {healthy}; epoch {sight.mark.epoch}"
    if sight.strangers:
        strange = f"{words}; it sends to {', '.join(sight.strangers)} too"
        return Finding(
            what=WHAT, state="problem", detail=strange, fix="Let it forward to the two groups alone."
        )
    if any(delay != DELAY_SECONDS for delay in sight.delays.values()):
        late = ", ".join(f"{slot} {delay} s" for slot, delay in sight.delays.items())
        fix = f"The agent sets {DELAY_SECONDS} s when it starts: watership environment up BUILD"
        return Finding(
            what=WHAT, state="warning", detail=f"{words}; targets are let go after {late}", fix=fix
        )
    return Finding(what=WHAT, state="ok", detail=words)
