"""Each condition of the journey can be broken, and is named when it is."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.journeys.release.figures import Figures, Wanted, broken, last_line, told

GOOD = Figures(
    seconds=142.2,
    ended="promoted",
    requests=41_203,
    failed=(),
    requests_a_second=231.0,
    slowest_ten_seconds=205.0,
    runs=9_120,
    runs_a_second=55.1,
    lost=(),
    repeated=(),
    wrong=(),
    long_runs={"2.0.5": 40},
    split_seconds=60.0,
    split_requests=13_000,
    split=50.2,
    split_scraped=49.9,
    split_runs=3_300,
    split_of_runs=48.7,
    expanded=("2", "3"),
    locks={"2 AccessExclusiveLock on orders": 0.012},
    waited=0.004,
    lag_seconds=0.2,
    lag_bytes=100_000.0,
    standby_gone=0,
    behind=(),
    scraped=("2.0.5", "2.1.0"),
    report=("report.html", "report.json"),
    moments={"half": 60.0},
)


def test_a_good_journey_breaks_nothing() -> None:
    assert broken(GOOD, Wanted()) == []
    assert last_line(GOOD) == "0 of 41,203 requests failed, 0 of 9,120 runs lost, 0 repeated; 142 s"
    assert "50.20 % to next" in told(GOOD)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"ended": "rolled_back"}, "promoted"),
        ({"failed": ("/price: no answer",)}, "0 failed requests"),
        ({"lost": ("order 7: no run",)}, "0 lost runs"),
        ({"repeated": ("order 7: 2 lines",)}, "0 repeated runs"),
        ({"wrong": ("order 7",)}, "every result right"),
        ({"requests_a_second": 199.9}, "200 requests/s"),
        ({"runs_a_second": 49.9}, "50 agent runs/s"),
        ({"long_runs": {"2.0.5": 19}}, "20 long runs"),
        ({"long_runs": {"2.0.5": 40, "2.1.0": 1}}, "end where they began"),
        ({"split": 53.1}, "requests at 50/50"),
        ({"split_requests": 0}, "requests at 50/50"),
        ({"split_scraped": None}, "by Prometheus"),
        ({"split_scraped": 46.9}, "by Prometheus"),
        ({"split_of_runs": 45.0}, "runs at 50/50"),
        ({"expanded": ("2",)}, "in the register"),
        ({"locks": {"2 AccessExclusiveLock on orders": 1.2}}, "no lock > 1 s"),
        ({"waited": 1.1}, "no lock > 1 s"),
        ({"behind": ("runs: 9 of 10",)}, "standby follows"),
        ({"standby_gone": 1}, "standby follows"),
        ({"scraped": ("2.0.5",)}, "both slots"),
        ({"report": ("report.html",)}, "report is written"),
    ],
)
def test_a_condition_that_does_not_hold_is_named(bad: dict[str, Any], named: str) -> None:
    (words,) = broken(replace(GOOD, **bad), Wanted())
    assert named in words
