"""A flag that a run asks for is journaled: a replay takes the way that the run took, whatever is set by then."""

from __future__ import annotations

from watership.durable import Effect, step
from watership.durable.branch import here


async def flag(name: str, default: bool = False, *, targeting_key: str | None = None) -> bool:
    """Whether the flag is on for this run; asked once, and recalled ever after.

    The tenant is the run's. A share is drawn by `targeting_key`, else by the conversation, else by the run. What
    is not known (no such flag, flags not read yet) is `default`.
    """
    run = here("flag").execution.run_row
    key = targeting_key or run.conversation or run.id
    return await step(evaluate, name, default, run.tenant, key, name="flag", effect=Effect.PURE)


async def evaluate(name: str, default: bool, tenant: str, targeting_key: str) -> bool:
    """What OpenFeature's provider says now."""
    # Imported when a flag is asked for: a worker whose agents ask for none is spared it.
    from openfeature import api
    from openfeature.evaluation_context import EvaluationContext

    context = EvaluationContext(targeting_key, {"tenant": tenant})
    return api.get_client().get_boolean_value(name, default, context)
