"""A WebSocket is opened as a client would, and has to say something."""

from __future__ import annotations

from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, excerpt, failed, found


@check("websocket.answers", good_for="24h", fix="Look at the router's timeouts and its Upgrade header.")
async def answers(
    scene: Scene, *, of: str, path: str = "", send: str = "", contains: str = "", within: float = 5.0
) -> Finding:
    """The system `of` (ws:// or wss://) takes the handshake, and sends a text within `within`, after it was sent `send`
    where that is given; the text contains `contains`."""
    system = scene.system(of)
    url = system.address(scene.look.secrets).rstrip("/") + path
    answer = await scene.look.sockets.open(
        url, headers=system.sent(scene.look.secrets), send=send, timeout=within
    )
    if answer.status != 101:
        return failed(f"{of}{path} answered {answer.status} to the handshake, not 101.")
    if answer.first is None:
        return failed(f"{of}{path} opened and said nothing within {within:g} s.")
    words = f"{of}{path} opened and said: {excerpt(answer.first)}"
    return found(
        contains in answer.first, words if contains in answer.first else f"{words}; '{contains}' is wanted."
    )
