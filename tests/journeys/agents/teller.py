"""An agent that tells a story, and takes its time over it."""

from __future__ import annotations

from watership import Agent, App, Budget, Price, RetryPolicy

PRICE = Price(input=1.0, output=10.0)

app = App("stories", version="1.0.0")
app.add(
    Agent(
        "teller",
        model="openai-chat:scripted",
        stream="always",
        price=PRICE,
        output_tokens=500,
        budget=Budget(usd=1),
        retry=RetryPolicy(attempts=5, first=0.1, most=0.5),
    )
)


if __name__ == "__main__":
    app.main()
