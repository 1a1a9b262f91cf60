"""The endpoints that are read most are asked at a real service, and at one that counts what a test says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.world import serving, world
from tests.checklist.orchestrator import Orchestrator, counted, other
from tests.checklist.world import World
from tests.releases.checks.looks import looked
from watership.releases.book.system import System
from watership.releases.verdict import Verdict
from watership.testing.servers.ports import LOOPBACK, free_port
from watership.testing.standin import Answer, StandIn

PASSED, FAILED, INCONCLUSIVE = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE


async def test_a_real_service_says_what_was_read_most_and_answers_it(tmp_path: Path) -> None:
    async with world(routes=()) as api, serving(api) as (server, _):
        headers = {name.lower(): value for name, value in api.bearer("admin", "reader").items()}
        run = await api.send()
        reads = {f"/api/v1/runs/{run}": 3, "/api/v1/workers": 2, "/api/v1/schedules": 1, "/livez": 9}
        for path, times in reads.items():
            for _ in range(times):
                assert (await api.http.get(path, headers=headers)).status_code == 200
        there = World(root=tmp_path)
        there.systems["next"] = there.systems["live"] = System(url=server.url, headers=headers)

        verdict, words = await looked(there, "trial.endpoints", of="next", top=10)

        assert verdict is PASSED, words
        first = "/api/v1/runs/{run_id} (3), /api/v1/workers (2), /api/v1/schedules (1)"
        assert all(each in words for each in first.split(", ")) and "/livez" not in words
        assert words.index("(3)") < words.index("(2)") < words.index("(1)"), words
        verdict, words = await looked(there, "trial.endpoints", of="next", top=400)
        assert verdict is FAILED and "can be asked, 400 are wanted" in words
        verdict, words = await looked(there, "trial.endpoints", of="next", paths="/nowhere", top=1)
        assert verdict is FAILED and "/nowhere is not documented by next" in words


@pytest.fixture
def there(tmp_path: Path) -> World:
    return World(root=tmp_path)


BUSY = {"/api/v1/runs/{run_id}": 9, "/api/v1/tenants": 70}


async def test_what_is_read_most_of_live_is_what_next_has_to_answer(there: World) -> None:
    with StandIn({"GET /live/metrics": counted(BUSY)}) as standin:
        orchestrator = Orchestrator(standin, "")
        there.systems |= {"next": System(url=standin.url), "live": System(url=f"{standin.url}/live")}

        async def says(**more: float) -> tuple[Verdict, str]:
            return await looked(there, "trial.endpoints", of="next", top=3, **more)

        verdict, words = await says()
        assert verdict is PASSED, words
        assert words.startswith(
            "/api/v1/tenants (70), /api/v1/runs/{run_id} (9), /api/v1/agents: answered"
        ), words
        assert "GET /api/v1/runs/r-1" in {f"{each.method} {each.path}" for each in standin.asked}
        with other(orchestrator.statuses, "/api/v1/tenants", 500):
            assert await says() == (FAILED, "/api/v1/tenants answered 500; documented is 200.")
        with other(orchestrator.statuses, "/api/v1/budgets", 500):
            assert (await says())[0] is PASSED, "it is not among the three"
        with other(orchestrator.slow, "/api/v1/tenants", 0.05):
            verdict, words = await says(within=0.04)
            assert verdict is FAILED and "/api/v1/tenants took" in words
        standin.routes["GET /live/metrics"] = counted({**BUSY, "/api/v1/usage": 1200})
        verdict, words = await says()
        assert verdict is FAILED, "a client would miss it"
        assert words == "/api/v1/usage is not documented by next, and live was asked for it 1,200 times."


async def test_of_a_list_without_one_there_is_nothing_to_ask_for(there: World) -> None:
    with StandIn({"GET /live/metrics": counted(BUSY)}) as standin:
        Orchestrator(standin, "")
        there.systems |= {"next": System(url=standin.url), "live": System(url=f"{standin.url}/live")}
        standin.routes["GET /api/v1/runs"] = Answer({"data": [], "next": None})
        verdict, words = await looked(there, "trial.endpoints", of="next", top=3)
        assert verdict is PASSED and "{run_id}" not in words, words


async def test_where_nothing_is_told_nothing_is_known(there: World) -> None:
    away = System(url=f"http://{LOOPBACK}:{free_port()}")
    with StandIn() as standin:
        Orchestrator(standin, "")
        there.systems |= {"next": System(url=standin.url), "live": away}
        assert (await looked(there, "trial.endpoints", of="next"))[0] is INCONCLUSIVE
        there.systems["live"] = System(url=standin.url)
        verdict, words = await looked(there, "trial.endpoints", of="next")
        assert verdict is INCONCLUSIVE and "what is asked most is not known" in words
        standin.routes["GET /metrics"] = Answer("")
        assert (await looked(there, "trial.endpoints", of="next"))[0] is PASSED, "the document says which"
        there.systems["next"] = away
        assert (await looked(there, "trial.endpoints", of="next"))[0] is INCONCLUSIVE
