"""A relay between a client and its server."""

import socket
import threading
from contextlib import suppress


class Relay:
    """A TCP address that passes everything on to another one, and can be cut or pointed anew.

    `requests`: how often a client has spoken; one that waits for each answer makes that many round
    trips.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.requests = 0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Ends every connection where it stands; how many there were."""
        ended = list(self._open)
        for end in ended:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        return len(ended) // 2

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._open |= {client, server}
            for ends in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_request: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.requests += is_request
                sink.sendall(data)
        for end in (source, sink):
            self._open.discard(end)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
