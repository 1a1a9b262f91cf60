"""Signed links: one person, one answer, until it expires; and following one changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.api.test_answers import PAY, asked, post
from tests.api.world import GREEN, SECRET, WORKER, World, world
from watership.agents.people.audience import Audience
from watership.agents.people.links import LINK
from watership.agents.people.question import Question
from watership.durable.codec import encode
from watership.durable.ids import Key, RunId, SignalId
from watership.durable.run import Waiting
from watership.durable.writes import Claim, Deliver, Park
from watership.fleet.identity import AUDIENCE, Tokens, Unauthenticated

FRED: dict[str, Any] = {"person": "fred", "roles": ["finance"]}


def question(answer: Mapping[str, Any], **more: Any) -> Waiting:
    about = Question(question="Which <b>size</b>?", answer=dict(answer), **more)
    return Waiting(kind="signal", key=Key("question/0"), name="question", about=encode(about, "a test"))


async def link(w: World, run_id: str, **body: Any) -> str:
    """The path of a link that an admin makes; for fred, unless it says otherwise."""
    who = w.bearer("admin", person="ann")
    answer = await w.http.post(f"/api/v1/runs/{run_id}:link", json=FRED | body, headers=who)
    assert answer.status_code == 201, answer.text
    path: str = answer.json()["path"]
    return path


async def test_a_link_shows_what_is_asked_and_takes_the_answer_of_its_person() -> None:
    async with world() as w:
        run_id, seen = await asked(w)
        path = await link(w, run_id)
        page = await w.http.get(path)
        assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
        for words in ("Pay?", "&quot;cents&quot;: 5", "<strong>fred</strong>", 'value="true">Approve', seen):
            assert words in page.text
        assert "<script" not in page.text and "style" not in page.text
        done = await w.http.post(path, data={"granted": "true", "note": "by phone"})
        assert (done.status_code, "The answer of fred was taken" in done.text) == (200, True)
        (signal,) = await w.store.inbox(run_id)
        kept = msgspec.json.decode(signal.value)
        assert (kept["granted"], kept["by"], kept["note"], kept["via"], kept["seen"]) == (
            True,
            "fred",
            "by phone",
            "a link from ann",
            seen,
        )


async def test_nothing_is_loaded_kept_framed_or_told_on() -> None:
    async with world() as w:
        run_id, _ = await asked(w)
        headers = (await w.http.get(await link(w, run_id))).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; form-action 'self'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")


async def test_following_a_link_answers_nothing_however_often() -> None:
    async with world() as w:
        run_id, _ = await asked(w)
        path = await link(w, run_id)
        for _ in range(3):
            assert (await w.http.get(path)).status_code == 200
        assert (await w.http.head(path)).status_code == 200
        assert (await w.http.get(path + "?granted=true")).status_code == 400
        run = await w.store.get(run_id)
        assert run is not None and run.state == "waiting" and run.inbox == 0 and run.seq == 0


async def test_a_link_is_used_once_and_says_whose_answer_stands() -> None:
    async with world() as w:
        run_id, seen = await asked(w)
        path, other = await link(w, run_id), await link(w, run_id, person="fay")
        await w.http.post(path, data={"granted": "true"})
        again = await w.http.post(other, data={"granted": "true"})
        assert (again.status_code, "The answer of fred stands" in again.text) == (200, True)
        against = await w.http.post(path, data={"granted": "false"})
        assert (against.status_code, "answered already by fred, differently" in against.text) == (409, True)
        assert "It was answered by fred." in (await w.http.get(path)).text
        status, body = await post(
            w, run_id, w.bearer("reader", "finance", person="fay"), value=True, seen=seen
        )
        assert (status, body["existing"]) == (200, True)
        assert len(await w.store.inbox(run_id)) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_bad_or_an_old_link_says_what_it_is(method: str) -> None:
    async with world() as w:
        run_id, _ = await asked(w)
        path = await link(w, run_id)
        identity = w.bearer("admin")["Authorization"].removeprefix("Bearer ")
        tokens = w.service.tokens
        assert tokens is not None
        claims = dict(tokens.open(path.rpartition("/")[2], LINK))
        foreign = Tokens(SECRET[::-1], w.service.clock).sign(claims, LINK)
        past = int((w.service.clock.now() - timedelta(hours=2)).timestamp())
        old = tokens.sign(claims | {"iat": past, "nbf": past, "exp": past + 60}, LINK)
        nameless = tokens.sign({k: v for k, v in claims.items() if k != "seen"}, LINK)
        for token, status, words in (
            ("nonsense", 400, "bad_link"),
            (path.rpartition("/")[2][:-3], 400, "bad_link"),
            (identity, 400, "bad_link"),
            (foreign, 400, "signature is not ours"),
            (nameless, 400, "does not say its seen"),
            (old, 410, "This link has expired."),
        ):
            answer = await w.http.request(method, f"/answer/{token}", content=b"granted=true")
            assert (answer.status_code, words in answer.text) == (status, True), answer.text
        assert not await w.store.inbox(run_id)


async def test_a_link_is_no_identity_and_an_identity_is_no_link() -> None:
    async with world() as w:
        run_id, _ = await asked(w)
        token = (await link(w, run_id)).rpartition("/")[2]
        answer = await w.http.get("/api/v1/runs", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        tokens = w.service.tokens
        assert tokens is not None
        # Neither by its type alone nor by its audience.
        posing = tokens.sign(tokens.open(token, LINK), LINK._replace(audience=AUDIENCE))
        with pytest.raises(Unauthenticated, match="header"):
            tokens.verify(posing)


async def test_a_link_is_to_what_was_asked_when_it_was_made() -> None:
    async with world() as w:
        run_id, _ = await asked(w)
        path = await link(w, run_id)
        then = msgspec.structs.replace(PAY, key=Key("approval/1"))
        await w.committer.write(_waken(run_id))
        claim = Claim(
            worker=WORKER, deployment=GREEN, pool="default", limit=9, lease_seconds=60, poison_limit=5
        )
        await w.committer.write(claim)
        await w.append(run_id, then=Park(wake_at=None, seen=1, waits=(then,)))
        assert "It is not asked any more" in (await w.http.get(path)).text
        answer = await w.http.post(path, data={"granted": "true"})
        assert (answer.status_code, "not_waiting" in answer.text) == (409, True)
        assert len(await w.store.inbox(run_id)) == 1


def _waken(run_id: RunId) -> Any:
    return Deliver(signal_id=SignalId("w"), run_id=run_id, name="other")


async def test_who_makes_a_link_for_whom() -> None:
    async with world() as w:
        run_id, _ = await asked(w)
        url = f"/api/v1/runs/{run_id}:link"

        async def make(who: dict[str, str], **body: Any) -> tuple[int, str]:
            answer = await w.http.post(url, json=body, headers=who)
            return answer.status_code, answer.json().get("code", "")

        fred = w.bearer("reader", "finance", person="fred")
        assert await make(fred, person="fred") == (201, "")
        # Nobody gives themselves a role, or answers for somebody else.
        assert await make(w.bearer("operator", person="oona"), person="oona", roles=["finance"]) == (
            403,
            "not_allowed",
        )
        assert await make(fred, person="fay") == (403, "not_allowed")
        assert await make(w.bearer("writer", person="walt"), person="walt") == (403, "not_yours")
        admin = w.bearer("admin", person="ann")
        assert await make(admin, person="hazel", roles=["finance"]) == (403, "not_yours")  # who started it
        assert await make(admin, person="fred") == (403, "not_yours")
        assert await make(admin, **FRED, minutes=0) == (400, "bad_input")
        assert await make(admin, **FRED, minutes=10_081) == (400, "bad_input")
        assert await make(w.bearer("admin", tenant="down"), **FRED) == (404, "not_found")
        assert await make(admin, **FRED, wait="approval/9") == (409, "not_waiting")


async def test_a_link_of_ones_own_ends_with_ones_token() -> None:
    async with world() as w:
        run_id, _ = await asked(w)
        who = w.bearer("reader", "finance", person="fred", seconds=120)
        made = await w.http.post(
            f"/api/v1/runs/{run_id}:link", json={"person": "fred", "minutes": 60}, headers=who
        )
        expires = msgspec.convert(made.json()["expires_at"], type=type(w.service.clock.now()))
        assert expires <= w.service.clock.now() + timedelta(seconds=121)


@pytest.mark.parametrize(
    ("answer", "form", "wrong", "right", "value"),
    [
        (
            {"enum": ["S", "M"]},
            'type="radio" name="value" value="&quot;S&quot;"',
            {"value": '"X"'},
            {"value": '"S"'},
            "S",
        ),
        (
            {"type": "string", "minLength": 2},
            'name="text"',
            {"text": "x"},
            {"text": '"quoted" & <b>'},
            '"quoted" & <b>',
        ),
        ({"type": "integer"}, 'name="value"', {"value": "many"}, {"value": "3"}, 3),
    ],
)
async def test_a_question_has_a_form_that_fits_its_answer(
    answer: dict[str, Any], form: str, wrong: dict[str, str], right: dict[str, str], value: object
) -> None:
    async with world() as w:
        run_id, _ = await asked(w, question(answer, may=Audience(by=("@fred",))))
        path = await link(w, run_id)
        page = await w.http.get(path)
        assert form in page.text and "Which &lt;b&gt;size&lt;/b&gt;?" in page.text
        assert (await w.http.post(path, data=wrong)).status_code == 400
        assert not await w.store.inbox(run_id)
        assert (await w.http.post(path, data=right)).status_code == 200
        (signal,) = await w.store.inbox(run_id)
        assert msgspec.json.decode(signal.value)["value"] == value


@pytest.mark.parametrize(
    "body", [b"", b"granted=maybe", b"granted=true&granted=false", b"other=1", b"\xff", b"granted"]
)
async def test_a_form_of_another_shape_answers_nothing(body: bytes) -> None:
    async with world() as w:
        run_id, _ = await asked(w)
        path = await link(w, run_id)
        assert (await w.http.post(path, content=body)).status_code == 400
        assert not await w.store.inbox(run_id)


async def test_without_a_secret_there_are_no_links() -> None:
    async with world(open=True) as w:
        assert "made no links" in (await w.http.get("/answer/x")).text
