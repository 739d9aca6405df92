"""eduMFA and privacyIDEA: one set-up for both, because one is a fork of the other."""

from __future__ import annotations

import base64
import datetime
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from passlib.hash import sha512_crypt

from support import Authority, Failed, Json, Process, expect

BIN = Path(sys.executable).parent
ADMIN = "admin"


# The server's own exporter, as its administrators' command calls it.
EXPORT = """
from wsgi import application
from {module}.lib.importotp import export_pskc
from {module}.lib.token import get_tokens
with application.app_context():
    tokens = [token for serial in {serials} for token in get_tokens(serial=serial)]
    key, _, document = export_pskc(tokens)
    print(key)
    print(document)
"""


@dataclass(frozen=True)
class Family:
    """What the two call differently."""

    name: str
    prefix: str
    config_variable: str
    manage: str
    setup: tuple[str, ...]
    push: str
    has_four_eyes: bool


FAMILIES = {
    "edumfa": Family("edumfa", "EDUMFA", "EDUMFA_CONFIGFILE", "edumfa-manage", (), "edupush", True),
    "privacyidea": Family(
        "privacyidea", "PI", "PRIVACYIDEA_CONFIGFILE", "pi-manage", ("setup",), "push", False
    ),
}

# Cheap hashes: what a PIN costs the server is not what is tested.
CONFIG = """
import logging
SUPERUSER_REALM = ["super"]
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/server.sqlite"
SQLALCHEMY_TRACK_MODIFICATIONS = False
SECRET_KEY = "{secret}"
{prefix}_PEPPER = "{secret}"
{prefix}_ENCFILE = "{folder}/enckey"
{prefix}_AUDIT_KEY_PRIVATE = "{folder}/private.pem"
{prefix}_AUDIT_KEY_PUBLIC = "{folder}/public.pem"
{prefix}_AUDIT_SQL_TRUNCATE = True
{prefix}_LOGFILE = "{folder}/server.log"
{prefix}_LOGLEVEL = logging.WARNING
{prefix}_UUID_FILE = "{folder}/uuid"
{prefix}_HASH_ALGO_PARAMS = {{
    "argon2__rounds": 1, "argon2__memory_cost": 8, "argon2__parallelism": 1
}}
"""

WSGI = """
import os
from {module}.app import create_app
application = create_app(
    config_name="production", config_file=os.environ["{variable}"], silent=True
)
"""


class Server:
    """One set of data, and one or more processes that serve it on the loopback interface."""

    def __init__(self, family: Family, folder: Path) -> None:
        self.family, self.folder = family, folder
        self.running: dict[int, Process] = {}
        self.authority = Authority(folder, "ca")
        secret = secrets.token_hex(24)
        config = CONFIG.format(folder=folder, secret=secret, prefix=family.prefix)
        (folder / "server.cfg").write_text(config)
        wsgi = WSGI.format(module=family.name, variable=family.config_variable)
        (folder / "wsgi.py").write_text(wsgi)
        kept = {
            name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME")
        }
        self.environment = {**kept, family.config_variable: str(folder / "server.cfg")}
        for command in ("create_enckey", "create_audit_keys", "create_tables"):
            self.manage(*family.setup, command)
        self.admin_password = secrets.token_hex(8)
        email = ["-e", "a@example.org"]
        self.manage("admin", "add", ADMIN, *email, "-p", self.admin_password)

    def manage(self, *arguments: str) -> str:
        """Run the administrator's command."""
        command = [str(BIN / self.family.manage), *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=300
        )
        expect(done.returncode == 0, " ".join(command), done.stdout, done.stderr)
        return done.stdout

    def export(self, serials: list[str]) -> tuple[str, str]:
        """Return the pre-shared key and the PSKC file that the server writes of tokens."""
        script = EXPORT.format(module=self.family.name, serials=serials)
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        expect(done.returncode == 0, "the export", done.stdout, done.stderr)
        key, _, document = done.stdout.partition("\n")
        return key, document

    def start(self, port: int, certificate: tuple[Path, Path] | None = None) -> int:
        """Serve on a port; return it."""
        command = [str(BIN / "gunicorn"), "-b", f"127.0.0.1:{port}", "-w", "1", "-k", "gthread"]
        command += ["--threads", "4", "--timeout", "600", "--no-control-socket"]
        command += ["--chdir", str(self.folder), "wsgi:application"]
        if certificate:
            command += ["--certfile", str(certificate[0]), "--keyfile", str(certificate[1])]
        process = Process(command, self.folder / f"{port}.log", self.environment)
        self.running[port] = process
        process.wait_for(port)
        return port

    def stop(self, port: int) -> None:
        """End what serves on a port."""
        self.running.pop(port).stop()

    def stop_all(self) -> None:
        """End everything that was started."""
        for port in list(self.running):
            self.stop(port)


