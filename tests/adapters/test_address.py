"""What is shown of an address holds nothing that is secret, however badly it is written."""

from __future__ import annotations

import pytest

from watership.adapters.address import host_and_port, parsed, shown
from watership.errors import BadInput

WRITTEN_BADLY = [
    "postgresql://user:hush@host:5432/name",
    "postgresql://user:hu/sh@host/name",
    "postgresql://user:#hush@host/name",
    "postgresql://user:?hush@host/name",
    "postgresql://user:x@/hush@host/name",
    "postgresql://user:hush/sh@host:port/name",
    "https://host/?token=hush",
    "https://host/#hush",
    "user:hush@host",
    "smtp://user:hush@[::1",
    "smtp://:hush@",
]


@pytest.mark.parametrize("url", WRITTEN_BADLY)
def test_no_piece_of_a_password_is_shown(url: str) -> None:
    assert "hu" not in shown(url)
    assert "user" not in shown(url)
    try:
        parsed(url, "postgresql", "https", "smtp")
    except BadInput as error:
        assert "hush" not in str(error)


def test_what_is_no_secret_is_shown() -> None:
    assert shown("postgresql://user:hush@host:5432/name?sslmode=require") == "postgresql://host:5432/name"
    assert shown("https://example.org/a/b") == "https://example.org/a/b"


def test_an_address_is_taken_apart_and_nonsense_is_refused() -> None:
    assert host_and_port("example.org:443") == ("example.org", 443)
    assert host_and_port("[::1]:53") == ("::1", 53)
    assert host_and_port("example.org", 53) == ("example.org", 53)
    for nonsense in ("", "example.org", ":53", "a b:x", "host:99999", "https://host:1", "user@host:1"):
        with pytest.raises(BadInput):
            host_and_port(nonsense)


def test_a_url_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="does not begin with redis://"):
        parsed("http://host", "redis")
    with pytest.raises(BadInput, match="names no host"):
        parsed("redis:///0", "redis")
