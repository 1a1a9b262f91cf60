"""Trust is the authorities whose word for a server's certificate is taken: the system's, or those of a file."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

import httpx2

from watership.errors import BadInput


def trust(authorities: Path | None = None) -> ssl.SSLContext:
    """What a client checks certificates with. Raises BadInput for a file that holds no authorities."""
    if authorities is None:
        return _of_the_system()
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as reason:  # ssl.SSLError is one
        raise BadInput(
            f"{authorities} holds no authorities that can be read: {reason.strerror or reason}.",
            fix="Name a file with certificates in PEM.",
        ) from reason


@cache
def _of_the_system() -> ssl.SSLContext:
    """Read once: reading the authorities takes longer than most answers that are timed."""
    return httpx2.create_ssl_context()
