"""Mail is tried with the server that has to take it: whether it knows the addresses, and takes a test message."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import format_datetime

from watership.errors import BadInput
from watership.releases.book.quantity import listed
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.mark import mark
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding


@check("mail.sends", good_for="48h", fix="Look at the server's log, and at the rights of the sender.")
async def sends(scene: Scene, *, of: str, to: str) -> Finding:
    """The mail server `of` takes a test message from its fact `sender` to each address in its fact `to`."""
    sender, recipients = scene.fact(of, "sender"), addresses(scene, of, to)
    refused = await scene.look.mail.send(scene.address(of), _message(scene, sender, recipients))
    wrong = [f"{address}: {words}" for address, words in refused.items()]
    return judged(wrong, f"{of} took a test message to {', '.join(recipients)}.", recipients=len(recipients))


@check("mail.accepts", good_for="24h", fix="Make the list, or correct its address.")
async def accepts(scene: Scene, *, of: str, to: str) -> Finding:
    """The mail server `of` knows each address in its fact `to`: it would take mail for it. Nothing is sent."""
    recipients = addresses(scene, of, to)
    refused = await scene.look.mail.offer(scene.address(of), scene.fact(of, "sender"), recipients)
    wrong = [f"{address}: {words}" for address, words in refused.items()]
    return judged(wrong, f"{of} would take mail for {', '.join(recipients)}.", recipients=len(recipients))


def addresses(scene: Scene, of: str, to: str) -> tuple[str, ...]:
    found = listed(scene.fact(of, to))
    if not found:
        raise BadInput(f"The fact '{to}' of {of} names no address.")
    return found


def _message(scene: Scene, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    version = scene.plan.next.build.version
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(recipients)
    message["Subject"] = f"Test of alerting before the release of {version}"
    message["Date"] = format_datetime(scene.sent_at())
    message["Message-ID"] = f"<watership-{mark(scene)}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        f"This is a test before the release of {version}: nothing is wrong, and nothing is to be done.\n"
    )
    return message
