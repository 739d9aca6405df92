"""Questions at a real terminal: hidden or shown, and the terminal given back: run.py PROGRAM."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from screen import PATIENCE, Screen, expect

SECRET = b"12345678901234567890"
OTP = "type one-time password: "
TICKET = "Ticket number "
WHY = "The reason "
ENDED = "session_ended of the AA plugin: done"
LET_IN = "the session was let in, and ended"
GIVEN_UP = "the session was given up, and ended: "
LOCAL = """
[state]
key = 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
[mfa]
provider = local
[question_1]
prompt = Ticket number
key = ticket
disable_echo = no
[question_2]
prompt = The reason
key = why
[credentials]
provider = local
"""


class Site:
    """A place with a token and a credential; each check has its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "TERM": "screen",
            "LC_ALL": "C.UTF-8",
            "SCB_PLUGIN_STATE_DIRECTORY": str(folder / "state"),
            "EPHEMERAL_PLUGIN_STATE_DIRECTORY": str(folder / "ephemeral"),
        }
        self._counter = 0
        self.config = self.write("plugin.ini", LOCAL)
        self._run(
            "token", "enroll", "--type", "hotp", "--user", "alice", "--secret-hex", SECRET.hex()
        )
        words = ("--account", "root", "--asset", "192.0.2.22", "--checkout", "exclusive")
        self._run("credential", "set", *words, "--password-stdin", stdin="target-password\n")

    def write(self, name: str, text: str) -> str:
        """Write a file and give its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def _run(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [self.program, *words, "--config", self.config],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=PATIENCE,
            check=False,
        )
        expect(done.returncode == 0, f"{words} fails", done.stderr)
        return done.stdout

    def code(self) -> str:
        """Give the token's next code (RFC 4226)."""
        digest = hmac.digest(SECRET, self._counter.to_bytes(8, "big"), hashlib.sha1)
        self._counter += 1
        offset = digest[-1] & 15
        number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
        return f"{number % 1_000_000:06}"

    def screen(self, *words: str) -> Screen:
        """Start a command in a terminal."""
        return Screen([self.program, *words], self.environment)

    def scenario(self, *words: str) -> Screen:
        """Start a session in a terminal."""
        return self.screen("scenario", "--config", self.config, *words)

    def expect_nothing_held(self) -> None:
        """See that the credential is checked in."""
        held = [entry["held_by"] for entry in json.loads(self._run("credential", "list", "--json"))]
        expect(held == [None], "a session still holds the credential", held)


