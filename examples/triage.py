"""Support triage by a vote: `python examples/triage.py dev`, then send the agent `triage` a ticket.

Three readers look at a ticket, each in its own way; two of them must agree, or a person decides. They are plain
functions here, so that it runs offline; an Agent(name=…, model=…) of the same name votes in the same way.
"""

import re

from watership import MAJORITY, App, Decided, approve, vote

TEAMS = {
    "billing": {"invoice", "charged", "refund", "card"},
    "technical": {"error", "crash", "slow", "500"},
    "account": {"password", "login", "locked", "email"},
}

app = App("triage")


def ticket_in(prompt: str) -> str:
    """The ticket, which is the first line that a voter is asked about."""
    return prompt.split("\n", 1)[0].lower()


def fits(ticket: str) -> dict[str, int]:
    """How many words of each team the ticket has."""
    words = set(re.findall(r"[a-z0-9]+", ticket))
    return {team: len(words & known) for team, known in TEAMS.items()}


@app.agent
async def reader(prompt: str) -> str:
    """Goes by all words of the ticket."""
    found = fits(ticket_in(prompt))
    return max(found, key=lambda team: found[team])


@app.agent
async def skimmer(prompt: str) -> str:
    """Goes by the first sentence alone."""
    found = fits(ticket_in(prompt).split(".")[0])
    return max(found, key=lambda team: found[team])


@app.agent
async def sceptic(prompt: str) -> str:
    """Says nothing that counts unless one team alone comes into question."""
    found = [team for team, count in fits(ticket_in(prompt)).items() if count]
    return found[0] if len(found) == 1 else "unclear"


@app.agent
async def triage(ticket: str) -> dict[str, str]:
    """Which team answers a ticket; a person is asked where the vote decides nothing."""
    tally = await vote(
        " ".join(ticket.split()), [*TEAMS], ["reader", "skimmer", "sceptic"], quorum=2, bar=MAJORITY
    )
    match tally.outcome:
        case Decided(winner):
            return {"team": winner, "by": "vote"}
        case undecided:
            answer = await approve(
                "Which team answers? Say it in the note.", {"ticket": ticket, "why": undecided}
            )
            return {"team": answer.note if answer.granted else "nobody", "by": answer.by}


if __name__ == "__main__":
    app.main()
