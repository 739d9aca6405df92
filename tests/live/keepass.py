"""Makes databases with pykeepass, exports them with keepassxc-cli, and imports what it writes.

Each entry comes in as it was made, or is left out with a note; codes are those that
keepassxc-cli shows.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pykeepass import PyKeePass, create_database  # type: ignore[import-not-found]

DATABASE_PASSWORD = "correct horse"
PATIENCE = 120
ENTRIES = 200
CHARACTERS = "abcXYZ0189 ,;\"'{}[]<>&%$#@!\\/|`~^*()-_=+.:?äß€😀"
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
CONFIGURATION = "[credentials]\nprovider = local\n"


class Failed(Exception):
    """Something is not as it has to be."""


def expect(what: str, found: object, wanted: object) -> None:
    """Raise Failed unless two things are equal."""
    if found != wanted:
        raise Failed(f"{what} is {found!r}, expected {wanted!r}")


def keepassxc(*words: str | Path) -> str:
    """Run keepassxc-cli on a database."""
    done = subprocess.run(
        ["keepassxc-cli", *map(str, words)],
        input=f"{DATABASE_PASSWORD}\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    expect(f"the exit status of keepassxc-cli {words[0]} ({done.stderr})", done.returncode, 0)
    return done.stdout


class Plugin:
    """The plugin with a state directory of its own."""

    def __init__(self, state: Path) -> None:
        self.program = os.environ["SPS_PLUGIN"]
        self.environment = {"SCB_PLUGIN_STATE_DIRECTORY": str(state)}

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command."""
        return subprocess.run(
            [self.program, *words],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=PATIENCE,
            check=False,
        )

    def hook(self, hook: str, account: str, asset: str) -> Any:
        """Return what a session gets."""
        arguments = {"session_id": "s1", "server_username": account, "server_hostname": asset}
        invocation = {
            "hook": hook,
            "type": "credentialstore",
            "arguments": arguments,
            "configuration": CONFIGURATION,
        }
        return json.loads(self.run(stdin=json.dumps(invocation)).stdout)

    def codes(self, asset: str) -> list[str]:
        """Return the one-time codes that a session gets."""
        found = self.hook("get_totp_codes", "root", asset)["totp_codes"]
        return [str(code["code"]) for code in found]


def password(dice: random.Random) -> str:
    """Make a password that tries every quoting."""
    return "".join(dice.choice(CHARACTERS) for _ in range(dice.randint(1, 40)))


