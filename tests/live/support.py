"""What live tests share: plugin and servers as processes, one-time codes, certificates."""

from __future__ import annotations

import datetime
import hmac
import ipaddress
import json
import os
import socket
import struct
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Json = dict[str, Any]


class Failed(Exception):
    """Something is not as it has to be."""


def expect(condition: bool, what: str, *seen: object) -> None:
    """Raise Failed unless a condition holds."""
    if not condition:
        raise Failed(f"{what}: {', '.join(str(one) for one in seen)}")


class Checks:
    """Runs checks one after the other, prints a line for each, and counts them."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Callable[[Any], None]]] = []

    def check(self, function: Callable[[Any], None]) -> Callable[[Any], None]:
        """Register a check; its docstring is its name."""
        self.all.append(((function.__doc__ or function.__name__).strip().rstrip("."), function))
        return function

    def run(self, site: object, applies: Callable[[Callable[[Any], None]], bool]) -> int:
        """Run those that apply; return the exit status."""
        passed = failed = 0
        for name, function in self.all:
            if not applies(function):
                continue
            try:
                function(site)
            except Exception:  # whatever it is, the other checks still say something
                failed += 1
                print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
            else:
                passed += 1
                print(f"ok     {name}", flush=True)
        print(f"{passed} passed, {failed} failed")
        if counts := os.environ.get("STEP_COUNTS"):
            Path(counts).write_text(f"{passed} {failed} 0\n")
        return 1 if failed or not passed else 0

    def run_at(self, make: Callable[[Path], StoppedSite]) -> int:
        """Make a site in a new folder, run all checks and stop it; return the exit status."""
        with tempfile.TemporaryDirectory(prefix="sps-live-") as folder:
            site = make(Path(folder))
            try:
                return self.run(site, lambda _: True)
            finally:
                site.stop()


class StoppedSite(Protocol):
    """Servers that have to be stopped."""

    def stop(self) -> None:
        """Stop them."""


@dataclass
class Answer:
    """What the plugin said."""

    response: Json
    log: str

    @property
    def verdict(self) -> str:
        """ACCEPT, DENY or NEEDINFO."""
        return str(self.response["verdict"])

    @property
    def metadata(self) -> Json:
        """Why, for the operator."""
        metadata: Json = json.loads(self.response.get("additional_metadata", "{}"))
        return metadata

    @property
    def state(self) -> Any:
        """What the provider keeps in the cookie."""
        return self.response["cookie"].get("state")

    def accepted(self, by: str, serial: str | None = None) -> Answer:
        """Expect an ACCEPT by this factor."""
        expect(self.verdict == "ACCEPT", "expected an ACCEPT", self)
        expect(self.metadata.get("by") == by, f"expected it by {by}", self)
        if serial is not None:
            expect(self.metadata.get("serial") == serial, f"expected serial {serial}", self)
        return self

    def denied(self, reason: str = "Authentication failed") -> Answer:
        """Expect a DENY with this sentence for the user."""
        expect(self.verdict == "DENY", "expected a DENY", self)
        expect(self.response.get("reason") == reason, f"expected the reason {reason}", self)
        return self

    def asked(self) -> Answer:
        """Expect a question with something to read."""
        expect(self.verdict == "NEEDINFO", "expected a NEEDINFO", self)
        expect(bool(self.response["question"][1].strip()), "expected a text", self)
        return self

    def __str__(self) -> str:
        """Return all of it, for a failure."""
        return f"{json.dumps(self.response)}\nlog:\n{self.log}"


@dataclass
class State:
    """A state directory that lives as long as this object."""

    folder: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="sps-live-")
    )

    def environment(self) -> dict[str, str]:
        """Return what the plugin sees."""
        root = Path(self.folder.name)
        return {
            "PATH": os.environ.get("PATH", ""),
            "SCB_PLUGIN_STATE_DIRECTORY": str(root / "state"),
            "EPHEMERAL_PLUGIN_STATE_DIRECTORY": str(root / "ephemeral"),
        }


class Session:
    """One session at the gateway: calls of the real binary, cookies handed on as SPS does."""

    _number = 0
    plugin_type = "aa"

    def __init__(self, configuration: str, user: str, state: State | None = None) -> None:
        Session._number += 1
        self.configuration = configuration
        self.user = user
        self.state = state or State()
        self.session_id = f"live:{Session._number}"
        self.cookies: Json = {"cookie": {}, "session_cookie": {}}
        # Unix seconds, if it is not the time of the machine.
        self.clock: int | None = None

    def start(self, otp: str, key: str = "otp", **more: str) -> subprocess.Popen[str]:
        """Begin an authentication, or go on with it; an answer may have a key of its own."""
        return self.begin("authenticate", {"key_value_pairs": {key: otp, **more}})

    def begin(self, hook: str, arguments: Json) -> subprocess.Popen[str]:
        """Begin a call of any hook."""
        clock = [] if self.clock is None else ["--clock", str(self.clock)]
        process = subprocess.Popen(
            [os.environ["SPS_PLUGIN"], *clock],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.state.environment(),
        )
        arguments = {
            "session_id": self.session_id,
            "protocol": "ssh",
            "connection_name": "live",
            "client_ip": "127.0.0.1",
            "gateway_user": self.user,
            **self.cookies,
            **arguments,
        }
        invocation = {"hook": hook, "type": self.plugin_type, "arguments": arguments}
        assert process.stdin
        process.stdin.write(json.dumps({**invocation, "configuration": self.configuration}))
        process.stdin.close()
        process.stdin = None
        return process

    def finish(self, process: subprocess.Popen[str], status: int = 0) -> Answer:
        """Wait for a call's answer."""
        out, log = process.communicate(timeout=120)
        expect(process.returncode == status, f"exit status {process.returncode}", out, log)
        response = json.loads(out)
        if response is not None:
            self.cookies = {name: response[name] for name in ("cookie", "session_cookie")}
        return Answer(response, log)

    def say(self, otp: str, key: str = "otp", **more: str) -> Answer:
        """Make a call."""
        return self.finish(self.start(otp, key, **more))


