"""A research team with an approval: several look at a time, one writes, a person lets it out.

    python examples/research.py dev
    watership run start research --input '{"question": "Why do owls hoot?", "angles": ["biology", "myth"]}'
    watership run show RUN                     # what is asked, once the report is written
    watership run answer RUN approve

Offline as it stands. With a provider: MODEL=openai:gpt-5-mini OPENAI_API_KEY=… python examples/research.py dev
"""

from __future__ import annotations

import os

from watership import Agent, App, Budget, RetryPolicy, approve, child, gather, step, tool
from watership.testing.scripted import prompt, results, scripted

app = App("research-team", version="1.0.0")

SHELVES = {
    "biology": "Owls hoot to hold a territory and to find a mate.",
    "myth": "In Athens an owl on the coins stood for wisdom.",
}

LOOKING = scripted(
    [
        lambda messages: [("look_up", {"topic": prompt(messages).rpartition(" of ")[2]})],
        lambda messages: f"Found: {results(messages, 'look_up')[-1]}",
    ]
)
WRITING = scripted([lambda messages: "Report. " + prompt(messages)])


@tool(effect="pure", reads=(), retry=RetryPolicy(attempts=3))
async def look_up(topic: str) -> str:
    """What the library has on a topic."""
    return SHELVES.get(topic, "Nothing is known.")


researcher = app.add(
    Agent(
        "researcher",
        model=os.environ.get("MODEL", LOOKING),
        instructions="Look the topic up, and answer in one sentence by what was found.",
        tools=[look_up],
        output_tokens=300,
        budget=Budget(turns=6),
    )
)
writer = app.add(
    Agent(
        "writer",
        model=os.environ.get("MODEL", WRITING),
        instructions="Write a report of the findings in one paragraph.",
        output_tokens=800,
    )
)


@tool(effect="idempotent", reads=())
async def publish(report: str) -> str:
    """Put the report where everybody reads it; the same report again changes nothing."""
    return f"published {len(report)} letters"


@app.agent(budget=Budget(usd=0.50))
async def research(question: str, angles: list[str]) -> dict[str, object]:
    """Look at a question from several angles, write it up, and publish it if a person agrees."""
    # Children: each researcher has a run of its own, which any worker may take.
    asked = [child("researcher", {"prompt": f"{question} The side of {angle}"}, into=str) for angle in angles]
    findings = await gather(*asked)
    report = await writer("\n".join(findings))
    answer = await approve("Publish this report?", {"report": report})
    if not answer.granted:
        return {"published": False, "why": answer.note, "report": report}
    return {"published": await step(publish, report), "by": answer.by, "report": report}


if __name__ == "__main__":
    app.main()
