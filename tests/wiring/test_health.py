"""Which slot is meant is told by the router's weights, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from watership.config import Config, EnvironmentSettings
from watership.errors import BadInput
from watership.fleet.deployment import Slot
from watership.releases.incidents.promises import Assess
from watership.releases.ports import RouterState, SlotWeights
from watership.releases.service.sla import Compliance
from watership.releases.verdict import Verdict
from watership.wiring.health import Place, looked_at, objectives, slot_of

B, G = Slot.BLUE, Slot.GREEN


def state(weights: SlotWeights, last_safe: SlotWeights | None = None) -> RouterState:
    return RouterState(weights=weights, last_safe=last_safe, epoch=1, targets={}, healthy={}, active={})


@pytest.mark.parametrize(("place", "found"), [("live", G), ("next", B), ("blue", B), ("green", G)])
def test_live_is_who_serves_and_within_a_split_who_would_serve_if_it_were_taken_back(
    place: Place, found: Slot
) -> None:
    assert slot_of(place, state({G: 100, B: 0})) is found
    assert slot_of(place, state({G: 50, B: 50}, last_safe={G: 100, B: 0})) is found
    assert slot_of(place, state({G: 1, B: 99}, last_safe={G: 100, B: 0})) is found


def test_a_split_that_nobody_guards_must_be_named() -> None:
    for weights in ({}, {G: 50, B: 50}):
        with pytest.raises(BadInput, match="blue or green"):
            slot_of("live", state(weights))
        assert slot_of("green", state(weights)) is G


def test_another_window_holds_for_every_objective() -> None:
    assert {each.over for each in objectives(None, 60.0).objectives} == {60.0}
    assert max(each.over for each in objectives(None, None).objectives) == 30 * 86_400.0
    with pytest.raises(BadInput):
        objectives(None, 0.0)


def test_a_release_looks_at_the_sla_only_where_a_prometheus_is_named_and_then_at_the_projects_own(
    tmp_path: Path,
) -> None:
    nobody = "http://127.0.0.1:9"
    assert looked_at(Config(), tmp_path) is None
    looked = looked_at(Config(environment=EnvironmentSettings(prometheus=nobody)), tmp_path)
    assert looked is not None
    assert len(asyncio.run(_all(looked))) == len(objectives(None, None).objectives)
    (tmp_path / "sla.yaml").write_text(
        "schema: watership/sla/v1\n"
        "objectives: [{ id: up, title: Mine, kind: uptime, over: 1d, at_least: 99%, up: up }]\n"
    )
    (mine,) = asyncio.run(_all(looked))
    assert (mine.title, mine.verdict) == ("Mine", Verdict.INCONCLUSIVE)


async def _all(looked: Assess) -> Sequence[Compliance]:
    return await looked()
