"""Watership: durable AI agents on RabbitMQ, and releases that never take them down."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watership.agents.agent import AgentCard as AgentCard
    from watership.agents.app import App as App
    from watership.agents.budget import Budget as Budget
    from watership.agents.flags import flag as flag
    from watership.agents.llm import Agent as Agent
    from watership.agents.people.approval import ApprovalRule as ApprovalRule
    from watership.agents.people.approval import approve as approve
    from watership.agents.people.ask import ask as ask
    from watership.agents.people.escalation import Escalation as Escalation
    from watership.agents.people.escalation import Unanswered as Unanswered
    from watership.agents.people.question import Approval as Approval
    from watership.agents.people.tools import approval_tool as approval_tool
    from watership.agents.people.tools import question_tool as question_tool
    from watership.agents.price import Price as Price
    from watership.agents.secret import Secret as Secret
    from watership.agents.teams.brainstorm import Brainstorm as Brainstorm
    from watership.agents.teams.brainstorm import Idea as Idea
    from watership.agents.teams.brainstorm import brainstorm as brainstorm
    from watership.agents.teams.debate import Debate as Debate
    from watership.agents.teams.debate import debate as debate
    from watership.agents.teams.dispatch import Dispatched as Dispatched
    from watership.agents.teams.dispatch import dispatch as dispatch
    from watership.agents.teams.election import MAJORITY as MAJORITY
    from watership.agents.teams.election import TWO_THIRDS as TWO_THIRDS
    from watership.agents.teams.election import UNANIMITY as UNANIMITY
    from watership.agents.teams.election import ApprovalVoting as ApprovalVoting
    from watership.agents.teams.election import Bar as Bar
    from watership.agents.teams.election import Plurality as Plurality
    from watership.agents.teams.election import QuadraticVoting as QuadraticVoting
    from watership.agents.teams.election import RankedChoice as RankedChoice
    from watership.agents.teams.election import WeightedVoting as WeightedVoting
    from watership.agents.teams.fan_out import All as All
    from watership.agents.teams.fan_out import AtLeast as AtLeast
    from watership.agents.teams.fan_out import BestEffort as BestEffort
    from watership.agents.teams.fan_out import Gathered as Gathered
    from watership.agents.teams.fan_out import TooManyFailed as TooManyFailed
    from watership.agents.teams.fan_out import fan_out as fan_out
    from watership.agents.teams.member import MemberFailed as MemberFailed
    from watership.agents.teams.pipeline import pipeline as pipeline
    from watership.agents.teams.relay import HandOff as HandOff
    from watership.agents.teams.relay import LostHandOff as LostHandOff
    from watership.agents.teams.relay import Relayed as Relayed
    from watership.agents.teams.relay import relay as relay
    from watership.agents.teams.roster import Job as Job
    from watership.agents.teams.roster import Skilled as Skilled
    from watership.agents.teams.tally import Decided as Decided
    from watership.agents.teams.tally import NoConsensus as NoConsensus
    from watership.agents.teams.tally import NoQuorum as NoQuorum
    from watership.agents.teams.tally import Tally as Tally
    from watership.agents.teams.tally import Tied as Tied
    from watership.agents.teams.tally import Undecided as Undecided
    from watership.agents.teams.vote import vote as vote
    from watership.agents.teams.worth import Worth as Worth
    from watership.agents.tool import Tool as Tool
    from watership.agents.tool import tool as tool
    from watership.durable import ChildFailed as ChildFailed
    from watership.durable import Cost as Cost
    from watership.durable import Done as Done
    from watership.durable import Effect as Effect
    from watership.durable import Raised as Raised
    from watership.durable import RetryPolicy as RetryPolicy
    from watership.durable import Returned as Returned
    from watership.durable import StepFailed as StepFailed
    from watership.durable import carry_on as carry_on
    from watership.durable import child as child
    from watership.durable import current_run as current_run
    from watership.durable import gather as gather
    from watership.durable import gather_until as gather_until
    from watership.durable import idempotency_key as idempotency_key
    from watership.durable import now as now
    from watership.durable import race as race
    from watership.durable import signal as signal
    from watership.durable import sleep as sleep
    from watership.durable import sleep_until as sleep_until
    from watership.durable import step as step
    from watership.durable import timeout as timeout
    from watership.fleet.build import SchemaRange as SchemaRange

__version__ = "0.1.0"

_HOMES = {
    "watership.agents.agent": ("AgentCard",),
    "watership.agents.app": ("App",),
    "watership.agents.people.approval": ("ApprovalRule", "approve"),
    "watership.agents.people.ask": ("ask",),
    "watership.agents.people.escalation": ("Escalation", "Unanswered"),
    "watership.agents.budget": ("Budget",),
    "watership.agents.people.tools": ("approval_tool", "question_tool"),
    "watership.agents.flags": ("flag",),
    "watership.agents.llm": ("Agent",),
    "watership.agents.price": ("Price",),
    "watership.agents.people.question": ("Approval",),
    "watership.agents.secret": ("Secret",),
    "watership.agents.teams.brainstorm": (
        "Brainstorm",
        "Idea",
        "brainstorm",
    ),
    "watership.agents.teams.debate": (
        "Debate",
        "debate",
    ),
    "watership.agents.teams.dispatch": (
        "Dispatched",
        "dispatch",
    ),
    "watership.agents.teams.election": (
        "MAJORITY",
        "TWO_THIRDS",
        "UNANIMITY",
        "ApprovalVoting",
        "Bar",
        "Plurality",
        "QuadraticVoting",
        "RankedChoice",
        "WeightedVoting",
    ),
    "watership.agents.teams.fan_out": (
        "All",
        "AtLeast",
        "BestEffort",
        "Gathered",
        "TooManyFailed",
        "fan_out",
    ),
    "watership.agents.teams.member": ("MemberFailed",),
    "watership.agents.teams.pipeline": ("pipeline",),
    "watership.agents.teams.relay": (
        "HandOff",
        "LostHandOff",
        "Relayed",
        "relay",
    ),
    "watership.agents.teams.roster": ("Job", "Skilled"),
    "watership.agents.teams.tally": (
        "Decided",
        "NoConsensus",
        "NoQuorum",
        "Tally",
        "Tied",
        "Undecided",
    ),
    "watership.agents.teams.vote": ("vote",),
    "watership.agents.teams.worth": ("Worth",),
    "watership.agents.tool": ("Tool", "tool"),
    "watership.durable": (
        "ChildFailed",
        "Cost",
        "Done",
        "Effect",
        "Raised",
        "RetryPolicy",
        "Returned",
        "StepFailed",
        "carry_on",
        "child",
        "current_run",
        "gather",
        "gather_until",
        "idempotency_key",
        "now",
        "race",
        "signal",
        "sleep",
        "sleep_until",
        "step",
        "timeout",
    ),
    "watership.fleet.build": ("SchemaRange",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = ["__version__", *_HOME_OF]  # noqa: PLE0604 - the names are looked up below, when they are asked for


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that `import watership` costs nothing."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
