"""Imports files of tokens that other programs write, and compares what then is in the store.

python-pskc writes PSKC in plain and encrypted in each way that it has; what is exported has to be
what it wrote. For URIs, tables and PSKC, oathtool's codes have to be those of the imported tokens.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import Checks, State, expect

checks = Checks()
# It is installed for this program alone.
PSKC: Any = importlib.import_module("pskc").PSKC
# 2026-01-31T12:00:00Z.
NOW = 1_769_860_800
AES = "http://www.w3.org/2001/04/xmlenc#aes{}-cbc"
MORE = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha{}"
HASHES = {"sha1": 20, "sha256": 32, "sha512": 64}


@dataclass
class Token:
    """A device of somebody."""

    serial: str
    kind: str
    secret: bytes
    algorithm: str
    digits: int
    period: int
    counter: int

    def exported(self) -> dict[str, Any]:
        """Return the members that `token export` has to show."""
        shown = {
            "serial": self.serial,
            "type": self.kind,
            "secret_hex": self.secret.hex(),
            "algorithm": self.algorithm,
            "digits": self.digits,
        }
        hotp = self.kind == "hotp"
        return shown | ({"counter": self.counter} if hotp else {"period": self.period})

    def codes(self) -> list[str]:
        """Let oathtool make the next two codes."""
        command = ["oathtool", "-d", str(self.digits), "-w", "1"]
        if self.kind == "hotp":
            command += ["--hotp", "-c", str(self.counter)]
        else:
            command += [f"--totp={self.algorithm}", "-s", f"{self.period}s", "-N", f"@{NOW}"]
        command.append(self.secret.hex())
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.split()


class Site:
    """Devices made by chance, and the plugin's stores for them."""

    def __init__(self, folder: Path) -> None:
        seed = int(os.environ.get("SEED") or secrets.randbits(32))
        print(f"SEED={seed}", flush=True)
        self.folder, self.chance = folder, random.Random(seed)

    def token(self, number: int) -> Token:
        """Make a device."""
        chance = self.chance
        kind = chance.choice(["hotp", "totp"])
        # oathtool's HOTP is SHA-1 only.
        algorithm = "sha1" if kind == "hotp" else chance.choice(list(HASHES))
        secret = chance.randbytes(HASHES[algorithm])
        digits, period = chance.choice([6, 8]), chance.choice([30, 60])
        # Written as bytes, smaller counters can look like digits.
        counter = chance.randrange(256, 900)
        return Token(f"T{number}", kind, secret, algorithm, digits, period, counter)

    def tokens(self, count: int) -> list[Token]:
        """Make some devices."""
        return [self.token(number) for number in range(count)]

    def store(self) -> Store:
        """Make an empty store."""
        return Store(State())

    def file(self, name: str, content: str | bytes) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


