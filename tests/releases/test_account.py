"""An account tells only what was counted."""

from __future__ import annotations

from tests.releases.plans import NOON, a_plan
from tests.simulation.release_targets import SimAudit
from watership.durable.clock import SystemClock
from watership.releases.account import Count, account
from watership.releases.facts import Position
from watership.releases.forms.html import page as render
from watership.releases.order import Release
from watership.releases.smoke import Smoke
from watership.releases.status import Fold


def test_runs_at_a_cutover_that_never_came_are_not_none_but_unknown() -> None:
    release = Release(plan=a_plan(), signoffs=(), scripts=(), smoke=Smoke(), zero=NOON)
    state, audit = Fold(position=Position()), SimAudit(SystemClock())

    facts = account(release, state, audit=audit, live_runs=Count(under_way=3), next_runs=Count())

    assert [(each.at_cutover, each.now) for each in facts.runs] == [(None, 3), (None, 0)]
    assert '<td class="n">–</td><td class="n">3</td>' in render(facts)
