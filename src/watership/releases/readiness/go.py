"""GO or NO-GO: conditions that are judged by what is on record, and a decision that only one seat takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from msgspec import Struct

from watership.errors import BadInput, WatershipError
from watership.releases.book.runbook import Condition
from watership.releases.plan import Plan, fingerprint
from watership.releases.readiness.checklist import Id
from watership.releases.readiness.records import Decided, Ready, Record
from watership.releases.readiness.signoff import Missing
from watership.releases.readiness.standing import ORDER, ItemStanding, State
from watership.releases.verdict import Verdict, worst


class ItemFound(Struct, frozen=True, kw_only=True):
    """An item that keeps a condition from being met."""

    id: str
    number: int
    title: str
    state: State


class ConditionFound(Struct, frozen=True, kw_only=True):
    """A condition and how it stands. `words` count what is wrong or missing, `items` are all of those that are not
    good, the worst first, and `fix` is the command that brings it on."""

    id: Id
    text: str
    verdict: Verdict
    words: str
    items: tuple[ItemFound, ...] = ()
    fix: str = ""


class Situation(Struct, frozen=True, kw_only=True):
    """What the conditions are judged by. `critical`: incidents that are open and critical; None: nobody could look."""

    items: tuple[ItemStanding, ...]
    missing: tuple[Missing, ...]
    records: tuple[Record, ...]
    critical: tuple[str, ...] | None


_WORDS: dict[State, str] = {
    "failed": "failed",
    "inconclusive": "not known",
    "expired": "expired",
    "open": "open",
    "waived": "waived",
    "passed": "passed",
}

NAMED: Final = 3
"""Items that are named; who wants to see all of them looks at the checklist."""

SEE: Final = "watership check list --open"

MEND: Final = (
    f"{SEE}, then mend it (watership check run), attest it (watership check attest) or waive it "
    "(watership check waive)"
)

FIXES: Final = {
    "checklist": MEND,
    "items": MEND,
    "approvals": "watership signoff list, then for each that is missing: watership signoff give ROLE --as NAME",
    "incidents": "watership incident list",
    "team": "for each that is not ready: watership team ready --role ROLE --as NAME",
}
"""By what a condition is judged: the command that brings it on."""

UNWRITTEN: Final = "The runbook states no condition of a GO."
"""Where there is none nothing is known, and nobody can decide by it."""

WRITE: Final = "Write go_no_go in runbook.yaml, then: watership runbook check"
"""What mends that."""


def conditions(plan: Plan, situation: Situation) -> tuple[ConditionFound, ...]:
    """Every condition of the plan, judged."""
    return tuple(_judged(plan, condition, situation) for condition in plan.go_no_go)


def verdict(found: Sequence[ConditionFound]) -> Verdict:
    """Failed if one has failed; passed only if there are some, and all are known and good."""
    return worst(each.verdict for each in found)


def _judged(plan: Plan, condition: Condition, situation: Situation) -> ConditionFound:
    bad: tuple[ItemFound, ...] = ()
    match condition.judged_by:
        case "checklist":
            items = due(situation.items, plan)
            (found, words), bad = items_stand(items), not_good(items)
        case "items":
            items = [item for item in situation.items if item.id in condition.items]
            (found, words), bad = items_stand(items), not_good(items)
        case "approvals":
            found, words = _approvals(situation.missing)
        case "incidents":
            found, words = _incidents(situation.critical)
        case "team":
            found, words = _team(plan, situation.records)
        case _:
            assert_never(condition.judged_by)
    fix = "" if found is Verdict.PASSED else FIXES[condition.judged_by]
    return ConditionFound(
        id=condition.id, text=condition.text, verdict=found, words=words, items=bad, fix=fix
    )


def _approvals(missing: Sequence[Missing]) -> tuple[Verdict, str]:
    """A refusal is a no, and what nobody has said is not known."""
    words = "; ".join(f"{each.role}: {each.reason}" for each in missing) or "every approval is given"
    if any(each.refused for each in missing):
        return Verdict.FAILED, words
    return (Verdict.INCONCLUSIVE if missing else Verdict.PASSED), words


def due(items: Sequence[ItemStanding], plan: Plan) -> list[ItemStanding]:
    """The items that must be good before T+0 is over: those of the calendar up to the go/no-go."""
    by = {item.id: item.by for section in plan.checklist for item in section.items}
    return [item for item in items if by[item.id] <= 0]


def items_stand(items: Sequence[ItemStanding]) -> tuple[Verdict, str]:
    """The worst of items, with words that name those that are not good, the worst first.

    Of no item nothing is known.
    """
    bad, found = _bad(items), worst(item.verdict for item in items)
    if not items:
        return found, "no item of the checklist is due by then, so that nothing was judged"
    if not bad:
        return found, f"all of {len(items)} items are good"
    states = [item.state for item in bad]
    counts = ", ".join(f"{states.count(each)} {_WORDS[each]}" for each in ORDER if each in states)
    first = ", ".join(_named(item, points=len(bad) <= NAMED) for item in bad[:NAMED])
    rest = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return found, f"{len(bad)} of {len(items)} items are not good: {counts} ({first}{rest}); see: {SEE}"


def _named(item: ItemStanding, *, points: bool) -> str:
    """An item, where there are few with the points that are not good."""
    bad = [point.key.partition("/")[2] for point in item.points if not point.good]
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return f"{item.number} {item.title}" + (f": {', '.join(bad[:NAMED])}{more}" if points else "")


def not_good(items: Sequence[ItemStanding]) -> tuple[ItemFound, ...]:
    """Each of the items that is not good, the worst first."""
    return tuple(
        ItemFound(id=item.id, number=item.number, title=item.title, state=item.state) for item in _bad(items)
    )


def _bad(items: Sequence[ItemStanding]) -> list[ItemStanding]:
    bad = (item for item in items if not item.good)
    return sorted(bad, key=lambda item: (ORDER.index(item.state), item.number))


def _incidents(critical: Sequence[str] | None) -> tuple[Verdict, str]:
    if critical is None:
        return Verdict.INCONCLUSIVE, "the incidents could not be read"
    words = f"open and critical: {', '.join(critical)}" if critical else "no critical incident is open"
    return (Verdict.FAILED if critical else Verdict.PASSED), words


def _team(plan: Plan, records: Sequence[Record]) -> tuple[Verdict, str]:
    lacking = absent(plan, records)
    words = f"not yet ready: {', '.join(lacking)}" if lacking else "every seat has answered the roll call"
    return (Verdict.INCONCLUSIVE if lacking else Verdict.PASSED), words


def decision(plan: Plan, records: Sequence[Record]) -> Decided | None:
    """The last decision about this very plan."""
    mark = fingerprint(plan)
    return next(
        (each for each in records[::-1] if isinstance(each, Decided) and each.fingerprint == mark), None
    )


class NotGo(WatershipError):
    """GO was said against a condition. `verdict`: whether one has failed, or is merely not known."""

    code = "not_go"

    def __init__(self, found: Sequence[ConditionFound]) -> None:
        bad = [each for each in found if each.verdict is not Verdict.PASSED]
        words = "; ".join(f"{each.text}: {each.words}" for each in bad) + "." if found else UNWRITTEN
        fixes = dict.fromkeys(each.fix for each in bad) if found else (WRITE,)
        super().__init__(
            f"GO cannot be decided: {words}",
            fix="; ".join([*fixes, "or: watership gate decide no-go --reason …"]),
        )
        self.verdict = verdict(found)


def require_decidable(found: Sequence[ConditionFound], decided: Decided) -> None:
    """Refuse a decision that does not count. Raises NotGo, or BadInput for a record of a NO-GO that lacks a line."""
    if decided.decision == "go":
        if verdict(found) is not Verdict.PASSED:
            raise NotGo(found)
        return
    lacking = [
        name for name in ("issue", "mitigation", "rescheduled", "informed") if not getattr(decided, name)
    ]
    if lacking:
        raise BadInput(f"The record of a NO-GO lacks: {', '.join(lacking)}.", fix=f"Say it: --{lacking[0]} …")


def absent(plan: Plan, records: Sequence[Record]) -> list[str]:
    """The seats that have not answered the roll call for this build."""
    there = {
        each.role for each in records if isinstance(each, Ready) and each.build == plan.next.build.digest
    }
    return [role.id for role in plan.roles if role.id not in there]


def deciders(plan: Plan) -> tuple[str, ...]:
    """The roles that decide GO or NO-GO."""
    return tuple(role.id for role in plan.roles if "go_no_go" in role.may)
