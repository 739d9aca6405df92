"""Logs in to a real sshd with keys that the plugin hands out.

Each key is made by ssh-keygen or openssl, with and without a passphrase; the plugin hands it out
without one. sshd runs as this user, on a port of 127.0.0.1, with files of its own.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PASSPHRASE = "correct horse"
PATIENCE = 30
CONFIGURATION = "[credentials]\nprovider = local\n"


@dataclass(frozen=True)
class Kind:
    """A way in which people have a key."""

    name: str
    type_name: str
    command: list[str]
    passphrase: str = ""


def openssh(name: str, type_name: str, *words: str, passphrase: str = "") -> Kind:
    """Let ssh-keygen make a key in its own form."""
    command = ["ssh-keygen", "-q", "-N", passphrase, "-f", "{file}", *words]
    return Kind(name, type_name, command, passphrase)


KINDS = [
    openssh("rsa", "ssh-rsa", "-t", "rsa", "-b", "3072"),
    openssh("rsa-encrypted", "ssh-rsa", "-t", "rsa", "-b", "2048", passphrase=PASSPHRASE),
    openssh("ecdsa-256", "ecdsa-sha2-nistp256", "-t", "ecdsa", "-b", "256"),
    openssh("ecdsa-384", "ecdsa-sha2-nistp384", "-t", "ecdsa", "-b", "384"),
    openssh("ecdsa-521", "ecdsa-sha2-nistp521", "-t", "ecdsa", "-b", "521", passphrase=PASSPHRASE),
    openssh("ed25519", "ssh-ed25519", "-t", "ed25519"),
    openssh("ed25519-encrypted", "ssh-ed25519", "-t", "ed25519", passphrase=PASSPHRASE),
    openssh("rsa-pkcs1", "ssh-rsa", "-t", "rsa", "-b", "2048", "-m", "PEM", passphrase=PASSPHRASE),
    openssh("rsa-pkcs8", "ssh-rsa", "-t", "rsa", "-b", "2048", "-m", "PKCS8"),
    openssh("ecdsa-sec1", "ecdsa-sha2-nistp256", "-t", "ecdsa", "-m", "PEM"),
    openssh(
        "ecdsa-pkcs8", "ecdsa-sha2-nistp256", "-t", "ecdsa", "-m", "PKCS8", passphrase=PASSPHRASE
    ),
    Kind(
        "ed25519-pkcs8",
        "ssh-ed25519",
        ["openssl", "genpkey", "-quiet", "-algorithm", "ed25519", "-out", "{file}"],
    ),
]


class Failed(Exception):
    """Something is not as it has to be."""


def expect(what: str, found: object, wanted: object) -> None:
    """Raise Failed unless two things are equal."""
    if found != wanted:
        raise Failed(f"{what} is {found!r}, expected {wanted!r}")


class Plugin:
    """The plugin with a state directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.program = os.environ["SPS_PLUGIN"]
        self.environment = {"SCB_PLUGIN_STATE_DIRECTORY": str(folder / "state")}

    def run(self, words: list[str], stdin: str) -> str:
        """Run a command that has to work."""
        done = subprocess.run(
            [self.program, *words],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=PATIENCE,
            check=False,
        )
        expect(f"the exit status of {' '.join(words)} ({done.stderr})", done.returncode, 0)
        return done.stdout

    def hook(self, hook: str, session: str, asset: str, cookies: dict[str, Any]) -> Any:
        """Call a hook of a session."""
        arguments = {
            "session_id": session,
            "protocol": "ssh",
            "server_username": "target",
            "server_hostname": asset,
            **cookies,
        }
        invocation = {
            "hook": hook,
            "type": "credentialstore",
            "arguments": arguments,
            "configuration": CONFIGURATION,
        }
        return json.loads(self.run([], json.dumps(invocation)))