Check = Callable[[Site], None]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Register a check; its docstring is its name."""
    CHECKS.append(function)
    return function


@check
def every_protocol(site: Site) -> None:
    """Each protocol is played with and without gateway authentication, as its prompts say"""
    for protocol in ("ssh", "rdp", "telnet"):
        for gateway in (
            ["--gateway-user", "alice", "--server-user", "root"],
            ["--server-user", "alice"],
        ):
            code = site.code()
            with site.scenario("--protocol", protocol, *gateway) as screen:
                screen.answer(OTP, code, hidden=False)
                screen.answer(TICKET, "CHG-1042", hidden=False)
                screen.answer(WHY, "hidden-reason", hidden=True)
                shown = screen.end(0)
            for told in ("authenticate: ACCEPT", "authorize: ACCEPT", ENDED, LET_IN):
                expect(told in shown, f"{protocol} {gateway}: {told!r} is missing", shown)
            expect(
                f"{OTP}{code}" in shown and f"{TICKET}CHG-1042" in shown,
                "an answer is missing",
                shown,
            )
            expect("hidden-reason" not in shown, "the hidden answer is shown", shown)
            # Only root has a password there, and only SSH has keys.
            expect(
                ("get_password_list: 1 password" in shown) == ("root" in gateway), "password", shown
            )
            expect(("get_private_key_list" in shown) == (protocol == "ssh"), "keys", shown)
            expect("target-password" not in shown, "the password is shown", shown)
            site.expect_nothing_held()


@check
def hidden_code(site: Site) -> None:
    """A one-time password is hidden where the configuration says so, and a wrong one is a denial"""
    config = site.write("hidden.ini", LOCAL + "[auth]\ndisable_echo = yes\n")
    with site.screen("scenario", "--config", config, "--gateway-user", "alice") as screen:
        screen.answer(OTP, "987654", hidden=True)
        shown = screen.end(1)
    expect("authenticate: DENY" in shown and ENDED in shown, "no denial", shown)
    expect("987654" not in shown, "the code is shown", shown)


def give_up(site: Site, key: str, told: str) -> None:
    """End a session with a key at a hidden and at a visible question."""
    with site.scenario("--gateway-user", "alice") as screen:
        screen.answer(OTP, site.code(), hidden=False)
        screen.answer(TICKET, "CHG-1", hidden=False)
        screen.wait(WHY)
        if key == "C-c":
            screen.type("half-of-it")
        screen.press(key)
        shown = screen.end(1)
    expect(ENDED in shown and GIVEN_UP + told in shown, "the session is not ended", shown)
    expect("half-of-it" not in shown, "the hidden answer is shown", shown)
    with site.scenario("--gateway-user", "alice") as screen:
        screen.wait(OTP)
        screen.press(key)
        shown = screen.end(1)
    expect(ENDED in shown and GIVEN_UP + told in shown, "the session is not ended", shown)


@check
def interrupt(site: Site) -> None:
    """Ctrl-C at a question ends the session, and the terminal shows again what is typed"""
    give_up(site, "C-c", "Ctrl-C was typed")


@check
def end_of_input(site: Site) -> None:
    """Ctrl-D does the same"""
    give_up(site, "C-d", "stdin has ended")


@check
def suspended(site: Site) -> None:
    r"""Ctrl-Z and Ctrl-\ at a hidden question do not get past it"""
    code = site.code()
    with site.scenario("--gateway-user", "alice") as screen:
        screen.answer(OTP, code, hidden=False)
        screen.answer(TICKET, "CHG-1", hidden=False)
        screen.wait(WHY)
        screen.press("C-z", "C-\\", "C-u")
        screen.answer(WHY, "hidden-reason", hidden=True)
        shown = screen.end(0)
    expect("hidden-reason" not in shown, "the hidden answer is shown", shown)


@check
def control_characters(site: Site) -> None:
    """An answer with Ctrl-Z in it is not sent, and is asked for again, three times at most"""
    refused = "control character"
    with site.scenario("--gateway-user", "alice") as screen:
        screen.wait(OTP)
        screen.type("123")
        screen.press("C-z")
        screen.answer("123^Z", "fg", hidden=False)
        screen.wait_times(OTP, 2)
        expect(refused in screen.shown(), "nobody says why", screen.shown())
        screen.answer(OTP, site.code(), hidden=False)
        screen.answer(TICKET, "CHG-1", hidden=False)
        for number in range(1, 4):
            screen.wait_times(WHY, number)
            screen.type("half-of-it")
            screen.press("C-z", "Enter")
        shown = screen.end(1)
    expect(ENDED in shown and GIVEN_UP in shown, "the session is not ended", shown)
    expect("half-of-it" not in shown, "the hidden answer is shown", shown)
    words = ("credential", "set", "--account", "a", "--asset", "b", "--config", site.config)
    with site.screen(*words) as screen:
        screen.wait("Enter the password: ")
        screen.type("half-of-it")
        screen.press("C-z", "Enter")
        shown = screen.end(2)
    expect(refused in shown and "half-of-it" not in shown, "it is taken", shown)


@check
def editing(site: Site) -> None:
    """What is typed can be edited, in any alphabet, also where it is hidden"""
    with site.scenario("--gateway-user", "alice", "--json", "--show-secrets") as screen:
        screen.answer(OTP, site.code(), hidden=False)
        screen.wait(TICKET)
        screen.type("CHG-19ä")
        screen.press("BSpace", "BSpace")
        screen.answer("CHG-1", "042", hidden=False)
        screen.wait(WHY)
        screen.type("nothing of thisö")
        screen.press("C-u")
        screen.type("geäß")
        screen.press("BSpace")
        screen.answer(WHY, "ndert", hidden=True)
        shown = screen.end(0).replace("\n", "")
    expect(
        '"questions":{"ticket":"CHG-1042","why":"geändert"}' in shown, "the answers differ", shown
    )


@check
def pipes(site: Site) -> None:
    """Where stdout is a pipe, the questions are on the terminal all the same"""
    words = [site.program, "scenario", "--config", site.config, "--gateway-user", "alice"]
    with Screen(["sh", "-c", '"$@" >story', "sh", *words], site.environment) as screen:
        screen.answer(OTP, site.code(), hidden=False)
        screen.answer(TICKET, "CHG-1", hidden=False)
        screen.answer(WHY, "hidden-reason", hidden=True)
        shown = screen.end(0)
    expect(
        ENDED not in shown and "hidden-reason" not in shown, "the story is on the terminal", shown
    )


@check
def prompts_of_other_commands(site: Site) -> None:
    """Ctrl-C at the hidden prompts of token and credential gives the terminal back too"""
    for words in (
        ("token", "enroll", "--type", "pw", "--user", "bob", "--password-stdin"),
        ("credential", "set", "--account", "a", "--asset", "b"),
    ):
        with site.screen(*words, "--config", site.config) as screen:
            screen.wait("Enter the password: ")
            screen.type("half-of-it")
            screen.press("C-c")
            shown = screen.end(130)
        expect("interrupted" in shown and "half-of-it" not in shown, "no interrupt", shown)
    with site.screen(*words, "--config", site.config) as screen:
        screen.answer("Enter the password: ", "new-secret", hidden=True)
        screen.answer("Enter the password again: ", "new-secret", hidden=True)
        shown = screen.end(0)
    expect("is made" in shown and "new-secret" not in shown, "no entry", shown)


class Slow(ThreadingHTTPServer):
    """A service that asks once, and answers each request when it is let."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.codes: list[str] = []
        super().__init__(("127.0.0.1", 0), SlowHandler)


