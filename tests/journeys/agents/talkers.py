"""Agents that ask their model once, as many at once as there are runs."""

from __future__ import annotations

from watership import Agent, App, Price, RetryPolicy


def talking() -> App:
    """Its agent is built anew, for the provider that the environment names then."""
    app = App("talkers", version="1.0.0")
    app.add(
        Agent(
            "talker",
            model="openai-chat:scripted",
            price=Price(input=1.0, output=10.0),
            output_tokens=100,
            retry=RetryPolicy(attempts=5, first=0.1, most=0.5),
        )
    )
    return app


app = talking()

if __name__ == "__main__":
    app.main()
