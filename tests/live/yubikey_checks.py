"""The plugin against real validation servers for YubiKeys: yubikey_checks.py SHIM."""

from __future__ import annotations

import base64
import os
import secrets
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from family import FAMILIES, Api, Server
from support import Answer, Checks, Process, Session, ask_servers, expect, free_port, written

checks = Checks()
UNREACHABLE = "Backend service unreachable"
COMMUNICATION = "Communication Error"
INIT = Path("/etc/yubiserver/yubiserver.sqlite.init")
MODHEX = str.maketrans("0123456789abcdef", "cbdefghijklnrtuv")
# It takes keys of 20 letters.
CLIENT_KEY = secrets.token_hex(10)
API_KEY = base64.b64encode(CLIENT_KEY.encode()).decode()
OTHER_KEY = base64.b64encode(secrets.token_bytes(20)).decode()


def crc(data: bytes) -> int:
    """Compute the checksum in a code (ISO 13239)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0x8408 if value & 1 else value >> 1
    return value


@dataclass
class YubiKey:
    """A key in somebody's hand."""

    public_id: str
    private_id: bytes = field(default_factory=lambda: secrets.token_bytes(6))
    key: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    counter: int = 0

    def code(self) -> str:
        """Press the button, after plugging it in anew."""
        self.counter += 1
        plain = self.private_id + struct.pack("<H", self.counter) + b"\x10\x00\x00\x00"
        plain += secrets.token_bytes(2)
        plain += struct.pack("<H", ~crc(plain) & 0xFFFF)
        encryptor = Cipher(algorithms.AES(self.key), modes.ECB()).encryptor()
        encrypted: bytes = encryptor.update(plain) + encryptor.finalize()
        return self.public_id + encrypted.hex().translate(MODHEX)


