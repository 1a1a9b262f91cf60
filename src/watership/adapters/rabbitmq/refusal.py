"""Why a broker does not let us in: what happened, in words that name the mend, and never a password."""

from __future__ import annotations

import errno
import shlex
from urllib.parse import SplitResult, unquote

from aiormq.exceptions import (
    AuthenticationError,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from watership.errors import BadInput, NotAllowed, Unavailable, WatershipError

SCHEMES = {"amqp": 5672, "amqps": 5671}
"""Of broker.url, each with its usual port."""

PORTS = "Say amqp:// to a plain port (5672), amqps:// to one with TLS (5671)."

RIGHTS = (r"^watership\..*", ".*", r"^watership\..*")
"""To configure, write and read: what docs/rabbitmq.md asks for a user of ours."""

EXAMPLE = "Set broker.url to amqp://user:password@host:5672/vhost, or amqps:// with TLS."


def checked(given: SplitResult) -> SplitResult:
    """`given`, if it is an address of a broker; else BadInput."""
    if given.scheme not in SCHEMES:
        raise BadInput(
            f"broker.url is no address of a RabbitMQ: it begins with {given.scheme}://.", fix=EXAMPLE
        )
    try:
        _ = given.port
    except ValueError:  # whose words may hold a piece of the password
        raise BadInput(
            "broker.url is no address of a RabbitMQ: its port is no number.",
            fix=f"{EXAMPLE} In a password / # ? @ are %2F %23 %3F %40.",
        ) from None
    if not given.hostname:
        raise BadInput("broker.url is no address of a RabbitMQ: it names no host.", fix=EXAMPLE)
    return given


def refusal(given: SplitResult, error: WatershipError) -> WatershipError:
    """`error`, which ended an attempt to connect to `given`, said for whoever has to mend it."""
    match error.__cause__:
        case AuthenticationError() | ProbableAuthenticationError():
            return _stranger(given)
        case ConnectionNotAllowed():
            return _nowhere(given)
        case InvalidFrameError() as cause if "Connection.OpenOk" in str(cause):
            return _nowhere(
                given
            )  # the driver drops the broker's words: it was told to go as it opened the host
        case OSError() as cause:
            words, fix = _unheard(given, cause)
            return Unavailable(words, fix=fix)
        case _:
            words = error.message.removeprefix("connecting: ").removesuffix(".").removesuffix(": connecting")
            return Unavailable(f"RabbitMQ at {_place(given)} does not let us in: {words}.", fix=_look(given))


def _stranger(given: SplitResult) -> NotAllowed:
    user = _user(given)
    local = " guest may come from the broker's own machine only." if user == "guest" else ""
    return NotAllowed(
        f"RabbitMQ at {_place(given)} refused the user {user!r} or the password.",
        fix=f"Look at broker.url, and try it: {shlex.join(['rabbitmqctl', 'authenticate_user', user])}.{local}",
    )


def _nowhere(given: SplitResult) -> NotAllowed:
    user, vhost = _user(given), unquote(given.path.removeprefix("/")) or "/"
    make = shlex.join(["rabbitmqctl", "add_vhost", vhost])
    allow = shlex.join(["rabbitmqctl", "set_permissions", "-p", vhost, user, *RIGHTS])
    return NotAllowed(
        f"RabbitMQ at {_place(given)} has no virtual host {vhost!r}, or {user!r} has no rights there.",
        fix=f"{make}; {allow}",
    )


def _unheard(given: SplitResult, cause: OSError) -> tuple[str, str]:
    """What happened, and the mend, where there is no broker to be heard."""
    words, place = cause.strerror or str(cause) or type(cause).__name__, _place(given)
    if cause.errno is not None and cause.errno < 0:  # getaddrinfo's own numbers
        return (
            f"The host {given.hostname} of broker.url is not known: {words}.",
            f"getent hosts {given.hostname}",
        )
    if "unexpectedly closed" in words:
        return f"{place} hangs up instead of speaking AMQP.", PORTS
    if cause.errno == errno.ECONNREFUSED:
        return f"Nothing listens at {place}, where RabbitMQ should.", _look(given)
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return (
            f"The certificate of {place} is not to be trusted: {words}.",
            "Name its authority: broker.ca_file.",
        )
    if "SSL" in words:
        return f"{place} does not speak TLS: {words}.", PORTS
    return f"RabbitMQ at {place} does not answer: {words}.", _look(given)


def _look(given: SplitResult) -> str:
    return (
        "systemctl start rabbitmq-server, or look at host and port of broker.url: "
        f"nc -vz {given.hostname} {given.port or SCHEMES[given.scheme]}"
    )


def _place(given: SplitResult) -> str:
    return f"{given.hostname}:{given.port or SCHEMES[given.scheme]}"


def _user(given: SplitResult) -> str:
    return unquote(given.username or "guest")
