"""A FreeRADIUS of the test's own: ports, configuration, and what arrived there."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path

from support import Failed, Process

SECRET = "a secret of the live tests"
CONFIG = Path(__file__).resolve().parent / "freeradius" / "raddb"
MANNERS = ("good", "legacy", "last", "silent", "slow", "proxy")

IPV6 = """
listen {{
	type = auth
	ipv6addr = ::1
	port = {port}
	clients = strict
	virtual_server = good
}}
"""


def free_udp_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody has."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def has_ipv6() -> bool:
    """Tell whether there is a ::1 here."""
    try:
        free_udp_port("::1")
    except OSError:
        return False
    return True


class Server:
    """One process that listens on a port for each manner."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {manner: free_udp_port() for manner in MANNERS}
        self.ipv6_port = free_udp_port("::1") if has_ipv6() else None
        if self.ipv6_port:
            (folder / "ipv6.conf").write_text(IPV6.format(port=self.ipv6_port))
        # The home server of the realm partner.example, which never answers.
        self.home = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.home.bind(("127.0.0.1", 0))
        self.environment = {
            "PATH": os.environ.get("PATH", ""),
            # Where the configuration lies, what changes, and what is secret.
            "RADIUS_CONFIG": str(CONFIG),
            "RADIUS_PLACE": str(folder),
            "RADIUS_SECRET": SECRET,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PORT_HOME": str(self.home.getsockname()[1]),
            **{f"PORT_{manner.upper()}": str(port) for manner, port in self.ports.items()},
        }
        self.start()

    def address(self, manner: str) -> str:
        """Return host and port."""
        return f"127.0.0.1:{self.ports[manner]}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self.folder / "radius.log"
        log.unlink(missing_ok=True)
        command = ["/usr/sbin/freeradius", "-f", "-d", str(CONFIG)]
        self.process = Process(command, self.folder / "output", self.environment)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.process.poll() is None:
            if log.exists() and "Ready to process requests" in log.read_text():
                return
            time.sleep(0.05)
        said = (log.read_text() if log.exists() else "") + (self.folder / "output").read_text()
        self.process.stop()
        raise Failed(f"FreeRADIUS does not start:\n{said[-4000:]}")

    def stop(self) -> None:
        """End it."""
        self.process.stop()

    def log(self) -> str:
        """Return what it logged since it was started."""
        return (self.folder / "radius.log").read_text()

    def push(self, user: str, verdict: str) -> None:
        """Play the user's phone."""
        (self.folder / f"push-{user}").write_text(verdict)

    def arrived(self) -> list[list[tuple[str, str]]]:
        """Return the requests since the last call: names and values in their order."""
        path = self.folder / "arrived"
        if not path.exists():
            return []
        text = path.read_text()
        path.write_text("")
        requests = []
        for block in text.strip().split("\n\n"):
            found = re.findall(r"^\t(\S+) = (.*)$", block, re.MULTILINE)
            requests.append([(name, value.strip('"')) for name, value in found])
        return [request for request in requests if request]


def radclient(server: str, secret: str, pairs: str) -> str:
    """Ask as Debian's own client does."""
    command = ["radclient", "-x", "-r", "1", "-t", "2", server, "auth", secret]
    return subprocess.run(
        command, input=pairs, capture_output=True, text=True, timeout=30, check=False
    ).stdout
