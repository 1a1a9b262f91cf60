"""AWS's own examples of signatures."""

from __future__ import annotations

from datetime import UTC, datetime

from watership.releases.checks.signature import Key, signed


def test_the_example_of_the_general_reference() -> None:
    key = Key(
        id="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region="us-east-1", service="iam"
    )
    got = signed(
        key,
        "GET",
        "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
        at=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    assert got["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


def test_the_example_of_a_listing_of_s3() -> None:
    key = Key(
        id="AKIAIOSFODNN7EXAMPLE",
        secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
        service="s3",
    )
    got = signed(
        key,
        "GET",
        "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J",
        at=datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert got["authorization"].endswith(
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )
