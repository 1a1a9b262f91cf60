"""What a channel needs of the world outside: a secret by its reference, or what stands for itself."""

from __future__ import annotations

from dataclasses import dataclass

from watership.errors import BadInput, Unavailable
from watership.releases.book.system import Secrets


@dataclass(frozen=True, slots=True)
class Resolved:
    """Reads at the moment of sending, by way of `secrets`."""

    secrets: Secrets

    def __call__(self, reference: str) -> str:
        """What `env:NAME` or `file:PATH` stands for; anything else stands for itself.

        Raises Unavailable where no secret is to be had: whoever puts it there mends it, and the message is sent then.
        """
        if reference.partition(":")[0] not in ("env", "file"):
            return reference
        try:
            secret = self.secrets.read(reference)
        except BadInput as error:
            # A message that is refused is not tried again, and this is no fault of the message.
            raise Unavailable(error.message, fix=error.fix) from None
        if not secret.isprintable():
            # What cannot stand in a header would be shown by whoever complains of it.
            raise Unavailable(
                f"The secret {reference} holds a line break, or another character that is none."
            )
        return secret
