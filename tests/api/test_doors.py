"""Who may call what: every route is in the table, and what is not granted is refused."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.api.world import SECRET, client, world
from watership.api.given import PUBLIC
from watership.api.service import endpoints
from watership.durable.clock import SystemClock
from watership.fleet.identity import ADMIN, OPERATOR, READER, ROLES, WRITER, Tokens

EXPECTED = {
    ("GET", "/health"): PUBLIC,
    ("GET", "/status"): PUBLIC,
    ("GET", "/livez"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/startupz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
    ("POST", "/admin/readonly"): ADMIN,
    ("GET", "/api/v1/agents"): READER,
    ("GET", "/api/v1/agents/{name}"): READER,
    ("POST", "/api/v1/agents/{name}:pause"): OPERATOR,
    ("POST", "/api/v1/agents/{name}:resume"): OPERATOR,
    ("POST", "/api/v1/runs/{run_id}:fork"): WRITER,
    ("GET", "/api/v1/messages"): READER,
    ("POST", "/api/v1/messages"): WRITER,
    ("GET", "/api/v1/runs"): READER,
    ("GET", "/api/v1/runs/{run_id}"): READER,
    ("GET", "/api/v1/runs/{run_id}/account"): READER,
    ("GET", "/api/v1/runs/{run_id}/events"): READER,
    ("GET", "/api/v1/runs/{run_id}/ws"): READER,
    ("POST", "/api/v1/runs/{run_id}:cancel"): WRITER,
    ("POST", "/api/v1/runs/{run_id}:answer"): READER,
    ("POST", "/api/v1/runs/{run_id}:link"): READER,
    ("GET", "/answer/{token}"): PUBLIC,
    ("POST", "/answer/{token}"): PUBLIC,
    ("POST", "/api/v1/runs/{run_id}:signal"): WRITER,
    ("POST", "/api/v1/runs/{run_id}:retry"): OPERATOR,
    ("GET", "/api/v1/workers"): READER,
    ("GET", "/api/v1/schedules"): READER,
    ("GET", "/api/v1/flags"): "reader",
    ("PUT", "/api/v1/flags/{name}"): "operator",
    ("GET", "/api/v1/flags/{name}/changes"): "operator",
    ("GET", "/api/v1/dead-letters"): READER,
    ("POST", "/api/v1/dead-letters/{run_id}:requeue"): OPERATOR,
    ("POST", "/api/v1/dead-letters/{run_id}:discard"): OPERATOR,
    ("GET", "/hop/{where}"): READER,
    ("POST", "/hop"): WRITER,
    ("GET", "/teapot"): PUBLIC,
    ("GET", "/trip"): READER,
    ("GET", "/trip/{far}"): READER,
    ("GET", "/unencodable"): READER,
    ("GET", "/forbid"): READER,
}

# What a granted call may answer here, where the bodies are empty and the runs unknown: anything but a closed door.
REFUSALS = {401, 403}


def expired(token: str) -> str:
    """The token with its end moved, as somebody would who does not know the secret."""
    head, claims, signature = token.split(".")
    body = json.loads(base64.urlsafe_b64decode(claims + "=="))
    moved = json.dumps({**body, "exp": body["exp"] + 1000}).encode()
    return ".".join((head, base64.urlsafe_b64encode(moved).rstrip(b"=").decode(), signature))


async def test_the_table_of_routes_is_the_expected_one() -> None:
    async with world() as w:
        assert {(each.method, each.path): each.scope for each in endpoints(w.service)} == EXPECTED


async def test_every_route_asks_for_its_role_and_no_less() -> None:
    async with world() as w:
        wrong = []
        for each in endpoints(w.service):
            for path in each.paths:
                url = path.replace("{run_id}", "none").replace("{where}", "there")
                for role in (None, *ROLES, "QA lead", "forged", "stranger"):
                    headers: dict[str, str] = {}
                    if role == "forged":
                        good = w.bearer(ADMIN)["Authorization"].removeprefix("Bearer ")
                        headers = {"Authorization": f"Bearer {expired(good)}"}
                    elif role == "stranger":
                        headers = w.bearer(ADMIN, tenant="elsewhere")
                    elif role is not None:
                        headers = w.bearer(role)
                    answer = await w.http.request(each.method, url, headers=headers)
                    granted = each.scope == PUBLIC or (
                        role in {*ROLES, "stranger"}
                        and (role == "stranger" or ROLES.index(str(role)) >= ROLES.index(each.scope))
                    )
                    known = role not in {None, "forged"}
                    status = answer.status_code
                    right = status not in REFUSALS if granted else status == (403 if known else 401)
                    if url == "/forbid" and granted:
                        right = status == 403
                    if not right:
                        wrong.append((each.method, url, role, status))
        assert wrong == []


async def test_an_expired_token_opens_nothing() -> None:
    async with world() as w:
        token = Tokens(SECRET, Yesterday()).issue("hazel", roles=[ADMIN])
        headers = {"Authorization": f"Bearer {token}"}
        closed = [each for each in endpoints(w.service) if each.scope != PUBLIC]
        assert len(closed) > 10
        for each in closed:
            url = each.path.replace("{run_id}", "none").replace("{where}", "there")
            answer = await w.http.request(each.method, url, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), url
            assert "expired" in answer.json()["detail"]
            assert answer.headers["www-authenticate"].startswith("Bearer")


class Yesterday(SystemClock):
    """A clock that is a day late."""

    def now(self) -> datetime:
        return super().now() - timedelta(days=1)


async def test_on_loopback_nobody_needs_a_token() -> None:
    async with world(open=True) as w:
        assert (await w.http.get("/api/v1/agents")).status_code == 200
        assert (await w.http.post("/admin/readonly")).json()["readonly"] is True


async def test_a_token_that_cannot_be_verified_is_refused_even_where_none_is_needed() -> None:
    async with world(open=True) as w:
        answer = await w.http.post("/admin/readonly", headers={"Authorization": "Bearer wrong"})
        assert answer.status_code == 401
        assert (await w.http.get("/status")).json()["readonly"] is False


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:3000"},
        {"Host": "[broken"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
    ],
)
async def test_without_tokens_a_page_of_the_web_cannot_act_through_a_browser(headers: dict[str, str]) -> None:
    async with world(open=True) as w:
        answer = await w.http.post("/admin/readonly", headers=headers)
        assert answer.status_code == 403
        assert (await w.http.get("/status")).json()["readonly"] is False


async def test_a_console_on_this_machine_acts_without_a_token() -> None:
    async with world(open=True, base_url="http://localhost:3000") as w:
        answer = await w.http.post("/admin/readonly", headers={"Origin": "http://localhost:3000"})
        assert answer.status_code == 200


async def test_a_service_that_is_neither_open_nor_has_a_secret_lets_nobody_in() -> None:
    async with world() as w, client(replace(w.service, tokens=None)) as http:
        for headers in ({}, w.bearer(ADMIN)):
            assert (await http.get("/api/v1/agents", headers=headers)).status_code == 401