class Sshd:
    """A server on a free port of 127.0.0.1, which takes the keys in one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authorized = folder / "authorized_keys"
        self.authorized.touch(mode=0o600)
        host_key = folder / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {host_key}\nPidFile none\n"
            f"AuthorizedKeysFile {self.authorized}\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        )
        # As root, sshd wants the folder that its package makes at every start of the machine.
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.log = (folder / "log").open("wb")
        command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")]
        self.process = subprocess.Popen(command, stderr=self.log)
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > ends:
                    raise Failed(f"sshd does not start: {self.said()}") from None
                time.sleep(0.05)

    def said(self) -> str:
        """Return the log."""
        return (self.folder / "log").read_text(errors="replace")

    def login(self, key: Path) -> subprocess.CompletedProcess[str]:
        """Log in with a key and nothing else."""
        options = [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "StrictHostKeyChecking=no",
            f"UserKnownHostsFile={self.folder / 'known_hosts'}",
            "PreferredAuthentications=publickey",
        ]
        words = [word for option in options for word in ("-o", option)]
        target = f"{getpass.getuser()}@127.0.0.1"
        return subprocess.run(
            ["ssh", "-F", "none", *words, "-i", key, "-p", str(self.port), target, "echo", "in"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )

    def stop(self) -> None:
        """End the server."""
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)
        self.log.close()


def check(kind: Kind, folder: Path, plugin: Plugin, sshd: Sshd) -> None:
    """Store a key, check it out, log in with it, give it back; another session waits meanwhile."""
    made = folder / kind.name
    subprocess.run([word.format(file=made) for word in kind.command], check=True)
    words = ["credential", "set", "--account", "target", "--asset", kind.name]
    words += ["--checkout", "exclusive", "--key-file", str(made)]
    words += ["--passphrase-stdin"] if kind.passphrase else []
    plugin.run(words, f"{kind.passphrase}\n" if kind.passphrase else "")
    got = plugin.hook("get_private_key_list", "s1", kind.name, {})
    expect("the number of keys", len(got["private_keys"]), 1)
    type_name, text = got["private_keys"][0]
    expect("the type", type_name, kind.type_name)
    other = plugin.hook("get_private_key_list", "s2", kind.name, {})
    expect("what another session gets", other["private_keys"], [])

    handed_out = folder / f"{kind.name}.out"
    handed_out.touch(mode=0o600)
    handed_out.write_text(text)
    sshd.authorized.write_text("")
    expect("a login that nobody allowed", sshd.login(handed_out).returncode, 255)
    public = subprocess.run(
        ["ssh-keygen", "-y", "-f", handed_out], capture_output=True, text=True, check=True
    )
    expect("the type of the public key", public.stdout.split()[0], kind.type_name)
    own = made.with_suffix(".pub")
    if own.exists():
        expect("the public key", public.stdout.split()[1], own.read_text().split()[1])
    sshd.authorized.write_text(public.stdout)
    login = sshd.login(handed_out)
    expect(f"what the target says ({login.stderr}{sshd.said()})", login.stdout, "in\n")

    cookies = {name: got[name] for name in ("cookie", "session_cookie")}
    expect("the end", plugin.hook("session_ended", "s1", kind.name, cookies), None)
    other = plugin.hook("get_private_key_list", "s2", kind.name, {})
    expect("the number of keys after the check-in", len(other["private_keys"]), 1)


def main() -> int:
    """Check every kind of key."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="sps-plugin-sshd-") as name:
        folder = Path(name)
        plugin, sshd = Plugin(folder), Sshd(folder)
        try:
            for kind in KINDS:
                try:
                    check(kind, folder, plugin, sshd)
                except (Failed, subprocess.SubprocessError, OSError) as error:
                    failed += 1
                    print(f"FAILED a login with {kind.name}: {error}", flush=True)
                else:
                    print(f"passed a login with {kind.name}", flush=True)
        finally:
            sshd.stop()
    print(f"{len(KINDS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
