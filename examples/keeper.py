"""A long-running agent with a budget: it keeps a garden for months, looks each morning, and asks a model what to do.

    python examples/keeper.py dev
    watership run start keeper --input '{"days": 200}'
    watership run list --agent keeper          # one run a week: carry_on starts the next one, on the newest build
    watership run show RUN                     # what it used up, and how much of its budget is left

Offline as it stands. With a provider: MODEL=openai:gpt-5-mini OPENAI_API_KEY=… python examples/keeper.py dev
"""

from __future__ import annotations

import os

from watership import Agent, App, Budget, Price, StepFailed, carry_on, sleep, step, tool
from watership.testing.scripted import prompt, scripted

app = App("garden", version="1.0.0")

DAY_SECONDS = 86_400.0
DAYS_PER_LIFE = 7
"""A journal holds a week; then the run carries on as another one, with a fresh journal."""


def decide(messages: object) -> str:
    """What the model says offline: water when it is dry."""
    return "water" if "moisture 2" in prompt(messages) else "rest"  # type: ignore[arg-type]


gardener = app.add(
    Agent(
        "gardener",
        model=os.environ.get("MODEL", scripted([decide])),
        instructions="Answer with one word: water, or rest.",
        output_tokens=50,
        price=Price(input=0.25, output=2.0) if "MODEL" not in os.environ else None,
        daily=Budget(usd=0.05),
    )
)


@tool(effect="pure", reads=())
async def measure(day: int) -> int:
    """The moisture of the soil, in tenths."""
    return 2 + day % 3


@tool(effect="idempotent", reads=())
async def water(day: int) -> str:
    """Open the valve; the same day again changes nothing."""
    return f"watered on day {day}"


@app.agent(budget=Budget(usd=1.00))
async def keeper(days: int, day: int = 0, watered: int = 0) -> dict[str, int]:
    """Keep the garden for so many days, over as many runs as that takes, all under one budget."""
    for _ in range(min(DAYS_PER_LIFE, days - day)):
        moisture = await step(measure, day)
        try:
            advice = await gardener(f"Day {day}: moisture {moisture} of 10. What is to be done?")
        except StepFailed as failed:
            if failed.failure.code != "over_cap":
                raise
            advice = "water"  # no money left to think: better too wet than dry
        if "water" in advice.lower():
            await step(water, day)
            watered += 1
        day += 1
        await sleep(DAY_SECONDS)
    if day < days:
        await carry_on({"days": days, "day": day, "watered": watered})
    return {"days": day, "watered": watered}


if __name__ == "__main__":
    app.main()