class SlowHandler(BaseHTTPRequestHandler):
    """One request."""

    server: Slow

    def do_POST(self) -> None:
        """Wait until it is let, then ask for a second code, or accept it."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.codes.append(body.get("otp", ""))
        self.server.arrived.release()
        self.server.let.acquire(timeout=PATIENCE)
        again = {"result": "NEEDINFO", "question": "Second code: ", "state": 1}
        answer = json.dumps({"result": "ACCEPT"} if "state" in body else again).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def with_slow_service(site: Site, play: Callable[[Slow, Screen], None]) -> None:
    """Play a session whose second factor is slow."""
    with Slow() as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{service.server_address[1]}"
        text = f"[mfa]\nprovider = http\n[http]\nserver_url = {address}\n"
        config = site.write("slow.ini", text)
        try:
            with site.screen("scenario", "--config", config, "--gateway-user", "alice") as screen:
                screen.answer(OTP, "first-code", hidden=False)
                expect(
                    service.arrived.acquire(timeout=PATIENCE), "nothing was asked", screen.shown()
                )
                play(service, screen)
        finally:
            # Whoever still waits gets an answer, so that nothing is left behind.
            service.let.release(8)
            service.shutdown()


@check
def interrupt_while_a_hook_works(site: Site) -> None:
    """Ctrl-C while a hook works is heard after it, and the session is ended"""

    def play(service: Slow, screen: Screen) -> None:
        screen.press("C-c")
        expect("^C" not in screen.settle(), "what is typed is shown", screen.shown())
        service.let.release()
        shown = screen.end(1)
        expect(ENDED in shown and GIVEN_UP + "Ctrl-C was typed" in shown, "not ended", shown)
        expect("Second code" not in shown, "it asks all the same", shown)

    with_slow_service(site, play)


@check
def typed_ahead(site: Site) -> None:
    """What is typed while a hook works is not shown, and is no answer to what it asks"""

    def play(service: Slow, screen: Screen) -> None:
        screen.type("too-early")
        screen.press("Enter")
        screen.type("and-half")
        screen.settle()
        service.let.release()
        screen.answer("Second code: ", "second-code", hidden=False)
        service.let.release()
        shown = screen.end(0)
        expect(service.codes == ["first-code", "second-code"], "other answers", service.codes)
        expect("too-early" not in shown and "and-half" not in shown, "it is shown", shown)

    with_slow_service(site, play)


@check
def typed_before_the_end(site: Site) -> None:
    """What is typed while the last hook works is not shown, and does not go to the shell"""

    def play(service: Slow, screen: Screen) -> None:
        service.let.release()
        screen.answer("Second code: ", "second-code", hidden=False)
        expect(service.arrived.acquire(timeout=PATIENCE), "nothing was asked", screen.shown())
        screen.type("rm -r important")
        screen.press("Enter")
        screen.type("and-half")
        screen.settle()
        service.let.release()
        shown = screen.end(0)
        expect("important" not in shown and "and-half" not in shown, "it is shown", shown)

    with_slow_service(site, play)


def main() -> int:
    """Run all checks, say how many passed, and give the exit status."""
    program = str(Path(sys.argv[1]).resolve())
    failed = 0
    for function in CHECKS:
        name = (function.__doc__ or "").strip()
        try:
            with tempfile.TemporaryDirectory(prefix="sps-plugin-terminal-") as folder:
                function(Site(program, Path(folder)))
        except Exception:  # whatever it is, the other checks still say something
            failed += 1
            print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
        else:
            print(f"passed {name}", flush=True)
    passed = len(CHECKS) - failed
    print(f"{passed} passed, {failed} failed")
    counts = os.environ.get("STEP_COUNTS")
    if counts:
        Path(counts).write_text(f"{passed} {failed} 0\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