class Store:
    """A store of the plugin."""

    def __init__(self, state: State) -> None:
        self.state = state

    def run(self, *words: str) -> str:
        """Run `sps-plugin token`."""
        done = subprocess.run(
            [os.environ["SPS_PLUGIN"], "token", *words],
            env=self.state.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        expect(done.returncode == 0, " ".join(words), done.stdout, done.stderr)
        return done.stdout

    def exported(self) -> dict[str, dict[str, Any]]:
        """Return every token by its serial."""
        lines = map(json.loads, self.run("export", "--secrets").splitlines())
        return {line["serial"]: line for line in lines}

    def has(self, tokens: list[Token]) -> None:
        """Expect these tokens and no others."""
        exported = self.exported()
        expect(len(exported) == len(tokens), "the number of tokens", exported)
        for token in tokens:
            shown = exported[token.serial]
            for member, value in token.exported().items():
                expect(shown[member] == value, member, token, shown)

    def accepts(self, tokens: list[Token]) -> None:
        """Expect that oathtool's codes bring each token into step."""
        for token in tokens:
            self.run("resync", token.serial, *token.codes(), "--clock", str(NOW))


def written(site: Site, tokens: list[Token], name: str, encrypt: Any) -> Path:
    """Let python-pskc write a file."""
    pskc = PSKC()
    for token in tokens:
        key = pskc.add_key(
            id=token.serial,
            serial=token.serial,
            manufacturer="Manufacturer",
            secret=token.secret,
            algorithm=f"urn:ietf:params:xml:ns:keyprov:pskc:{token.kind}",
            response_length=token.digits,
            response_encoding="DECIMAL",
        )
        if token.algorithm != "sha1":
            key.algorithm_suite = f"HMAC-{token.algorithm.upper()}"
        if token.kind == "hotp":
            key.counter = token.counter
        else:
            key.time_interval, key.time_offset = token.period, 0
    encrypt(pskc)
    path = site.folder / name
    pskc.write(str(path))
    return path


@checks.check
def plain(site: Site) -> None:
    """PSKC in plain is imported as python-pskc wrote it, and oathtool has the same codes."""
    tokens, store = site.tokens(30), site.store()
    store.run("import", str(written(site, tokens, "plain.xml", lambda pskc: None)))
    store.has(tokens)
    store.accepts(tokens)


@checks.check
def pre_shared(site: Site) -> None:
    """PSKC under a pre-shared key is opened, numbers too, with each length of key and each MAC."""
    for bits in (128, 192, 256):
        for mac in (None, MORE.format(256), MORE.format(384), MORE.format(512)):
            tokens, store = site.tokens(4), site.store()
            key = site.chance.randbytes(bits // 8)

            def encrypt(pskc: Any, key: bytes = key, bits: int = bits, mac: Any = mac) -> None:
                encrypted = ["secret", "counter", "time_interval", "time_offset"]
                algorithm = AES.format(bits)
                pskc.encryption.setup_preshared_key(key=key, algorithm=algorithm, fields=encrypted)
                if mac:
                    pskc.mac.setup(algorithm=mac)

            path = written(site, tokens, "shared.xml", encrypt)
            psk = site.file("psk", key.hex())
            store.run("import", str(path), "--psk-file", str(psk))
            store.has(tokens)


@checks.check
def password(site: Site) -> None:
    """PSKC under a password is opened, with each hash that python-pskc offers for it."""
    prf = [MORE.format(bits) for bits in (256, 384, 512)]
    for algorithm in (None, "http://www.w3.org/2000/09/xmldsig#hmac-sha1", *prf):
        tokens, store = site.tokens(4), site.store()

        def encrypt(pskc: Any, algorithm: Any = algorithm) -> None:
            more = {"prf": algorithm} if algorithm else {}
            pskc.encryption.setup_pbkdf2("pässword", iterations=5000, **more)

        path = written(site, tokens, "password.xml", encrypt)
        store.run("import", str(path), "--password-file", str(site.file("password", "pässword\n")))
        store.has(tokens)


@checks.check
def uris(site: Site) -> None:
    """Key URIs give tokens that have oathtool's codes."""
    tokens, store = site.tokens(20), site.store()
    lines = []
    for token in tokens:
        secret = base64.b32encode(token.secret).decode()
        if site.chance.random() < 0.5:
            secret = "%20".join(secret.rstrip("=")[at : at + 4] for at in range(0, len(secret), 4))
        moving = f"counter={token.counter}" if token.kind == "hotp" else f"period={token.period}"
        more = f"algorithm={token.algorithm.upper()}&digits={token.digits}&{moving}"
        lines.append(f"otpauth://{token.kind}/A:u{token.serial}?secret={secret}&issuer=A&{more}")
    store.run("import", str(site.file("uris.txt", "\n".join(lines))))
    for shown in store.exported().values():
        token = tokens[int(shown["user"].removeprefix("uT"))]
        token.serial = shown["serial"]
    store.has(tokens)
    store.accepts(tokens)


@checks.check
def tables(site: Site) -> None:
    """Tables of each separator and encoding give tokens that have oathtool's codes."""
    names = ["Serial Number", "Secret Key", "Type", "Hash", "Digits", "Time Interval", "Counter"]
    for separator, encoding in (
        (",", "utf-8"),
        (";", "utf-16"),
        ("\t", "utf-8-sig"),
        ("|", "utf-16-be"),
    ):
        tokens, store = site.tokens(10), site.store()
        as_hex = site.chance.random() < 0.5
        rows = [names]
        for token in tokens:
            secret = token.secret.hex() if as_hex else base64.b32encode(token.secret).decode()
            hotp = token.kind == "hotp"
            moving = ["", str(token.counter)] if hotp else [str(token.period), ""]
            rows.append(
                [token.serial, secret, token.kind, token.algorithm, str(token.digits), *moving]
            )
        table = "\r\n".join(separator.join(row) for row in rows)
        store.run("import", str(site.file("table.csv", table.encode(encoding))))
        store.has(tokens)
        store.accepts(tokens)


def main() -> int:
    """Run all checks."""
    with tempfile.TemporaryDirectory(prefix="sps-live-") as folder:
        return checks.run(Site(Path(folder)), lambda _: True)


if __name__ == "__main__":
    sys.exit(main())
