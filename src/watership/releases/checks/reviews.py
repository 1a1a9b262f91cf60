"""Each change between live and next was approved by somebody else than who made it, as the forge itself says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, found

PAGE = 100
"""As many as GitHub gives at a time."""

COMMITS = 500
"""Between two releases; each costs two requests. A longer range is not judged at all."""

T = TypeVar("T")

SHOWN = 5
"""Unreviewed commits that are named."""


class _User(Struct):
    login: str


class _Commit(Struct):
    sha: str


class _Range(Struct):
    total_commits: int
    commits: list[_Commit]


class _Head(Struct):
    sha: str


class _Pull(Struct):
    number: int
    user: _User | None
    head: _Head
    merged_at: str | None = None


class _Review(Struct):
    user: _User | None
    state: str
    commit_id: str | None = None


@check(
    "code.reviewed",
    adapted=True,
    good_for="24h",
    fix="Have the pull requests approved, or take the change out.",
)
async def reviewed(scene: Scene, *, of: str, tag: str = "v{version}") -> Finding:
    """Each commit between the tags of live and next came in by a merged pull request whose last state somebody else
    than its author approved, and to whose changes nobody objects. `of` is a GitHub (fact `repository`: OWNER/NAME)."""
    home = f"/repos/{scene.fact(of, 'repository')}"
    base, head = (tag.replace("{version}", side.build.version) for side in (scene.plan.live, scene.plan.next))
    commits = await _commits(scene, of, f"{home}/compare/{base}...{head}")
    judged: dict[int, str] = {}
    wrong = []
    for sha in commits:
        pulls = await _list(scene, of, f"{home}/commits/{sha}/pulls", _Pull)
        merged = [pull for pull in pulls if pull.merged_at is not None]
        for pull in merged:
            if pull.number not in judged:
                reviews = await _list(scene, of, f"{home}/pulls/{pull.number}/reviews", _Review)
                judged[pull.number] = lacking(pull, reviews)
        if not merged:
            wrong.append(f"{sha[:12]} came by no merged pull request")
        elif all(judged[pull.number] for pull in merged):
            wrong.append(f"{sha[:12]}: {judged[merged[0].number]}")
    words = "; ".join(wrong[:SHOWN]) + (f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else "")
    good = f"{len(commits)} commits of {base}...{head} came by {len(judged)} approved pull requests."
    return found(not wrong, f"{words}." if wrong else good, commits=len(commits), pulls=len(judged))


def lacking(pull: _Pull, reviews: Sequence[_Review]) -> str:
    """What an approved pull request has and this one has not, or nothing. The last word of each person counts."""
    author = pull.user.login if pull.user else ""
    words: dict[str, _Review] = {}
    for review in reviews:
        if review.user is not None and review.user.login != author and review.state != "COMMENTED":
            words[review.user.login] = review
    if against := sorted(who for who, review in words.items() if review.state == "CHANGES_REQUESTED"):
        return f"in #{pull.number} {', '.join(against)} asked for changes"
    approved = [review for review in words.values() if review.state == "APPROVED"]
    if not approved:
        return f"nobody but its author approved #{pull.number}"
    if all(review.commit_id != pull.head.sha for review in approved):
        return f"#{pull.number} was changed after its approval"
    return ""


async def _commits(scene: Scene, of: str, path: str) -> list[str]:
    """Every commit of the range. Raises Unavailable beyond COMMITS, or when GitHub gave fewer than it counts."""
    shas: list[str] = []
    total = 0
    for page in range(1, COMMITS // PAGE + 1):
        answer = await scene.json(of, f"{path}?per_page={PAGE}&page={page}")
        there = shaped(of, answer, _Range)
        shas += [commit.sha for commit in there.commits]
        total = there.total_commits
        if len(shas) >= total:
            return shas
    raise Unavailable(f"{of} gave {len(shas)} of {total} commits; {COMMITS} are looked at.")


async def _list(scene: Scene, of: str, path: str, shape: type[T]) -> list[T]:
    """A list of less than a page: who has more reviews than that is read to its bound, and nothing is guessed."""
    there = shaped(of, await scene.json(of, f"{path}?per_page={PAGE}"), list[shape])  # type: ignore[valid-type]
    if len(there) >= PAGE:
        raise Unavailable(f"{of}{path} has {PAGE} entries or more; so many are not looked at.")
    return there