def manage(state: State, configuration: str, command: str) -> str:
    """Run `sps-plugin token`, with words that are separated by blanks; return its output."""
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        file.write(configuration)
        file.flush()
        words = [os.environ["SPS_PLUGIN"], "token", *command.split(), "--config", file.name]
        environment = state.environment()
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
    expect(done.returncode == 0, command, done.stdout, done.stderr)
    return done.stdout


@dataclass
class Asked:
    """What `check-config --online` brought back."""

    servers: list[Json]
    status: int
    text: str

    def well(self, *questions: str) -> Asked:
        """Expect that all is well, and that these questions were asked."""
        expect(bool(self.servers) and self.status == 0, "the status", self)
        expect(all(one["result"] == "ok" for one in self.servers), "expected nothing but ok", self)
        for question in questions:
            self.shows(question, "ok")
        return self

    def shows(self, question: str, result: str, piece: str = "") -> Asked:
        """Expect this result of a question, and the status that goes with an error."""
        found = [one for one in self.servers if one["question"] == question]
        fits = [one for one in found if one["result"] == result and piece in one["detail"]]
        expect(bool(fits), f"expected {question}: {result}: {piece}", self)
        expect(result != "error" or self.status == 1, "the status", self)
        return self

    def __str__(self) -> str:
        """Return all of it, for a failure."""
        return self.text


def ask_servers(configuration: str, secret: str = "") -> Asked:
    """Run `sps-plugin check-config --online`; the secret must not be shown."""
    state = State()
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        file.write(configuration)
        file.flush()
        words = [os.environ["SPS_PLUGIN"], "check-config", "--online", "--json"]
        done = subprocess.run(
            [*words, "--config", file.name],
            env=state.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    text = done.stdout + done.stderr
    expect(done.returncode in (0, 1), f"exit status {done.returncode}", text)
    expect(not secret or secret not in text, "a secret is shown", text)
    expect(not (Path(state.folder.name) / "state").exists(), "a state was made", text)
    return Asked(json.loads(done.stdout).get("servers", []), done.returncode, text)


class Process:
    """A server that ends with us, and by nobody else's doing."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment
            )

    def wait_for(self, port: int, seconds: float = 120) -> None:
        """Wait until it listens."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        self.stop()
        raise Failed(f"the server does not listen on {port}:\n{self.log.read_text()[-4000:]}")

    def stop(self) -> None:
        """End it, and wait until it is over."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def free_port() -> int:
    """Return a port of the loopback interface that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def hotp(secret: bytes, counter: int, digits: int = 6) -> str:
    """Compute a code (RFC 4226)."""
    digest = hmac.new(secret, struct.pack(">Q", counter), "sha1").digest()
    at = digest[-1] & 15
    number = struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}}"


def totp(secret: bytes, steps_ahead: int = 0) -> str:
    """Compute a code of this time step or a later one (RFC 6238)."""
    return hotp(secret, int(time.time()) // 30 + steps_ahead)


class Authority:
    """A CA of our own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._build(
            subject, subject, self.key, x509.BasicConstraints(True, None), []
        )
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, host: str) -> tuple[Path, Path]:
        """Write a certificate for a host or address, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        constraints = x509.BasicConstraints(False, None)
        certificate = self._build(subject, self.certificate.subject, key, constraints, [name])
        paths = self.folder / f"{self.name}-{host}.pem", self.folder / f"{self.name}-{host}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paths

    def _build(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        constraints: x509.BasicConstraints,
        names: list[x509.GeneralName],
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(constraints, critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def indented(pem: str) -> str:
    """Return a PEM text as the value of an option."""
    return "\n    ".join(pem.strip().splitlines())


def written(sections: dict[str, dict[str, str]]) -> str:
    """Return a configuration as text."""
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for section, values in sections.items()
    )
