"""Measures logins that a server decides about: what is our own of one eduMFA login.

The server is a thread here that always gives the same answer, after a pause in which nothing else
happens. How long it took from the last byte of the request to the last of the answer is taken off
the time of each run.
"""

import json
import shutil
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from processes import Program, run
from scenarios import ARGUMENTS
from tokens import HEADER, Costs

CONFIGURATION = """
[mfa]
provider = edumfa

[edumfa]
server_url = {url}

[logging]
log_level = info
"""

# What eduMFA 2.9.5 answers to a right code, with a signature of the usual length.
ANSWER = {
    "id": 2,
    "jsonrpc": "2.0",
    "detail": {"message": "matching 1 tokens", "serial": "HOTP0001", "type": "hotp", "otplen": 6},
    "result": {"status": True, "value": True, "authentication": "ACCEPT"},
    "signature": "rsa_sha256_pss:" + "0" * 512,
    "time": 1769860800.5,
    "version": "eduMFA 2.9.5",
}

# Seconds that the server takes; they show that its time is not counted as ours.
THINKS = 0.01
PATIENCE = 10.0
# The SDK takes much longer, so it takes part in one turn out of these.
SDK_EVERY = 10
# Our CPU time to the floor's, and what part of the SDK's times ours may be.
FLOOR_LIMIT = 3.0
SDK_PART = 1 / 25
LONGEST_REQUEST = 64 * 1024


@dataclass(frozen=True)
class Programs:
    """What was built, and where state may lie."""

    floor: Path
    plugin: Path
    sdk: tuple[Path, Path]
    state: Path


class Server:
    """One request after the other, on the loopback interface."""

    def __init__(self) -> None:
        """Listen; the thread ends with the program."""
        body = json.dumps(ANSWER).encode()
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        self._answer = head.encode() + b"Connection: close\r\n\r\n" + body
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._busy: list[float] = []
        self._done = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def busy(self) -> float:
        """Wait until the one request since the last call is answered; say how long that took."""
        if not self._done.wait(PATIENCE) or len(self._busy) != 1:
            sys.exit(f"the server was asked {len(self._busy)} times, expected 1")
        self._done.clear()
        return self._busy.pop()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                connection.settimeout(PATIENCE)
                self._answer_one(connection)

    def _answer_one(self, connection: socket.socket) -> None:
        request = b""
        while not is_complete(request):
            piece = connection.recv(LONGEST_REQUEST)
            if not piece or len(request) > LONGEST_REQUEST:
                return
            request += piece
        began = time.perf_counter()
        time.sleep(THINKS)
        connection.sendall(self._answer)
        self._busy.append(time.perf_counter() - began)
        self._done.set()


def is_complete(request: bytes) -> bool:
    """Tell whether head and body are there."""
    head, end, body = request.partition(b"\r\n\r\n")
    lengths = [
        int(value)
        for name, _, value in (line.partition(b":") for line in head.lower().split(b"\r\n"))
        if name == b"content-length"
    ]
    return bool(end) and len(body) >= sum(lengths)


def edumfa(programs: Programs, turns: int) -> list[str]:
    """Measure one eduMFA login: the plugin beside a `requests` client on the SDK."""
    server = Server()
    folder = programs.state / "edumfa"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    arguments = {**ARGUMENTS, "key_value_pairs": {"otp": "pin755224"}}
    invocation = {
        "hook": "authenticate",
        "type": "aa",
        "arguments": arguments,
        "configuration": CONFIGURATION.format(url=server.url),
    }
    stdin = json.dumps(invocation).encode()
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "SCB_PLUGIN_STATE_DIRECTORY": str(folder / "persistent"),
        "EPHEMERAL_PLUGIN_STATE_DIRECTORY": str(folder / "ephemeral"),
    }
    floor = Program([str(programs.floor)], environment)
    clients = {
        "sps-plugin": Program([str(programs.plugin)], environment),
        "SDK on Python": Program([str(path) for path in programs.sdk], environment),
    }
    costs = {what: Costs() for what in ("floor", *clients)}
    servers: list[float] = []
    for turn in range(-2, turns):
        result = run(floor, stdin)
        if turn >= 0:
            costs["floor"].add(result)
        for what, program in clients.items():
            if what == "SDK on Python" and turn > 0 and turn % SDK_EVERY:
                continue
            result = run(program, stdin)
            if json.loads(result.stdout or b"{}").get("verdict") != "ACCEPT":
                sys.exit(f"{what}: {result.stdout!r}\n{result.stderr.decode()}")
            busy = server.busy()
            if turn >= 0:
                costs[what].cpu.append(result.cpu)
                costs[what].wall.append(result.wall - busy)
                servers.append(busy)
    print(f"**edumfa** (authenticate: ACCEPT, without the server's time)\n\n{HEADER}")
    for what, cost in costs.items():
        print(f"| {what} | {cost.cells()} |")
    return verdict(costs, statistics.median(servers))


def verdict(costs: Mapping[str, Costs], busy: float) -> list[str]:
    """Print the ratios, and list those that are over their limits."""
    floor, plugin, sdk = (costs[what] for what in ("floor", "sps-plugin", "SDK on Python"))
    to_floor = plugin.median_cpu / floor.median_cpu
    parts = {
        "CPU time": plugin.median_cpu / sdk.median_cpu,
        "wall time": plugin.median_wall / sdk.median_wall,
    }
    of_sdk = " and ".join(f"1/{1 / part:.0f} of the SDK's {what}" for what, part in parts.items())
    ours = f"{to_floor:.2f} times the floor's CPU time (limit {FLOOR_LIMIT}), {of_sdk}"
    print(f"\nThe plugin takes {ours} (limit 1/{1 / SDK_PART:.0f}).", end=" ")
    print(f"The server took {busy * 1e3:.1f} ms.\n", flush=True)
    found = []
    if to_floor > FLOOR_LIMIT:
        found.append(f"edumfa: {to_floor:.2f} times the floor, allowed {FLOOR_LIMIT}")
    for what, part in parts.items():
        if part > SDK_PART:
            found.append(f"edumfa: {part:.3f} of the SDK's {what}, allowed {SDK_PART:.3f}")
    return found


SCENARIOS: Mapping[str, Callable[[Programs, int], list[str]]] = {"edumfa": edumfa}
