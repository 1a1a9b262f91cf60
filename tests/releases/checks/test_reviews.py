"""Reviews, as GitHub tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.releases.checks.scenes import Looker
from watership.releases.book.system import System
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

HOME = "/repos/acme/app"


@dataclass
class Forge:
    """Pull request 7 brought the commit `c0` in."""

    standin: StandIn
    looker: Looker

    def commits(self, count: int, pulls: list[dict[str, object]]) -> None:
        def page(asked: Asked) -> Answer:
            number = int(parse_qs(urlsplit(asked.path).query)["page"][0])
            shas = [f"c{each}" for each in range(count)][100 * (number - 1) : 100 * number]
            return Answer({"total_commits": count, "commits": [{"sha": sha} for sha in shas]})

        self.standin.routes[f"GET {HOME}/compare/v2.0.5...v2.1.0"] = page
        for each in range(min(count, 500)):
            self.standin.routes[f"GET {HOME}/commits/c{each}/pulls"] = Answer(pulls)

    def reviews(self, *reviews: tuple[str, str]) -> None:
        rows = [{"user": {"login": who}, "state": state, "commit_id": "head"} for who, state in reviews]
        self.standin.routes[f"GET {HOME}/pulls/7/reviews"] = Answer(rows)


def pull(**more: object) -> dict[str, object]:
    there = {
        "number": 7,
        "user": {"login": "ada"},
        "head": {"sha": "head"},
        "merged_at": "2026-11-28T10:00:00Z",
    }
    return there | more


@pytest.fixture
def forge(looker: Looker) -> Iterator[Forge]:
    with StandIn() as standin:
        headers = {"authorization": "Bearer {secret}"}
        looker.systems["github"] = System(
            url=standin.url, headers=headers, secret="file:token", facts={"repository": "acme/app"}
        )
        looker.write("token", "hush")
        (looker.root / "token").chmod(0o600)
        forge = Forge(standin, looker)
        forge.commits(1, [pull()])
        yield forge


def test_commits_that_somebody_else_approved_pass_and_the_token_is_shown(forge: Forge) -> None:
    forge.commits(130, [pull()])
    forge.reviews(("bo", "CHANGES_REQUESTED"), ("ada", "COMMENTED"), ("bo", "APPROVED"), ("bo", "COMMENTED"))
    words = forge.looker.passes("code.reviewed", of="github")
    assert "130 commits of v2.0.5...v2.1.0 came by 1 approved" in words
    assert {asked.headers["authorization"] for asked in forge.standin.asked} == {"Bearer hush"}


@pytest.mark.parametrize(
    ("reviews", "words"),
    [
        ([], "nobody but its author approved #7"),
        ([("ada", "APPROVED")], "nobody but its author approved #7"),
        ([("bo", "APPROVED"), ("bo", "DISMISSED")], "nobody but its author approved #7"),
        ([("bo", "APPROVED"), ("cy", "CHANGES_REQUESTED")], "in #7 cy asked for changes"),
    ],
)
def test_a_change_without_a_standing_approval_fails(
    forge: Forge, reviews: list[tuple[str, str]], words: str
) -> None:
    forge.reviews(*reviews)
    forge.looker.fails("code.reviewed", words, of="github")


def test_what_was_changed_after_its_approval_is_not_approved(forge: Forge) -> None:
    forge.reviews(("bo", "APPROVED"))
    forge.commits(1, [pull(head={"sha": "later"})])
    forge.looker.fails("code.reviewed", "#7 was changed after its approval", of="github")


def test_a_commit_that_was_pushed_past_every_pull_request_fails(forge: Forge) -> None:
    forge.reviews(("bo", "APPROVED"))
    forge.commits(1, [pull(merged_at=None)])
    forge.looker.fails("code.reviewed", "c0 came by no merged pull request", of="github")


def test_what_the_forge_does_not_tell_is_not_known(forge: Forge) -> None:
    forge.looker.unsure("code.reviewed", "404", of="github")  # no reviews
    forge.commits(501, [pull()])
    forge.looker.unsure("code.reviewed", "500 of 501 commits", of="github")
    nobody = System(url=f"http://127.0.0.1:{free_port()}", facts={"repository": "acme/app"})
    forge.looker.systems["github"] = nobody
    forge.looker.unsure("code.reviewed", "Unavailable", of="github")