def fill(path: Path, dice: random.Random) -> dict[str, str]:
    """Make a database; return the passwords that have to come in, by asset."""
    database: PyKeePass = create_database(str(path), password=DATABASE_PASSWORD)
    servers = database.add_group(database.root_group, "Servers & more")
    wanted = {}
    for number in range(ENTRIES):
        asset = f"host{number}.example.org"
        secret = password(dice)
        url = dice.choice([f"ssh://root@{asset}:22/", f"https://{asset}/login?a=b", asset])
        database.add_entry(servers, f"entry {number}", "root", secret, url=url)
        wanted[asset] = secret
    target = database.add_entry(servers, "target", "root", "the secret", url="ssh://target.lan")
    wanted["target.lan"] = "the secret"
    reference = f"{{REF:P@I:{target.uuid.hex.upper()}}}"
    database.add_entry(
        servers, "reference", "{REF:U@T:target}", reference, url="ssh://reference.lan"
    )
    wanted["reference.lan"] = "the secret"
    database.add_entry(
        servers, "unresolved", "root", "{REF:P@T:nowhere}", url="ssh://unresolved.lan"
    )
    database.add_entry(servers, "command", "root", "p", url="cmd://ssh command.lan")
    database.add_entry(servers, "wildcard", "root", "p", url="ssh://*.lan")
    past = datetime.now(UTC) - timedelta(days=1)
    future = datetime.now(UTC) + timedelta(days=1)
    database.add_entry(servers, "expired", "root", "p", url="ssh://expired.lan", expiry_time=past)
    database.add_entry(servers, "valid", "root", "p", url="ssh://valid.lan", expiry_time=future)
    wanted["valid.lan"] = "p"
    deleted = database.add_entry(servers, "deleted", "root", "p", url="ssh://deleted.lan")
    database.trash_entry(deleted)
    codes = f"otpauth://totp/x:root?secret={SEED}&period=60&digits=8&algorithm=SHA256&issuer=x"
    database.add_entry(servers, "codes", "root", "p", url="ssh://codes.lan", otp=codes)
    wanted["codes.lan"] = "p"
    key = path.with_name("key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    entry = database.add_entry(servers, "key", "root", "p", url="ssh://key.lan")
    entry.set_custom_property("ssh key", key.read_text().replace("\n", "\r\n"))
    entry.set_custom_property("KPEX_PASSKEY_PRIVATE_KEY_PEM", key.read_text())
    wanted["key.lan"] = "p"
    database.save()
    return wanted


def check_common(plugin: Plugin, wanted: dict[str, str], database: Path) -> None:
    """Check what both exports have."""
    found = {}
    for entry in json.loads(plugin.run("credential", "list", "--json").stdout):
        found[entry["asset"]] = entry["description"]
    # KeePassXC's CSV does not say what is expired.
    found.pop("expired.lan", None)
    expect("what came in", sorted(found), sorted(wanted))
    expect("a description", found["codes.lan"].split("/")[-2:], ["Servers & more", "codes"])
    for asset, secret in wanted.items():
        response = plugin.hook("get_password_list", "root", asset)
        expect(f"the password of {asset}", response["passwords"], [secret])
    ours = plugin.codes("codes.lan")
    theirs = keepassxc("show", "-q", "-t", database, "Servers & more/codes").strip()
    # The step may be over between the two.
    if theirs not in ours + plugin.codes("codes.lan"):
        raise Failed(f"KeePassXC's code {theirs} is none of {ours}")


def check_xml(folder: Path, wanted: dict[str, str], database: Path) -> None:
    """Import XML."""
    plugin = Plugin(folder / "xml")
    file = folder / "export.xml"
    file.write_text(keepassxc("export", "-q", "-f", "xml", database))
    done = plugin.run("credential", "import", str(file))
    expect(f"the exit status ({done.stderr})", done.returncode, 0)
    for title, why in [
        ("unresolved", "a reference"),
        ("command", "no host"),
        ("wildcard", "pattern"),
        ("expired", "expired"),
        ("deleted", "recycle bin"),
        ("key", "passkey"),
    ]:
        if not any(f"entry {title}:" in line and why in line for line in done.stderr.splitlines()):
            raise Failed(f"no note says {why!r} of {title}: {done.stderr}")
    check_common(plugin, wanted, database)
    [[kind, key]] = plugin.hook("get_private_key_list", "root", "key.lan")["private_keys"]
    expect("the key", (kind, key), ("ssh-ed25519", (folder / "key").read_text()))


def check_csv(folder: Path, wanted: dict[str, str], database: Path) -> None:
    """Import CSV, which has no identifiers, no expiry and no other strings."""
    plugin = Plugin(folder / "csv")
    file = folder / "export.csv"
    file.write_text(keepassxc("export", "-q", "-f", "csv", database))
    done = plugin.run("credential", "import", str(file))
    expect(f"the exit status ({done.stderr})", done.returncode, 0)
    without = {asset: secret for asset, secret in wanted.items() if asset != "reference.lan"}
    check_common(plugin, without, database)


def check_database(folder: Path, _: dict[str, str], database: Path) -> None:
    """Give the database itself, by mistake."""
    done = Plugin(folder / "none").run("credential", "import", str(database))
    expect("the exit status", done.returncode, 2)
    if "keepassxc-cli export -f xml" not in done.stderr:
        raise Failed(done.stderr)


def main() -> int:
    """Check every export."""
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"SEED={seed}")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="sps-plugin-keepass-") as name:
        folder = Path(name)
        database = folder / "passwords.kdbx"
        wanted = fill(database, random.Random(seed))
        for check in (check_xml, check_csv, check_database):
            try:
                check(folder, wanted, database)
            except (Failed, subprocess.SubprocessError, OSError, ValueError, KeyError) as error:
                failed += 1
                print(f"FAILED {check.__name__}: {error}", flush=True)
            else:
                print(f"passed {check.__name__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
