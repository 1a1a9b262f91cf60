"""The way to a database through a link that can fail."""

from __future__ import annotations

from urllib.parse import urlsplit

from watership.testing.link import Link


def by_way(link: Link, url: str) -> str:
    where = urlsplit(url)
    return where._replace(netloc=f"{where.username}@127.0.0.1:{link.port}").geturl()
