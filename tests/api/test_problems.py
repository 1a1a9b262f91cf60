"""Whatever goes wrong, the answer is a problem document with a stable code, and the log has the rest."""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import AsyncIterator

import pytest

from tests.api.world import hop, world
from watership import errors
from watership.api.given import CustomRoute, Limits
from watership.api.problems import BY_CODE, status_of
from watership.durable.committer import refusal
from watership.durable.writes import Refused
from watership.errors import BadInput, WatershipError


def check(answer: object, status: int, code: str) -> None:
    assert answer.status_code == status  # type: ignore[attr-defined]
    assert answer.headers["content-type"] == "application/problem+json"  # type: ignore[attr-defined]
    body = answer.json()  # type: ignore[attr-defined]
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:watership:problem:{code}")
    assert body["request_id"] == answer.headers["x-request-id"]  # type: ignore[attr-defined]
    assert body["title"]
    assert body["detail"]


async def test_what_the_framework_refuses_is_a_problem_too() -> None:
    async with world() as w:
        check(await w.http.get("/nowhere"), 404, "no_such_route")
        check(await w.http.get("/api/v1/agents/"), 404, "no_such_route")
        check(await w.http.get("//etc/passwd"), 404, "no_such_route")
        wrong = await w.http.delete("/api/v1/messages", headers=w.bearer("admin"))
        check(wrong, 405, "method_not_allowed")
        assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
        check(await w.http.get("/api/v1/runs/x:cancel", headers=w.bearer("reader")), 404, "not_found")


async def test_a_large_body_is_refused_before_it_is_read() -> None:
    async with world() as w:
        told = await w.http.post(
            "/api/v1/messages", content=b"x" * (1024 * 1024 + 1), headers=w.bearer("writer")
        )
        check(told, 413, "payload_too_large")
        assert told.headers["connection"] == "close"

        async def untold() -> AsyncIterator[bytes]:
            for _ in range(1025):
                yield b"x" * 1024

        answer = await w.http.post("/api/v1/messages", content=untold(), headers=w.bearer("writer"))
        check(answer, 413, "payload_too_large")


async def test_a_body_that_trickles_is_not_waited_for() -> None:
    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    async with world(limits=Limits(body_seconds=0.01)) as w:
        check(
            await w.http.post("/api/v1/messages", content=trickle(), headers=w.bearer("writer")),
            408,
            "request_timeout",
        )


async def test_an_error_nobody_expected_is_told_without_its_words_and_logged_with_them() -> None:
    async with world() as w:
        for path in ("/trip", "/trip/{far}", "/unencodable"):
            answer = await w.http.get(path, headers=w.bearer("reader"))
            check(answer, 500, "internal")
            assert "nobody outside" not in answer.text
            (note,) = [
                one
                for one in w.notes.named("request failed")
                if one["request_id"] == answer.headers["x-request-id"]
            ]
            assert isinstance(note["error"], Exception)
            assert note["route"] == path
        check(await w.http.get("/forbid", headers=w.bearer("reader")), 403, "not_allowed")


async def test_an_answer_that_never_comes_is_given_up() -> None:
    async def hang(params: dict[str, str]) -> object:
        await asyncio.Event().wait()
        return None

    async with world(routes=[CustomRoute("GET", "/hang", hang)], limits=Limits(answer_seconds=0.01)) as w:
        check(await w.http.get("/hang", headers=w.bearer("reader")), 504, "timed_out")


async def test_a_timeout_of_an_own_route_is_its_own_error_and_not_our_patience() -> None:
    async def dial(params: dict[str, str]) -> object:
        raise TimeoutError("the peer of this route did not answer")

    async with world(routes=[CustomRoute("GET", "/dial", dial)]) as w:
        answer = await w.http.get("/dial", headers=w.bearer("reader"))
        check(answer, 500, "internal")
        (note,) = w.notes.named("request failed")
        assert note["request_id"] == answer.headers["x-request-id"]
        error = note["error"]
        assert isinstance(error, TimeoutError)
        assert traceback.extract_tb(error.__traceback__)[-1].name == "dial"


async def test_own_routes_get_path_and_query_and_answer_what_they_like() -> None:
    async with world() as w:
        answer = await w.http.get("/hop/hill?far=yes&where=no", headers=w.bearer("reader"))
        assert answer.json() == {"hopped": {"far": "yes", "where": "hill"}}
        tea = await w.http.get("/teapot")
        assert (tea.status_code, tea.json()) == (418, {"short": "stout"})


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/health"), ("GET", "/api/agents"), ("GET", "hop"), ("TRACE", "/hop"), ("POST", "/livez")],
)
async def test_an_own_route_does_not_take_a_path_of_ours(method: str, path: str) -> None:
    with pytest.raises(BadInput, match=re.escape(path)):
        async with world(routes=[CustomRoute(method, path, hop)]):
            pass


async def test_beyond_the_bound_requests_are_refused_before_they_are_read() -> None:
    async with world() as w:
        w.service.lifecycle.requests = 1_000
        answer = await w.http.get("/livez")
        check(answer, 503, "overloaded")
        assert answer.headers["retry-after"] == "1"
        w.service.lifecycle.requests = 0
        assert (await w.http.get("/livez")).status_code == 200


async def test_a_request_keeps_the_id_it_came_with_if_it_is_a_good_one() -> None:
    async with world() as w:
        kept = await w.http.get("/livez", headers={"X-Request-Id": "abc-1.2_3"})
        assert kept.headers["x-request-id"] == "abc-1.2_3"
        other = await w.http.get("/livez", headers={"X-Request-Id": "a b\t<script>"})
        assert re.fullmatch(r"[0-9a-z]{26}", other.headers["x-request-id"])


def subclasses(kind: type[WatershipError]) -> set[type[WatershipError]]:
    return {kind}.union(*(subclasses(one) for one in kind.__subclasses__()))


def test_every_error_of_the_tree_has_a_status() -> None:
    found = {
        kind.__name__: status_of(kind.__new__(kind))
        for kind in subclasses(WatershipError)
        if kind.__module__ == errors.__name__
    }
    assert found == {
        "WatershipError": 500,
        "BadInput": 400,
        "Unencodable": 422,
        "NotFound": 404,
        "NotAllowed": 403,
        "Conflict": 409,
        "Fenced": 409,
        "Unavailable": 503,
        "ReadOnly": 503,
        "Untrusted": 500,
        "ProgramError": 500,
    }


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("not_found", 404),
        ("illegal_move", 409),
        ("key_reused", 422),
        ("conversation_busy", 409),
        ("no_deployment", 503),
        ("not_in_doubt", 409),
        ("read_only", 503),
        ("inbox", 409),
    ],
)
def test_every_refusal_of_the_store_has_a_status(code: str, status: int) -> None:
    assert status_of(refusal(Refused(code=code, reason="because"))) == status  # type: ignore[arg-type]


def test_the_table_of_codes_is_short() -> None:
    assert set(BY_CODE) == {
        "backlog",
        "key_reused",
        "not_found",
        "limit",
        "link_expired",
        "rate_limited",
        "read_only",
        "no_deployment",
    }


async def test_a_request_that_fails_still_counts() -> None:
    async with world() as w:
        await w.http.get("/trip", headers=w.bearer("reader"))
        assert [(one["route"], one["code"]) for one in w.notes.named("http request")] == [("/trip", 500)]
