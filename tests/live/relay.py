"""A relay in front of a server that stops in the middle of an answer."""

from __future__ import annotations

import contextlib
import socket
import threading


class Relay:
    """Passes on what both sides say, up to so many bytes of the server; hangs up or waits then."""

    def __init__(self, port: int, most: int, hangs_up: bool) -> None:
        self.target, self.most, self.hangs_up = port, most, hangs_up
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while piece := client.recv(4096):
                server.sendall(piece)
        except OSError:
            pass
        server.close()

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        left = self.most
        try:
            while left > 0 and (piece := server.recv(4096)):
                client.sendall(piece[:left])
                left -= len(piece)
        except OSError:
            pass
        if not self.hangs_up:
            self.over.wait(60)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()

    def stop(self) -> None:
        """End it."""
        self.over.set()
        self.listener.close()
