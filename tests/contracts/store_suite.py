"""What every store must do, as one suite: a store passes it, or is none."""

from __future__ import annotations

from tests.contracts.store_appends import AppendSuite
from tests.contracts.store_claims import ClaimSuite
from tests.contracts.store_counters import CounterSuite
from tests.contracts.store_deadlines import DeadlineSuite
from tests.contracts.store_decisions import DecisionSuite
from tests.contracts.store_flags import FlagSuite
from tests.contracts.store_fleet import FleetSuite
from tests.contracts.store_forks import ForkSuite
from tests.contracts.store_pauses import PauseSuite
from tests.contracts.store_submissions import SubmissionSuite


class StoreSuite(
    SubmissionSuite,
    ClaimSuite,
    AppendSuite,
    CounterSuite,
    DecisionSuite,
    FleetSuite,
    FlagSuite,
    PauseSuite,
    DeadlineSuite,
    ForkSuite,
):
    """Subclass it with a fixture `world` that opens your store."""
