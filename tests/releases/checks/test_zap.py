"""What ZAP found when it attacked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.checklist.papers import zap
from tests.releases.checks.scenes import Looker

CLEAN = {"path": "z.json", "site": "next"}
NEXT = "http://next.example:3000"


@pytest.fixture
def attacked(looker: Looker) -> Callable[..., None]:
    looker.named("next", NEXT)

    def write(target: str = NEXT, build: str = "2.1.0", **more: Any) -> None:
        told = {**zap(target), **more}
        looker.write("z.json", json.dumps({name: value for name, value in told.items() if value is not None}))
        looker.label("z.json", build)

    return write


def test_an_attack_that_found_nothing_much_passes(looker: Looker, attacked: Callable[..., None]) -> None:
    looker.unsure("zap.clean", "There is no report z.json", **CLEAN)
    attacked()
    looker.passes("zap.clean", **CLEAN)
    header = "X-Content-Type-Options Header Missing (Low (Medium), 1 places) (low)"
    looker.fails("zap.clean", header, **CLEAN, below="low")
    looker.unsure("zap.clean", "There is no risk 'critical'", **CLEAN, below="critical")
    looker.unsure("zap.clean", "No system 'nowhere'", **(CLEAN | {"site": "nowhere"}))
    looker.write("z.json", "<html>")
    looker.unsure("zap.clean", "cannot be read as such a report", **CLEAN)


@pytest.mark.parametrize("risk", ["2", "3", "high", ""])
def test_a_risk_that_is_as_high_as_that_or_not_known_fails(
    looker: Looker, attacked: Callable[..., None], risk: str
) -> None:
    alert = {"name": "SQL Injection", "riskcode": risk, "instances": []}
    attacked(site=[{"@name": NEXT, "alerts": [alert]}])
    looker.fails("zap.clean", "SQL Injection", **CLEAN)


@pytest.mark.parametrize(
    "site", ["http://next.example:300", "http://next.example", "https://next.example:3000", "http://next"]
)
def test_the_very_site_has_to_have_been_attacked(
    looker: Looker, attacked: Callable[..., None], site: str
) -> None:
    attacked(site)
    looker.fails("zap.clean", f"{NEXT} was not attacked, but {site}", **CLEAN)


def test_an_attack_on_nothing_is_no_clean_one(looker: Looker, attacked: Callable[..., None]) -> None:
    attacked(site=[])
    looker.unsure("zap.clean", "no site was attacked", **CLEAN)


def test_it_was_this_build_and_not_long_ago(looker: Looker, attacked: Callable[..., None]) -> None:
    attacked(build="2.0.9")
    looker.fails("zap.clean", "it is about 2.0.9", **CLEAN)
    attacked(created=None)
    looker.fails("zap.clean", "ago; 7d is the limit", **CLEAN)  # as older versions say it: 4 Feb 2022
    attacked()
    (looker.root / "z.json.label.json").unlink()
    looker.fails("zap.clean", "it does not say which build it is about", **CLEAN)