class Api:
    """The administrator's REST API."""

    def __init__(self, server: Server, port: int) -> None:
        self.server, self.base = server, f"http://127.0.0.1:{port}"
        self.session = requests.Session()
        self.session.trust_env = False
        login = {"username": ADMIN, "password": server.admin_password}
        self.token = self.post("/auth", **login)["result"]["value"]["token"]
        self.session.headers["Authorization"] = self.token

    def _call(self, method: str, path: str, **parameters: Any) -> Json:
        reply = self.session.request(method, self.base + path, timeout=120, **parameters)
        try:
            answer: Json = reply.json()
        except ValueError as error:
            raise Failed(f"{method} {path}: {reply.status_code} {reply.text[:500]}") from error
        good = reply.ok and answer["result"]["status"]
        expect(good, f"{method} {path}", reply.status_code, answer)
        return answer

    def post(self, path: str, **fields: Any) -> Json:
        """Call with a body."""
        return self._call("POST", path, json=fields)

    def get(self, path: str, **fields: Any) -> Json:
        """Call with a query."""
        return self._call("GET", path, params=fields)

    def delete(self, path: str) -> Json:
        """Take something away."""
        return self._call("DELETE", path)

    def policy(self, name: str, scope: str, action: str) -> None:
        """Make a policy for everybody."""
        self.post(f"/policy/{name}", scope=scope, action=action, active=True, realm="")

    def realm(self, name: str, users: list[str]) -> None:
        """Make a realm of users; a user's password is of no use here."""
        passwd = self.server.folder / f"{name}.passwd"
        crypted = sha512_crypt.using(rounds=1000).hash(secrets.token_hex(8))
        lines = [
            f"{user}:{crypted}:{uid}:{uid}:{user} Test,,,,{user}@example.org:/:/bin/sh\n"
            for uid, user in enumerate(users, 1000)
        ]
        passwd.write_text("".join(lines))
        self.post(f"/resolver/{name}", type="passwdresolver", fileName=str(passwd))
        self.post(f"/realm/{name}", resolvers=name)

    def enrol(self, serial: str, user: str, realm: str, kind: str, pin: str, **more: Any) -> Json:
        """Enrol a token."""
        fields = {"serial": serial, "user": user, "realm": realm, "type": kind, "pin": pin}
        detail: Json = self.post("/token/init", **fields, **more)["detail"]
        return detail

    def hotp(self, serial: str, user: str, realm: str, pin: str, kind: str = "hotp") -> bytes:
        """Enrol a token whose codes we know; return its secret."""
        secret = secrets.token_bytes(20)
        self.enrol(serial, user, realm, kind, pin, otpkey=secret.hex(), genkey=0, otplen=6)
        return secret

    def phone(self, serial: str, user: str, realm: str, pin: str) -> Phone:
        """Enrol a push token, both steps of it."""
        kind = self.server.family.push
        detail = self.enrol(serial, user, realm, kind, pin, genkey=1)
        return Phone(self.base, kind, serial, detail["enrollment_credential"])

    def fail_counter(self, serial: str) -> int:
        """Return how many failures the server counts."""
        tokens = self.get("/token/", serial=serial)["result"]["value"]["tokens"]
        return int(tokens[0]["failcount"])


class Phone:
    """The user's smartphone: asks for challenges ("poll only") and signs the answers."""

    def __init__(self, base: str, kind: str, serial: str, credential: str) -> None:
        self.url, self.serial = f"{base}/ttype/{kind}", serial
        self.key = rsa.generate_private_key(65537, 2048)
        self.session = requests.Session()
        self.session.trust_env = False
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        text = "".join(public.decode().splitlines()[1:-1]).replace("+", "-").replace("/", "_")
        enrolment = {"enrollment_credential": credential, "serial": serial, "fbtoken": "none"}
        self._post(**enrolment, pubkey=text)

    def _sign(self, text: str) -> str:
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return base64.b32encode(signature).decode()

    def _post(self, **fields: str) -> None:
        reply = self.session.post(self.url, data=fields, timeout=60)
        good = reply.ok and reply.json()["result"]["value"] is True
        expect(good, "the phone is refused", reply.status_code, reply.text[:500])

    def nonces(self) -> set[str]:
        """Ask for the challenges that wait for an answer."""
        now = datetime.datetime.now(datetime.UTC).isoformat()
        signature = self._sign(f"{self.serial}|{now}")
        query = {"serial": self.serial, "timestamp": now, "signature": signature}
        reply = self.session.get(self.url, params=query, timeout=60)
        expect(reply.ok, "the phone may not ask", reply.status_code, reply.text[:500])
        return {challenge["nonce"] for challenge in reply.json()["result"]["value"]}

    def answer(self, confirm: bool, is_over: Callable[[], bool]) -> int:
        """Answer each challenge that comes until something is over; return how many there were."""
        answered: set[str] = set()
        while not is_over():
            for nonce in self.nonces() - answered:
                text = f"{nonce}|{self.serial}" + ("" if confirm else "|decline")
                fields = {"serial": self.serial, "nonce": nonce, "signature": self._sign(text)}
                self._post(**fields, **({} if confirm else {"decline": "1"}))
                answered.add(nonce)
            time.sleep(0.1)
        return len(answered)
