"""Every field that says ok was probed; the switch of an emergency works with whatever curl sends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from tests.api.world import World, client, world
from watership.api.given import Limits, Probe, Service
from watership.errors import Unavailable

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("path", ["/health", "/api/health", "/api/v1/health"])
async def test_health_has_the_agreed_shape(path: str) -> None:
    async with world() as w:
        answer = await w.http.get(path)
        assert answer.status_code == 200
        body = answer.json()
        assert datetime.fromisoformat(body.pop("timestamp")).tzinfo is not None
        assert isinstance(body.pop("uptime"), int)
        assert body == {
            "status": "ok",
            "version": "2.1.0",
            "database": "ok",
            "rabbitmq": "ok",
            "redis": "ok",
            "build": "sha256:5eed",
            "deployment": "green-1",
            "slot": "green",
            "adapters": {"database": "memory", "rabbitmq": "memory bell", "redis": "none needed"},
        }


@pytest.mark.parametrize("name", ["database", "rabbitmq", "redis"])
async def test_a_component_that_does_not_answer_is_not_ok(name: str) -> None:
    async with world() as w:
        w.broken.add(name)
        answer = await w.http.get("/health")
        assert answer.status_code == 503
        assert answer.json()["status"] == "failed"
        assert answer.json()[name] == f"failed: {name} does not answer."
        w.service.lifecycle.started = True
        assert (await w.http.get("/readyz")).status_code == 503
        assert (await w.http.get("/livez")).status_code == 200
        w.broken.clear()
        assert (await w.http.get("/health")).status_code == 200


async def ask_health(service: Service, **probes: Probe) -> tuple[int, dict[str, object]]:
    """What /health says with further probes."""
    async with client(replace(service, probes={**service.probes, **probes})) as http:
        answer = await http.get("/health")
        return answer.status_code, answer.json()


async def test_a_component_that_was_not_wired_is_not_ok() -> None:
    async with world() as w:
        bare = replace(w.service, probes={"database": w.service.probes["database"]})
        status, body = await ask_health(bare)
        assert (status, body["redis"], body["status"]) == (503, "not configured", "failed")


async def test_a_component_that_hangs_is_not_waited_for() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async with world(limits=Limits(probe_seconds=0.01)) as w:
        status, body = await ask_health(w.service, redis=hang)
        assert status == 503
        assert str(body["redis"]).startswith("no answer within")


async def test_a_probe_that_gave_up_by_itself_is_not_told_as_one_that_we_gave_up() -> None:
    async def give_up() -> None:
        raise TimeoutError("of its own")

    async with world() as w:
        status, body = await ask_health(w.service, search=give_up)
        assert (status, body["search"]) == (503, "failed: TimeoutError")


async def test_a_drivers_own_words_are_not_shown() -> None:
    async def fail() -> None:
        raise ConnectionError("postgres://user:hunter2@db")

    async with world() as w:
        status, body = await ask_health(w.service, search=fail)
        assert (status, body["search"]) == (503, "failed: ConnectionError")


async def test_the_applications_own_writes_are_refused_while_read_only_is_on_and_its_reads_are_not() -> None:
    async with world() as w:
        writer, reader = w.bearer("writer"), w.bearer("reader")
        assert (await w.http.post("/hop", headers=writer)).status_code == 200
        await w.store.set_readonly(True, by="hazel")
        refused = await w.http.post("/hop", headers=writer)
        assert (refused.status_code, refused.json()["code"]) == (503, "read_only")
        assert int(refused.headers["retry-after"]) == 5
        assert (await w.http.get("/hop/here", headers=reader)).status_code == 200
        await w.store.set_readonly(False, by="hazel")
        assert (await w.http.post("/hop", headers=writer)).status_code == 200


async def _readonly(w: World) -> bool:
    status = (await w.http.get("/status")).json()["readonly"]
    assert isinstance(status, bool)
    return status


@pytest.mark.parametrize("kind", [{}, FORM, {"Content-Type": "text/plain"}])
async def test_no_body_turns_read_only_on_and_a_body_turns_it_off(kind: dict[str, str]) -> None:
    async with world() as w:
        headers = {**w.bearer("admin"), **kind}
        assert not await _readonly(w)
        on = await w.http.post("/admin/readonly", headers=headers)
        assert (on.status_code, on.json()["readonly"], await _readonly(w)) == (200, True, True)
        off = await w.http.post("/admin/readonly", content=b'{"readonly": false}', headers=headers)
        assert (off.status_code, off.json()["readonly"], await _readonly(w)) == (200, False, False)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"true",
        b'{"readonly": 0}',
        b'{"readonly": "false"}',
        b" ",
        b"readonly=false",
    ],
)
@pytest.mark.parametrize("before", [True, False])
async def test_a_body_that_means_nothing_changes_nothing(body: bytes, before: bool) -> None:
    async with world() as w:
        await w.store.set_readonly(before)
        answer = await w.http.post("/admin/readonly", content=body, headers={**w.bearer("admin"), **FORM})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")
        assert await _readonly(w) is before


async def test_nobody_but_an_administrator_touches_the_switch() -> None:
    async with world() as w:
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": "Basic YTpi"}, 401),
            (w.bearer("operator"), 403),
        ):
            answer = await w.http.post("/admin/readonly", headers=headers)
            assert answer.status_code == status
            assert not await _readonly(w)


async def test_while_read_only_new_work_is_refused_and_reading_goes_on() -> None:
    async with world() as w:
        run_id = await w.send()
        await w.http.post("/admin/readonly", headers=w.bearer("admin"))
        answer = await w.http.post(
            "/api/v1/messages", json={"agent": "digger", "input": "x"}, headers=w.bearer("writer")
        )
        assert (answer.status_code, answer.json()["code"]) == (503, "read_only")
        assert int(answer.headers["retry-after"]) >= 1
        shown = await w.http.get(f"/api/v1/runs/{run_id}", headers=w.bearer("reader"))
        assert shown.json()["state"] == "ready"


async def test_a_service_is_ready_between_its_start_and_its_drain() -> None:
    async with world() as w:
        assert (await w.http.get("/startupz")).status_code == 503
        assert (await w.http.get("/readyz")).status_code == 503
        w.service.lifecycle.started = True
        assert (await w.http.get("/startupz")).status_code == 200
        ready = await w.http.get("/readyz")
        assert (ready.status_code, ready.json()["components"]["database"]) == (200, "ok")
        assert "connection" not in ready.headers
        w.service.lifecycle.draining.set()
        drains = await w.http.get("/readyz")
        assert (drains.status_code, drains.json()["status"]) == (503, "draining")
        assert drains.headers["connection"] == "close"
        assert (await w.http.get("/livez")).status_code == 200


async def test_metrics_count_requests_by_route_and_runs_by_state() -> None:
    async with world() as w:
        for _ in range(3):
            await w.send()
        await w.http.get("/nowhere")
        await w.http.get("/api/v1/runs/none", headers=w.bearer("reader"))
        text = (await w.http.get("/metrics")).text
        assert 'http_requests_total{code="202",method="POST",route="/api/v1/messages"} 3.0' in text
        assert 'http_requests_total{code="404",method="GET",route="(none)"} 1.0' in text
        assert 'http_requests_total{code="404",method="GET",route="/api/v1/runs/{run_id}"} 1.0' in text
        assert 'http_request_duration_seconds_count{method="POST",route="/api/v1/messages"} 3.0' in text
        assert 'watership_runs{deployment="green-1",state="ready"} 3.0' in text


async def test_runs_that_the_store_does_not_count_are_left_out_of_the_metrics() -> None:
    async with world() as w:

        class Silent:
            def __getattr__(self, name: str) -> object:
                return getattr(w.store, name)

            async def census(self) -> object:
                raise Unavailable("The store does not answer.")

        async with client(replace(w.service, runs=Silent())) as http:  # type: ignore[arg-type]
            answer = await http.get("/metrics")
        assert answer.status_code == 200
        assert "http_requests_total" in answer.text
        assert "watership_runs{" not in answer.text


async def test_what_is_not_vital_degrades_and_does_not_fail() -> None:
    async with world() as w:
        service = replace(w.service, vital=frozenset({"database"}))
        async with client(service) as http:
            w.broken.update({"redis", "rabbitmq"})
            service.lifecycle.started = True
            for path in ("/health", "/readyz"):
                answer = await http.get(path)
                assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
                assert "does not answer" in str(answer.json())
            w.broken.add("database")
            for path in ("/health", "/readyz"):
                answer = await http.get(path)
                assert (answer.status_code, answer.json()["status"]) == (503, "failed")


async def test_a_worker_answers_its_probes_and_takes_no_messages() -> None:
    async with world() as w, client(replace(w.service, probes_only=True)) as http:
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/metrics")).status_code == 200
        assert (await http.post("/api/v1/messages", headers=w.bearer("writer"))).status_code == 404