class YubiServer:
    """Debian's yubiserver: one database, and one or more processes that serve it."""

    def __init__(self, folder: Path, shim: str) -> None:
        self.folder, self.shim = folder, shim
        self.database = folder / "yubiserver.sqlite"
        self.database.write_bytes(INIT.read_bytes())
        self.running: dict[int, Process] = {}
        self.manage("-p", "-a", "client", CLIENT_KEY)

    def manage(self, *arguments: str) -> None:
        """Run the administrator's command."""
        command = ["yubiserver-admin", "-b", str(self.database), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        expect(done.returncode == 0, " ".join(command), done.stdout, done.stderr)

    def enrol(self, name: str, key: YubiKey) -> None:
        """Make a key known."""
        self.manage("-y", "-a", name, key.public_id, key.private_id.hex(), key.key.hex())

    def start(self, port: int) -> int:
        """Serve on a port; return it."""
        command = ["yubiserver", "-d", str(self.database), "-p", str(port)]
        command += ["-l", str(self.folder / f"{port}.yubiserver.log")]
        environment = {"PATH": os.environ.get("PATH", ""), "LD_PRELOAD": self.shim}
        process = Process(command, self.folder / f"{port}.out", environment)
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


class Site:
    """The servers with their keys, and how the plugin is configured for them."""

    def __init__(self, folder: Path, shim: str) -> None:
        self.yubiserver = YubiServer(folder, shim)
        self.port = self.yubiserver.start(free_port())
        self.alice, self.bob = YubiKey("ccccccbchvth"), YubiKey("vvgrkdnuvbch")
        self.yubiserver.enrol("alice", self.alice)
        self.yubiserver.enrol("bob", self.bob)
        self.privacyidea: Server | None = None
        self.folder = folder

    def url(self, port: int = 0) -> str:
        """Return the address of a yubiserver."""
        return f"http://127.0.0.1:{port or self.port}/wsapi/2.0/verify"

    def configure(self, api_urls: str = "", **options: str) -> str:
        """Write a configuration; options named section__option go elsewhere."""
        client = {"client_id": "1", "api_key": API_KEY, "timeout": "60"}
        sections: dict[str, dict[str, str]] = {
            "mfa": {"provider": "yubico"},
            "yubikey": client | {"api_urls": api_urls or self.url()},
            "yubikey_ids": {"alice": "vvvvvvvvvvvv, ccccccbchvth", "bob": "vvgrkdnuvbch"},
        }
        for option, value in options.items():
            section, _, rest = option.rpartition("__")
            sections.setdefault(section or "yubikey", {})[rest] = value
        return written(sections)

    def say(self, user: str, otp: str, api_urls: str = "", **options: str) -> Answer:
        """Log in."""
        return Session(self.configure(api_urls, **options), user).say(otp)

    def while_down(self, action: Callable[[], object]) -> None:
        """Do something while yubiserver is down."""
        self.yubiserver.stop(self.port)
        try:
            action()
        finally:
            self.yubiserver.start(self.port)

    def stop_all(self) -> None:
        """End everything that was started."""
        self.yubiserver.stop_all()
        if self.privacyidea:
            self.privacyidea.stop_all()


@checks.check
def code(site: Site) -> None:
    """A code is accepted once, in letters of either size."""
    otp = site.alice.code()
    site.say("alice", otp).accepted("yubico otp", "ccccccbchvth")
    answer = site.say("alice", otp).denied()
    expect("REPLAYED_OTP" in answer.metadata["reason"], "expected a replay", answer)
    site.say("alice", site.alice.code().upper()).accepted("yubico otp", "ccccccbchvth")
    older = site.alice.code()
    site.say("alice", site.alice.code()).accepted("yubico otp")
    site.say("alice", older).denied()


@checks.check
def identity(site: Site) -> None:
    """Without a list, the identity is the public id."""

    def say(identity: str) -> Answer:
        configuration = site.configure(**{"usermapping source=explicit__carol": identity})
        configuration = configuration.replace("[yubikey_ids]", "[elsewhere]")
        return Session(configuration, "carol").say(site.alice.code())

    say("ccccccbchvth").accepted("yubico otp", "ccccccbchvth")
    say("vvgrkdnuvbch").denied()
    say("alice").denied()


@checks.check
def another_user(site: Site) -> None:
    """A key of somebody else is denied, and its code is left unused."""
    otp = site.bob.code()
    site.say("alice", otp).denied()
    site.say("carol", otp).denied()
    site.say("bob", otp).accepted("yubico otp", "vvgrkdnuvbch")


@checks.check
def wrong(site: Site) -> None:
    """A key with another secret, an unknown key, and what is no code are denied."""
    forged = YubiKey("ccccccbchvth", site.alice.private_id, counter=1000)
    site.say("alice", forged.code()).denied()
    forged = YubiKey("ccccccbchvth", key=site.alice.key, counter=1000)
    site.say("alice", forged.code()).denied()
    site.say("alice", YubiKey("vvvvvvvvvvvv").code()).denied()
    for otp in ("", "123456", "c" * 31, "c" * 49):
        site.say("alice", otp).denied()
    site.say("alice", site.alice.public_id + "c" * 32).denied()


@checks.check
def disabled(site: Site) -> None:
    """A disabled key is denied until it is enabled."""
    site.yubiserver.manage("-y", "-d", "bob")
    site.say("bob", site.bob.code(), ignore_connection_error="yes").denied()
    site.yubiserver.manage("-y", "-e", "bob")
    site.say("bob", site.bob.code()).accepted("yubico otp")


@checks.check
def unknown_client(site: Site) -> None:
    """A client that the server does not know is a communication error."""
    relaxed = {"client_id": "99", "ignore_connection_error": "yes"}
    answer = site.say("alice", site.alice.code(), **relaxed).denied(COMMUNICATION)
    expect("client_id" in answer.metadata["reason"], "expected the option's name", answer)


@checks.check
def another_key(site: Site) -> None:
    """A response that is signed with another key is no yes."""
    relaxed = {"api_key": OTHER_KEY, "ignore_connection_error": "yes"}
    answer = site.say("alice", site.alice.code(), **relaxed).denied(COMMUNICATION)
    expect("not signed" in answer.metadata["reason"], "expected it to be the signature", answer)


@checks.check
def killed(site: Site) -> None:
    """A server that is killed lets nobody in; when it is back, it goes on."""
    otp = site.alice.code()
    site.while_down(lambda: site.say("alice", otp).denied(UNREACHABLE))
    site.say("alice", otp).accepted("yubico otp")


@checks.check
def failover(site: Site) -> None:
    """The second server is asked when the first is down, and not after a denial."""
    dead = f"http://127.0.0.1:{free_port()}/wsapi/2.0/verify"
    otp = site.alice.code()
    site.say("alice", otp, f"{dead}, {site.url()}").accepted("yubico otp")
    second = site.yubiserver.start(free_port())
    both = f"{site.url()},{site.url(second)}"
    site.while_down(lambda: site.say("alice", site.alice.code(), both).accepted("yubico otp"))
    site.say("alice", otp, both).denied()
    site.yubiserver.stop(second)
    site.while_down(lambda: site.say("alice", otp, both).denied(UNREACHABLE))


@checks.check
def privacyidea(site: Site) -> None:
    """privacyIDEA's validation service accepts a code once, and refuses another signature."""
    site.privacyidea = server = Server(FAMILIES["privacyidea"], site.folder)
    port = server.start(free_port())
    api, key = Api(server, port), YubiKey("ccccccddccdd")
    api.realm("realm1", ["dora"])
    api.post("/defaultrealm/realm1")
    api.post("/system/setConfig", **{"yubikey.apiid.1": API_KEY})
    api.enrol("YUBI1", "dora", "realm1", "yubikey", "", otpkey=key.key.hex(), otplen=44)
    # The token learns its public id with the first code.
    first = api.post("/validate/check", serial="YUBI1", **{"pass": key.code()})
    expect(first["result"]["value"] is True, "the token is not enrolled", first)
    url, ids = f"http://127.0.0.1:{port}/ttype/yubikey", {"yubikey_ids__dora": key.public_id}
    otp = key.code()
    site.say("dora", otp, url, **ids).accepted("yubico otp", key.public_id)
    site.say("dora", otp, url, **ids).denied()
    relaxed = {**ids, "ignore_connection_error": "yes"}
    answer = site.say("dora", key.code(), url, api_key=OTHER_KEY, **relaxed).denied(COMMUNICATION)
    expect("BAD_SIGNATURE" in answer.metadata["reason"], "expected the signature", answer)
    answer = site.say("dora", key.code(), url, client_id="7", **relaxed).denied(COMMUNICATION)
    expect("NO_SUCH_CLIENT" in answer.metadata["reason"], "expected the client", answer)
    ask_servers(site.configure(url, **ids), API_KEY).well("api_key")
    asked = ask_servers(site.configure(url, api_key=OTHER_KEY, **ids), OTHER_KEY)
    asked.shows("api_key", "error", "BAD_SIGNATURE")
    site.say("dora", key.code(), url, **ids).accepted("yubico otp", key.public_id)


@checks.check
def servers_are_asked(site: Site) -> None:
    """check-config --online has an answer signed, moves no counter, and tells another key."""
    ask_servers(site.configure(), API_KEY).well("api_key")
    asked = ask_servers(site.configure(api_key=OTHER_KEY), OTHER_KEY)
    asked.shows("api_key", "error", "not signed")
    ask_servers(site.configure(client_id="7")).shows("api_key", "error", "client_id")
    site.say("alice", site.alice.code()).accepted("yubico otp", site.alice.public_id)


def main() -> int:
    """Run all checks."""
    with tempfile.TemporaryDirectory(prefix="sps-live-") as folder:
        site = None
        try:
            site = Site(Path(folder), sys.argv[1])
            return checks.run(site, lambda function: True)
        finally:
            if site:
                site.stop_all()


if __name__ == "__main__":
    sys.exit(main())
