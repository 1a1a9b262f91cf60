"""An address is shown without the name and the password in it, and what is wrong with it is said in our own words.

A parser's words may hold a piece of the password: one with a `/` or a `@` in it is parsed as something else.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from watership.errors import BadInput

HIDDEN = "…"
_END = re.compile(r"[/?#]")


def shown(url: str) -> str:
    """The URL for people: without name, password, query and fragment; the scheme alone when it is not clear."""
    scheme, colon, rest = url.partition("://")
    if not colon:
        return HIDDEN
    host = _END.split(rest, 1)[0].rpartition("@")[2]
    behind = rest[len(_END.split(rest, 1)[0]) :]
    if "@" in behind:  # a password with one of / ? # in it: host may be its first half
        return f"{scheme}://{HIDDEN}"
    return f"{scheme}://{host}{re.split(r'[?#]', behind, maxsplit=1)[0]}"


def parsed(url: str, *schemes: str) -> SplitResult:
    """The parts of a URL that has one of the `schemes` and names a host. Raises BadInput."""
    example = f"Say {schemes[0]}://[USER:PASSWORD@]HOST[:PORT]; in a password / # ? @ are %2F %23 %3F %40."
    scheme = url.partition("://")[0]
    if scheme not in schemes:
        raise BadInput(
            f"{shown(url)} does not begin with {' or '.join(f'{s}://' for s in schemes)}.", fix=example
        )
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadInput(f"{shown(url)} is no URL: host or port make no sense.", fix=example) from None
    if not parts.hostname:
        raise BadInput(f"{shown(url)} names no host.", fix=example)
    return parts


def host_and_port(address: str, port: int | None = None) -> tuple[str, int]:
    """HOST:PORT in two; `port` is the one of an address without. Raises BadInput."""
    try:
        parts = urlsplit(f"//{address}")
        found = parts.port or port
        if parts.hostname and found and parts.netloc == address and parts.username is None:
            return parts.hostname, found
    except ValueError:
        pass
    raise BadInput(f"{address!r} is no address.", fix="Say HOST:PORT, such as example.org:443 or [::1]:443.")
