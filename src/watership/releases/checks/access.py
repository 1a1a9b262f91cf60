"""Our credentials let us in, and it is they that do: without them the same request is refused."""

from __future__ import annotations

from typing import Final

from watership.errors import BadInput
from watership.releases.book.quantity import listed
from watership.releases.book.system import SECRET
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, found

REFUSED: Final = (401, 403)


@check(
    "access.granted",
    adapted=True,
    good_for="24h",
    fix="Ask its owner for access, and put the new secret in its place.",
)
async def granted(scene: Scene, *, of: str, path: str, status: str = "200", contains: str = "") -> Finding:
    """The system `of` answers GET `path` with `status` to our credential (a header with {secret}), and with 401 or 403
    without it. What it answers contains each of `contains` (commas between)."""
    system = scene.system(of)
    if not any(SECRET in value for value in system.headers.values()):
        raise BadInput(
            f"The system '{of}' sends no secret along.", fix="Add: headers: {Authorization: Bearer {secret}}"
        )
    answer = await scene.get(of, path)
    url = system.address(scene.look.secrets).rstrip("/") + path
    without = await scene.look.http.request("GET", url)
    text = answer.body.decode(errors="replace")
    wrong = [] if str(answer.status) in listed(status) else [f"our credential is answered {answer.status}"]
    wrong += [f"the answer does not contain {each}" for each in listed(contains) if each not in text]
    if without.status not in REFUSED:
        wrong.append(f"without a credential it is answered {without.status} all the same")
    return found(
        not wrong, "; ".join(wrong) or f"{of}{path}: {answer.status} to us, {without.status} to others."
    )
