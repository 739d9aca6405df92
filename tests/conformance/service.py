"""The MFA service behind the `http` provider, scripted: the n-th request gets the n-th answer."""

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dice import Dice
from wire import Json, Request

# A peer that stops in the middle of a request must not hold the run up.
SOCKET_SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """One scripted answer; `name` is what the summary counts."""

    name: str
    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    closes: bool = False


def _json(name: str, body: Json, status: int = 200) -> Answer:
    return Answer(name, status, json.dumps(body, ensure_ascii=False))


def _question(dice: Dice) -> Answer:
    body: dict[str, Json] = {"result": "NEEDINFO"}
    body["question"] = dice.choice(["Next code:", "Enter PIN: ", "Válasz?", ""])
    name = "needinfo"
    if dice.chance(0.15):
        body["key"] = dice.choice(["otp", "otp", "pin"])
    if dice.chance(0.3):
        body["disable_echo"] = dice.choice([True, False])
    if dice.chance(0.6):
        name = "needinfo with state"
        body["state"] = dice.choice(
            ["tx-1", "tx-2", 17, {"id": "a1", "round": 2}, ["x", 1.5], "", False]
        )
    return _json(name, body)


def _nonsense(dice: Dice) -> Answer:
    """Make a JSON answer of status 200 that is none of the three results."""
    bodies: list[Json] = [
        {},
        [],
        None,
        "ACCEPT",
        {"result": "accept"},
        {"result": True},
        {"result": None},
        {"result": "NEEDINFO"},
        {"verdict": "ACCEPT"},
        [{"result": "ACCEPT"}],
        {"result": "ALLOW", "reason": "no"},
    ]
    return _json("json nonsense", dice.choice(bodies))


def _denial(dice: Dice) -> Answer:
    reasons = [
        "Wrong code",
        "Locked until 12:00",
        "Nincs ilyen felhasználó",
        'a "b" \\ c',
    ]
    return _json("deny with reason", {"result": "DENY", "reason": dice.choice(reasons)})


def _failure(dice: Dice) -> Answer:
    return _json("5xx", {"result": "ACCEPT"}, dice.choice([500, 502, 503, 504, 599]))


def _other_status(dice: Dice) -> Answer:
    # 201 and 302 with an ACCEPT inside: only status 200 may let anyone in.
    status = dice.choice([201, 202, 302, 400, 401, 403, 404, 404, 404, 429])
    return _json("other status", {"result": "ACCEPT"}, status)


def _broken(dice: Dice) -> Answer:
    bodies = [
        "",
        "ACCEPT",
        '{"result": "ACCEPT"',
        "{'result': 'ACCEPT'}",
        "\ufeff",
        "null null",
    ]
    return Answer("not json", 200, dice.choice(bodies))


ANSWERS: dict[Callable[[Dice], Answer], float] = {
    lambda dice: _json("accept", {"result": "ACCEPT"}): 44,
    lambda dice: _json("deny", {"result": "DENY"}): 7,
    _denial: 8,
    _question: 20,
    _failure: 5,
    _other_status: 4,
    lambda dice: Answer("html", 200, "<html><body>Welcome</body></html>", "text/html"): 3,
    _broken: 3,
    _nonsense: 3,
    lambda dice: Answer("closed", closes=True): 3,
}


def scripted(group: str, number: int) -> Answer:
    """Give the answer to the group's request of that number, the same for both sides."""
    dice = Dice(f"{group}/answer/{number}")
    return dice.weighted(ANSWERS)(dice)


class ScriptedService:
    """A loopback HTTP server for one side, and a port at which nobody listens.

    Both live as long as the process: a worker keeps its sides for all of its groups.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._group = ""
        self._asked = 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            timeout = SOCKET_SECONDS

            def _answer(self) -> None:
                service._serve(self)

            # Every method is recorded; whether it was the right one is for the comparison to say.
            do_POST = do_GET = do_PUT = do_HEAD = _answer

            def log_message(self, format: str, *args: object) -> None:
                """Keep standard error for the report."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        # Bound but not listening: a connection is refused, and nobody else can take the port.
        self._nobody = socket.socket()
        self._nobody.bind(("127.0.0.1", 0))

    def url(self, up: bool) -> str:
        """Give the address of the service, or the one that refuses connections."""
        port = self._server.server_port if up else self._nobody.getsockname()[1]
        return f"http://127.0.0.1:{port}/api"

    def begin(self, group: str) -> None:
        """Start the script of another group."""
        self._group = group
        self._asked = 0
        self.requests = []

    def taken(self) -> list[Request]:
        """Hand over the requests since the last time."""
        requests, self.requests = self.requests, []
        return requests

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        # Ours asks whether the service is there (docs/outages.md). The SDK has no such question, so
        # it takes no answer of the script. With anything in it, it would be a request like others.
        if (handler.command, handler.path) == ("GET", "/api") and not handler.headers.get(
            "Content-Length"
        ):
            handler.close_connection = True
            handler.send_error(404)
            return
        answer = scripted(self._group, self._asked)
        self._asked += 1
        length = int(handler.headers.get("Content-Length") or 0)
        text = handler.rfile.read(length).decode("utf-8", "replace")
        try:
            body = json.loads(text)
        except ValueError:
            body = {"not JSON": text}
        authorization = handler.headers.get("Authorization")
        path = handler.path
        self.requests.append(Request(handler.command, path, body, authorization, answer.name))
        handler.close_connection = True
        if answer.closes:
            return
        data = answer.body.encode()
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.content_type)
        handler.send_header("Content-Length", str(len(data)))
        if answer.status == 302:
            handler.send_header("Location", self.url(up=True) + "/elsewhere")
        handler.end_headers()
        handler.wfile.write(data)
