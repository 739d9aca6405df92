"""A service of its own, and a haproxy and an nginx in front of it."""

from __future__ import annotations

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support import Process, free_port

CODE = "123456"
CONFIG = Path(__file__).resolve().parent / "proxies"
# Longer than nginx waits.
SLOW_SECONDS = 3


class Handler(BaseHTTPRequestHandler):
    """The contract of the `http` provider, with one right code; "slow" paths take their time."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer the second question."""
        if self.path.startswith("/slow/"):
            time.sleep(SLOW_SECONDS)
        self.answer({})

    def do_POST(self) -> None:
        """Answer a login."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith(("/slow/", "/slow-with-codes/")):
            time.sleep(SLOW_SECONDS)
        self.answer({"result": "ACCEPT" if asked.get("otp") == CODE else "DENY"})

    def answer(self, value: dict[str, str]) -> None:
        """Send JSON."""
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Service(ThreadingHTTPServer):
    """The service itself."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a proxy that has hung up."""


class Site:
    """The service, the proxies, and a port on which nothing listens."""

    def __init__(self, folder: Path) -> None:
        self.service_port = free_port()
        self.start_service()
        self.closed = free_port()
        self.ports = {"haproxy": free_port(), "nginx": free_port()}
        self.processes = [self.haproxy(folder), self.nginx(folder)]
        try:
            for process, port in zip(self.processes, self.ports.values(), strict=True):
                process.wait_for(port)
        except BaseException:
            self.stop()
            raise

    def start_service(self) -> None:
        """Start the service, at the same port each time."""
        self.service = Service(("127.0.0.1", self.service_port), Handler)
        threading.Thread(target=self.service.serve_forever, daemon=True).start()

    def stop_service(self) -> None:
        """End the service; the proxies stay."""
        self.service.shutdown()
        self.service.server_close()

    def haproxy(self, folder: Path) -> Process:
        """Start haproxy."""
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PORT": str(self.ports["haproxy"]),
            "SERVICE": str(self.service_port),
            "CLOSED": str(self.closed),
        }
        command = ["/usr/sbin/haproxy", "-db", "-f", str(CONFIG / "haproxy.cfg")]
        return Process(command, folder / "haproxy.log", environment)

    def nginx(self, folder: Path) -> Process:
        """Start nginx, whose configuration has no variables of the environment."""
        text = (CONFIG / "nginx.conf").read_text()
        values = {
            "PORT": self.ports["nginx"],
            "SERVICE": self.service_port,
            "CLOSED": self.closed,
            "PLACE": folder,
        }
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        path = folder / "nginx.conf"
        path.write_text(text)
        command = ["/usr/sbin/nginx", "-p", str(folder), "-c", str(path)]
        return Process(command, folder / "nginx.log", {"PATH": os.environ.get("PATH", "")})

    def url(self, proxy: str, path: str) -> str:
        """Return the address of a manner; the second question has no slash at its end."""
        return f"http://127.0.0.1:{self.ports[proxy]}/{path}api"

    def stop(self) -> None:
        """End the proxies, and the service."""
        for process in self.processes:
            process.stop()
        self.stop_service()
