"""What looks like a secret, and what does not."""

from __future__ import annotations

import pytest

from watership.durable.scrubbing import keep_out
from watership.releases.masking import masked
from watership.releases.measurement import EVIDENCE, ending, excerpt, failed, scrubbed, unknown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DB_PASSWORD=hush and more", "DB_PASSWORD=[masked] and more"),
        ("password=1234", "password=[masked]"),
        ("api_key='two words' is set", "api_key=[masked] is set"),
        ("--token=abc", "--token=[masked]"),
        ("GET /x?token=abc answered 500", "GET /x?token=[masked] answered 500"),
        ("at postgresql://app:hush@db/app", "at postgresql://app:[masked]@db/app"),
        ("at amqp://app:h@sh@mq:5672", "at amqp://app:[masked]@mq:5672"),
        ("at redis://:hush@cache", "at redis://:[masked]@cache"),
        ("https://0123456789abcdef0123@sentry/1", "https://[masked]@sentry/1"),
        ("Bearer hush", "Bearer [masked]"),
        ("authorization: Basic YTpi and", "authorization: [masked] and"),
        ("X-Vault-Token: s.hush", "X-Vault-Token: [masked]"),
        ("DB_SECRET: hush", "DB_SECRET: [masked]"),
        ('{"secret": "a\\"b", "user": "c"}', '{"secret": [masked], "user": "c"}'),
        ('"{\\"token\\": \\"abc\\", \\"n\\": 1}"', '"{\\"token\\": [masked], \\"n\\": 1}"'),
        ("{'password': 'hush'}", "{'password': [masked]}"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here", "[masked] here"),
        ("ghp_0123456789abcdef here", "[masked] here"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "[masked]"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "monkey=abc, tokens=350, max_tokens=100, key=true",
        "http://h:3000/users/a@b is well",
        "the password of app is valid for longer than 90d",
        "Basic authentication is off",
        "secret: env:NAME stands in systems.yaml",
        "digest=sha256:abc, weights: blue=0, green=100",
        "PASSWORD=[secret env:NAME]",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert masked(text) == text


def test_a_finding_of_any_check_is_masked_and_bounded() -> None:
    finding = scrubbed(failed("PIN_TOKEN=ab " + "x" * 9000, url="redis://:ab@cache", count=3))
    assert finding.evidence.startswith("PIN_TOKEN=[masked] x") and len(finding.evidence) == EVIDENCE
    assert finding.facts == {"url": "redis://:[masked]@cache", "count": 3}
    assert unknown(ValueError("amqp://a:b@mq is gone")).evidence == (
        "The check itself broke: amqp://a:[masked]@mq is gone"
    )


def test_secrets_go_before_the_rest_is_cut() -> None:
    keep_out("WHOLE", "cut-in-the-middle")
    assert "cut-" not in excerpt("x" * 195 + "cut-in-the-middle")
    assert "middle" not in ending("cut-in-the-middle" + "x" * 195)
    assert "hush" not in ending("PASSWORD=hush-hush-hush" + " " + "x" * 190)
