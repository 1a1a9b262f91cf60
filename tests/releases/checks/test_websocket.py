"""A WebSocket that opens and says something."""

from __future__ import annotations

import threading

from websockets.sync.server import ServerConnection, serve

from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.servers.ports import LOOPBACK
from watership.testing.standin import StandIn


def test_a_socket_has_to_open_and_to_say_what_is_wanted(looker: Looker) -> None:
    def echo(connection: ServerConnection) -> None:
        if connection.request is not None and connection.request.path == "/echo":
            connection.send(f"you said {connection.recv()!r}")

    with serve(echo, LOOPBACK, 0) as server, StandIn() as plain:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        looker.named("socket", f"ws://{LOOPBACK}:{server.socket.getsockname()[1]}")
        looker.named("plain", plain.url.replace("http", "ws"))
        looker.named("nobody", f"ws://{LOOPBACK}:{free_port()}")
        looker.passes("websocket.answers", of="socket", path="/echo", send="hello", contains="said 'hello'")
        looker.fails(
            "websocket.answers", "'bye' is wanted", of="socket", path="/echo", send="hello", contains="bye"
        )
        looker.fails("websocket.answers", "opened and said nothing", of="socket", path="/silent")
        looker.fails("websocket.answers", "answered 404 to the handshake", of="plain")
        looker.unsure("websocket.answers", "Unavailable", of="nobody")
        server.shutdown()
        thread.join(5.0)
