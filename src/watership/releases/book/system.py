"""A system is something outside that checks look at: its address, and a reference to its secret, never the secret."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from watership.errors import BadInput, NotFound
from watership.releases.book.document import load
from watership.releases.book.quantity import Parameter

SECRET = "{secret}"  # noqa: S105 - the place where a secret goes
"""What stands in a URL or a header for the secret."""

SystemId = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.-]*$", max_length=60)]
Reference = Annotated[str, Meta(pattern=r"^(|env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$", max_length=500)]
"""Where a secret is: `env:NAME`, or `file:PATH`; empty: there is none."""


class Secrets(Protocol):
    """Reads secrets at the moment they are needed."""

    def read(self, reference: str) -> str:
        """Raises Unavailable, naming the reference."""


class System(Struct, frozen=True, kw_only=True):
    """Where something is, and what else a check has to know of it.

    `{secret}` in the URL or in a header becomes the secret. `authorities`: a file of certificates to trust.
    """

    url: str
    about: str = ""
    secret: Reference = ""
    headers: dict[str, str] = {}
    authorities: str = ""
    facts: dict[str, Parameter] = {}

    def address(self, secrets: Secrets) -> str:
        """The URL with its secret. Raises Unavailable when that cannot be read."""
        return self._filled(self.url, secrets)

    def sent(self, secrets: Secrets) -> dict[str, str]:
        """The headers with their secret. Raises Unavailable when that cannot be read."""
        return {name: self._filled(value, secrets) for name, value in self.headers.items()}

    def _filled(self, text: str, secrets: Secrets) -> str:
        if SECRET not in text:
            return text
        if not self.secret:
            raise BadInput(
                f"{self.url} names a secret, and no reference says where it is.", fix="Add: secret: env:NAME"
            )
        return text.replace(SECRET, secrets.read(self.secret))


class Systems(Struct, frozen=True, kw_only=True):
    """The file `systems.yaml`."""

    schema: Literal["watership/systems/v1"]
    systems: dict[SystemId, System]


def read(path: Path) -> dict[str, System]:
    """The systems of a file. Raises DocumentError with the line, NotFound without the file."""
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", fix="Write one: docs/checks.md says how.")
    return dict(load(path, Systems).systems)
