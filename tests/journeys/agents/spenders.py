"""Agents that spend: fifty of them at once, under one budget."""

from __future__ import annotations

from watership import Agent, App, Budget, Price, RetryPolicy, child, gather, tool

CAP_USD = 0.10
OUTPUT_TOKENS = 100

# Output is what costs: so a call reserves hardly more than it is billed, and the cap is used up.
PRICE = Price(input=0.01, output=10.0)

app = App("spenders", version="1.0.0")


@tool(effect="idempotent", reads=())
async def look_up(word: str) -> int:
    """How many letters a word has."""
    return len(word)


app.add(
    Agent(
        "asker",
        model="openai-chat:scripted",
        tools=[look_up],
        price=PRICE,
        output_tokens=OUTPUT_TOKENS,
        retry=RetryPolicy(attempts=5, first=0.1, most=0.5),
    )
)


@app.agent(budget=Budget(usd=CAP_USD))
async def crowd(people: int) -> int:
    """Everybody asks as long as there is money."""
    asked = [child("asker", {"prompt": f"Person {number}: well?"}, into=str) for number in range(people)]
    return len(await gather(*asked))


if __name__ == "__main__":
    app.main()
