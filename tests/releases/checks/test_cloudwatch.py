"""Log groups of CloudWatch, as AWS tells them to who signs, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.releases.checks.aws_standin import KEY_ID, REGION, SECRET, dated
from tests.releases.checks.scenes import Looker
from watership.releases.checks.signature import Key, signed
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

DAY = 86400.0
GROUPS: dict[str, int | None] = {"/a/serve": 90, "/a/worker": 30, "/b/other": None}


def described(asked: Asked) -> Answer:
    """One group a page, for requests that are signed with the right key."""
    key = Key(id=KEY_ID, secret=SECRET, region=REGION, service="logs")
    at = dated(asked)
    wanted = {name: asked.headers[name] for name in ("content-type", "x-amz-target")}
    url = f"http://{asked.headers['host']}/"
    if (
        at is None
        or signed(key, "POST", url, at=at, headers=wanted, body=asked.body)["authorization"]
        != asked.headers["authorization"]
    ):
        return Answer({"__type": "InvalidSignatureException"}, 400)
    given = msgspec.json.decode(asked.body)
    names = [name for name in GROUPS if name.startswith(given["logGroupNamePrefix"])]
    page = int(given.get("nextToken", "0"))
    groups: list[dict[str, Any]] = [
        {"logGroupName": name} | ({"retentionInDays": GROUPS[name]} if GROUPS[name] else {})
        for name in names[page : page + 1]
    ]
    return Answer({"logGroups": groups} | ({"nextToken": str(page + 1)} if page + 1 < len(names) else {}))


@pytest.fixture
def cloud(looker: Looker) -> Iterator[Looker]:
    looker.write("aws.key", SECRET)
    (looker.root / "aws.key").chmod(0o600)
    looker.write("wrong.key", "wrong")
    (looker.root / "wrong.key").chmod(0o600)
    with StandIn({"POST /": described}) as server:
        nobody = f"http://127.0.0.1:{free_port()}"
        for name, url, secret in (
            ("aws", server.url, "aws.key"),
            ("stranger", server.url, "wrong.key"),
            ("nobody", nobody, "aws.key"),
        ):
            looker.named(name, url, secret=f"file:{secret}", key=KEY_ID, region=REGION)
        yield looker


def test_log_groups_are_found_over_all_pages(cloud: Looker) -> None:
    cloud.passes("cloud.log_groups", of="aws", groups="/a/serve, /a/worker")
    cloud.fails("cloud.log_groups", "there is no log group /a/none", of="aws", groups="/a/serve, /a/none")
    for of, words in (("stranger", "InvalidSignature"), ("nobody", "no answer")):
        cloud.unsure("cloud.log_groups", words, of=of, groups="/a/serve")
        cloud.unsure("cloud.log_retention", words, of=of, prefix="/a/", at_least=DAY, at_most=DAY)


def test_lines_are_kept_neither_too_short_nor_for_ever(cloud: Looker) -> None:
    cloud.passes("cloud.log_retention", of="aws", prefix="/a/", at_least=30 * DAY, at_most=90 * DAY)
    for prefix, least, most, words in (
        ("/a/", 60 * DAY, 90 * DAY, "/a/worker keeps its lines for 30 days"),
        ("/a/", DAY, 60 * DAY, "/a/serve keeps its lines for 90 days"),
        ("/b/", DAY, 900 * DAY, "/b/other keeps its lines for ever"),
        ("/c/", DAY, DAY, "has no log group below /c/"),
    ):
        cloud.fails("cloud.log_retention", words, of="aws", prefix=prefix, at_least=least, at_most=most)
