"""Gives the plugin private keys as people have them, and reads what it hands out with ssh-keygen.

ssh-keygen, openssl and puttygen make keys of every kind; then line ends, blanks and text are
changed as editors, mails and forms change them. Each key is refused by `credential set`, or comes
out readable and is the same key.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PASSPHRASE = "correct horse"
PATIENCE = 120
CONFIGURATION = "[credentials]\nprovider = local\n"
AT_LEAST = 200


class Failed(Exception):
    """Something is not as it has to be."""


@dataclass(frozen=True)
class Sample:
    """A file that somebody may take for a private key."""

    name: str
    content: bytes
    passphrase: str = ""
    # The public key, where ssh-keygen can tell it.
    public: str = ""
    # What the refusal has to say; without it, the key has to be accepted.
    refusal: str = ""
    # The command that the refusal names, for FILE and NEW, with the passphrase.
    conversion: tuple[str, ...] = ()


def run(
    *words: str | Path, stdin: str | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program."""
    return subprocess.run(
        [str(word) for word in words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=env,
        stdin=None if stdin is not None else subprocess.DEVNULL,
    )


def need(*words: str | Path, stdin: str | None = None) -> str:
    """Run a program that has to work."""
    done = run(*words, stdin=stdin)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def public_of(path: Path, passphrase: str = "") -> str:
    """Return type and public key as ssh-keygen reads them, or nothing."""
    path.chmod(0o600)
    done = run("ssh-keygen", "-y", "-P", passphrase, "-f", path)
    return " ".join(done.stdout.split()[:2]) if done.returncode == 0 else ""


class Maker:
    """Makes keys in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def place(self) -> Path:
        """Return a path that is free."""
        self.count += 1
        return self.folder / f"made{self.count}"

    def keygen(self, *words: str, passphrase: str = "") -> Path:
        """Let ssh-keygen make a key."""
        path = self.place()
        need("ssh-keygen", "-q", "-N", passphrase, "-C", "root@x", "-f", path, *words)
        return path

    def openssl(self, *words: str | Path) -> Path:
        """Let openssl write a file."""
        path = self.place()
        need("openssl", words[0], "-out", path, *words[1:])
        return path


def plain_keys(maker: Maker) -> list[Sample]:
    """Make keys of every type in every form, not encrypted."""
    found = []

    def add(name: str, path: Path) -> None:
        found.append(Sample(name, path.read_bytes(), public=public_of(path)))

    for form in ("RFC4716", "PEM", "PKCS8"):
        for words in (
            ("rsa", "-b", "1024"),
            ("rsa", "-b", "2048"),
            ("rsa", "-b", "3072"),
            ("ecdsa", "-b", "256"),
            ("ecdsa", "-b", "384"),
            ("ecdsa", "-b", "521"),
        ):
            add(f"{' '.join(words)} {form}", maker.keygen("-t", *words, "-m", form))
    add("ed25519", maker.keygen("-t", "ed25519"))
    seed = maker.openssl("genpkey", "-quiet", "-algorithm", "ed25519")
    converted = maker.place()
    converted.write_bytes(seed.read_bytes())
    found.append(Sample("ed25519 PKCS8", seed.read_bytes()))
    for curve in ("prime256v1", "secp384r1", "secp521r1"):
        with_parameters = maker.openssl("ecparam", "-genkey", "-name", curve)
        add(f"{curve} with EC PARAMETERS", with_parameters)
        add(
            f"{curve} without its public point",
            maker.openssl("ec", "-no_public", "-in", with_parameters),
        )
        add(
            f"{curve} with a compressed point",
            maker.openssl("ec", "-conv_form", "compressed", "-in", with_parameters),
        )
    return found


def encrypted_keys(maker: Maker) -> list[Sample]:
    """Make encrypted keys that are read."""
    found = []

    def add(name: str, path: Path) -> None:
        public = public_of(path, PASSPHRASE)
        found.append(Sample(name, path.read_bytes(), PASSPHRASE, public))

    for cipher in (
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
        "aes128-cbc",
        "aes192-cbc",
        "aes256-cbc",
    ):
        for kind in ("ed25519", "ecdsa"):
            add(f"{kind} {cipher}", maker.keygen("-t", kind, "-Z", cipher, passphrase=PASSPHRASE))
    rsa = maker.keygen("-t", "rsa", "-b", "2048", "-m", "PEM")
    ecdsa = maker.keygen("-t", "ecdsa", "-b", "384", "-m", "PEM")
    encrypt = ("-passout", f"pass:{PASSPHRASE}")
    for key, kind in ((rsa, "rsa"), (ecdsa, "ec")):
        for bits in ("128", "192", "256"):
            old = maker.openssl(
                kind,
                "-in",
                key,
                f"-aes{bits}",
                *(("-traditional",) if kind == "rsa" else ()),
                *encrypt,
            )
            add(f"{kind} old PEM aes{bits}", old)
            for prf in (
                "hmacWithSHA1",
                "hmacWithSHA224",
                "hmacWithSHA256",
                "hmacWithSHA384",
                "hmacWithSHA512",
            ):
                words = ("-v2", f"aes-{bits}-cbc", "-v2prf", prf)
                add(
                    f"{kind} PBES2 aes{bits} {prf}",
                    maker.openssl("pkcs8", "-topk8", "-in", key, *words, *encrypt),
                )
        add(f"{kind} scrypt", maker.openssl("pkcs8", "-topk8", "-in", key, "-scrypt", *encrypt))
        add(
            f"{kind} PBKDF2 1 round",
            maker.openssl("pkcs8", "-topk8", "-in", key, "-iter", "1", *encrypt),
        )
    return found


def refused_keys(maker: Maker) -> list[Sample]:
    """Make what is refused, with the command that converts it where there is one."""
    rsa = maker.keygen("-t", "rsa", "-b", "2048", "-m", "PEM")
    ecdsa = maker.keygen("-t", "ecdsa", "-m", "PEM")
    encrypt = ("-passout", f"pass:{PASSPHRASE}")
    aes = ("openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", "FILE", "-out", "NEW")
    passes = ("-passin", f"pass:{PASSPHRASE}", "-passout", f"pass:{PASSPHRASE}")
    found = []

    def add(
        name: str,
        path: Path,
        refusal: str,
        conversion: tuple[str, ...] = (),
        passphrase: str = PASSPHRASE,
    ) -> None:
        found.append(Sample(name, path.read_bytes(), passphrase, "", refusal, conversion))

    for cipher in ("des3", "camellia-256-cbc", "aria-256-cbc"):
        path = maker.openssl("pkcs8", "-topk8", "-in", rsa, "-v2", cipher, *encrypt)
        add(f"PBES2 {cipher}", path, " ".join(aes), aes + passes)
    for prf in ("hmacWithSHA512-224", "hmacWithSHA512-256"):
        words = ("-v2", "aes-256-cbc", "-v2prf", prf)
        add(
            f"PBES2 {prf}",
            maker.openssl("pkcs8", "-topk8", "-in", rsa, *words, *encrypt),
            " ".join(aes),
            aes + passes,
        )
    for scheme in ("PBE-SHA1-3DES", "PBE-SHA1-2DES"):
        path = maker.openssl("pkcs8", "-topk8", "-in", rsa, "-v1", scheme, *encrypt)
        add(scheme, path, " ".join(aes), aes + passes)
    legacy = ("-provider", "legacy", "-provider", "default")
    for scheme in ("PBE-MD5-DES", "PBE-SHA1-DES", "PBE-SHA1-RC2-128", "PBE-SHA1-RC4-128"):
        path = maker.openssl("pkcs8", "-topk8", "-in", rsa, "-v1", scheme, *encrypt, *legacy)
        add(scheme, path, " ".join(aes + legacy), aes + legacy + passes)
    for cipher in ("des3", "camellia256", "aria256"):
        path = maker.openssl("rsa", "-in", rsa, f"-{cipher}", "-traditional", *encrypt)
        add(f"old PEM {cipher}", path, " ".join(aes), aes + passes)
    for cipher in ("aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "3des-cbc"):
        path = maker.keygen("-t", "ed25519", "-Z", cipher, passphrase=PASSPHRASE)
        change = ("ssh-keygen", "-p", "-Z", "aes256-ctr", "-f", "FILE")
        add(
            f"OpenSSH {cipher}",
            path,
            " ".join(change),
            (*change, "-P", PASSPHRASE, "-N", PASSPHRASE),
        )
    der = maker.openssl("rsa", "-in", rsa, "-outform", "DER")
    add(
        "DER",
        der,
        "openssl pkey -inform DER",
        ("openssl", "pkey", "-inform", "DER", "-in", "FILE", "-out", "NEW"),
    )
    explicit = maker.openssl("ec", "-in", ecdsa, "-param_enc", "explicit")
    named = ("openssl", "ec", "-param_enc", "named_curve", "-in", "FILE", "-out", "NEW")
    add("a curve written out", explicit, " ".join(named), named)
    explicit = maker.openssl("pkcs8", "-topk8", "-nocrypt", "-in", explicit)
    add("a curve written out in PKCS#8", explicit, " ".join(named), named)
    puttygen = ("puttygen", "FILE", "-O", "private-openssh", "-o", "NEW")
    for version in ("2", "3"):
        for kind, key in (
            ("rsa", rsa),
            ("ecdsa", ecdsa),
            ("ed25519", maker.keygen("-t", "ed25519")),
        ):
            path = maker.place()
            need("puttygen", key, "-O", "private", "--ppk-param", f"version={version}", "-o", path)
            add(f"PuTTY {version} {kind}", path, " ".join(puttygen), puttygen, passphrase="")
    path = maker.place()
    need("puttygen", rsa, "-O", "private-sshcom", "-o", path)
    ssh2 = ("ssh-keygen", "-i", "-f", "FILE")
    add("SSH2", path, "ssh-keygen -i -f FILE > NEW", ssh2, passphrase="")

    for kind in ("ed448", "x25519", "x448"):
        add(kind, maker.openssl("genpkey", "-quiet", "-algorithm", kind), "has to be RSA, ECDSA")
    for curve in ("secp256k1", "brainpoolP256r1", "prime192v1"):
        path = maker.openssl(
            "genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}"
        )
        add(curve, path, "has to be RSA, ECDSA")
    pss = ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048")
    add("RSA-PSS", maker.openssl("genpkey", "-quiet", *pss), "has to be RSA, ECDSA")
    add("RSA 768", maker.openssl("genrsa", "-traditional", "768"), "1024 to 16384 bits")
    add(
        "three primes",
        maker.openssl("genrsa", "-traditional", "-primes", "3", "2048"),
        "two primes",
    )
    parameters = maker.openssl("dsaparam", "-genkey", "1024")
    add("DSA", parameters, "has to be RSA, ECDSA")
    add("a public key", rsa.with_suffix(".pub"), "the private key is needed")
    add("a public key in PEM", maker.openssl("rsa", "-in", rsa, "-pubout"), "not a private key")
    request = ("-x509", "-key", rsa, "-subj", "/CN=x", "-days", "1")
    add("a certificate", maker.openssl("req", *request), "not a private key")
    both = maker.place()
    both.write_bytes(rsa.read_bytes() + ecdsa.read_bytes())
    add("two keys", both, "more than one private key")
    return found


def lines(change: Callable[[str], str]) -> Callable[[str], str]:
    """Make a change of each line a change of a text."""
    return lambda text: "\n".join(map(change, text.splitlines()))


DEFORMATIONS: dict[str, Callable[[str], str]] = {
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CR": lambda text: text.replace("\n", "\r"),
    "doubled line ends": lambda text: text.replace("\n", "\n\n"),
    "CRCRLF": lambda text: text.replace("\n", "\r\r\n"),
    "trailing blanks": lines(lambda line: f"{line}  \t"),
    "indentation": lines(lambda line: f"    {line}"),
    "no-break spaces": lines(lambda line: f"{line}\u00a0"),
    "ideographic spaces": lines(lambda line: f"\u3000{line}"),
    "zero-width spaces": lines(lambda line: f"{line}\u200b"),
    "two characters for a line end": lambda text: text.replace("\n", "\\n"),
    "no line end at its end": str.rstrip,
    "Bag Attributes": lambda text: (
        f"Bag Attributes\n    localKeyID: 01\nKey Attributes: <No>\n{text}"
    ),
    "a byte order mark": lambda text: f"\ufeff{text}",
    "quotes": lambda text: f'"{text.strip()}"',
    "cut": lambda text: text[: len(text) * 2 // 3],
    "a line left out": lambda text: "\n".join(text.splitlines()[:3] + text.splitlines()[4:]),
    "two lines swapped": lambda text: "\n".join(
        [
            *text.splitlines()[:1],
            *text.splitlines()[2:3],
            *text.splitlines()[1:2],
            *text.splitlines()[3:],
        ]
    ),
    "another character": lambda text: text[:70] + ("A" if text[70] != "A" else "B") + text[71:],
    "a mail's quotation": lines(lambda line: f"> {line}"),
    "dashes of a word processor": lambda text: text.replace("-----", "\u2013\u2013-"),
}


def deformed(samples: list[Sample]) -> list[Sample]:
    """Change keys in every way."""
    found = []
    for sample in samples:
        for name, change in DEFORMATIONS.items():
            content = change(sample.content.decode()).encode()
            # Nothing in a key without its public point tells another number from a wrong one.
            is_checked = "without its public point" not in sample.name
            public = sample.public if is_checked else ""
            found.append(Sample(f"{sample.name}, {name}", content, sample.passphrase, public, "?"))
    return found


class Plugin:
    """The plugin with a state directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.program = os.environ["SPS_PLUGIN"]
        self.environment = {"SCB_PLUGIN_STATE_DIRECTORY": str(folder / "state")}

    def set(self, file: Path, passphrase: str) -> subprocess.CompletedProcess[str]:
        """Store a key."""
        words = [
            "credential",
            "set",
            "--account",
            "root",
            "--asset",
            "db1",
            "--key-file",
            str(file),
        ]
        words += ["--passphrase-stdin"] if passphrase else []
        return run(
            self.program,
            *words,
            stdin=f"{passphrase}\n" if passphrase else "",
            env=self.environment,
        )

    def key(self) -> str:
        """Return the key that is handed out."""
        arguments = {"session_id": "s1", "server_username": "root", "server_hostname": "db1"}
        invocation = {
            "hook": "get_private_key_list",
            "type": "credentialstore",
            "arguments": arguments,
            "configuration": CONFIGURATION,
        }
        done = run(self.program, stdin=json.dumps(invocation), env=self.environment)
        [[_, text]] = json.loads(done.stdout)["private_keys"]
        return str(text)


def check(sample: Sample, folder: Path, plugin: Plugin) -> str:
    """Give a file to the plugin: it is refused, or comes out readable. Return which."""
    file, out = folder / "FILE", folder / "out"
    file.write_bytes(sample.content)
    file.chmod(0o600)
    done = plugin.set(file, sample.passphrase)
    if done.returncode != 0:
        if not sample.refusal or done.returncode != 2 or done.stdout:
            raise Failed(f"refused: {done.stderr}")
        if sample.refusal not in ("?", "") and sample.refusal not in done.stderr:
            raise Failed(f"the refusal does not say {sample.refusal!r}: {done.stderr}")
        if sample.conversion:
            convert(sample, folder, plugin)
        return "refused"
    if sample.refusal not in ("?", ""):
        raise Failed("accepted")
    out.write_text(plugin.key())
    public = public_of(out)
    if not public:
        raise Failed("accepted, and ssh-keygen does not read what comes out")
    if sample.public and sample.public != public:
        raise Failed(f"another key comes out: {public}")
    return "accepted"


def convert(sample: Sample, folder: Path, plugin: Plugin) -> None:
    """Do what the refusal says, and give the plugin what comes of it."""
    new = folder / "NEW"
    places = {"FILE": str(folder / "FILE"), "NEW": str(new)}
    stdout = need(*(places.get(word, word) for word in sample.conversion))
    if "NEW" not in sample.conversion:
        new.write_bytes(
            stdout.encode() if stdout.startswith("-----") else (folder / "FILE").read_bytes()
        )
    done = plugin.set(new, sample.passphrase)
    if done.returncode != 0:
        raise Failed(f"what {' '.join(sample.conversion)} makes is refused: {done.stderr}")
    out = folder / "out"
    out.write_text(plugin.key())
    if not public_of(out):
        raise Failed("what comes out after the conversion is not read by ssh-keygen")


def main() -> int:
    """Check every key."""
    counts = {"accepted": 0, "refused": 0, "failed": 0}
    with tempfile.TemporaryDirectory(prefix="sps-plugin-keys-") as name:
        folder = Path(name)
        maker, plugin = Maker(folder), Plugin(folder)
        plain = plain_keys(maker)
        encrypted = encrypted_keys(maker)
        bases = [sample for sample in plain if "1024" not in sample.name][::4] + encrypted[20:22]
        samples = plain + encrypted + refused_keys(maker) + deformed(bases)
        for sample in samples:
            try:
                counts[check(sample, folder, plugin)] += 1
            except (Failed, subprocess.SubprocessError, OSError, ValueError) as error:
                counts["failed"] += 1
                print(f"FAILED {sample.name}: {error}", flush=True)
    print(
        f"{sum(counts.values())} private keys:",
        ", ".join(f"{count} {what}" for what, count in counts.items()),
    )
    is_enough = counts["accepted"] + counts["refused"] >= AT_LEAST
    return 0 if is_enough and counts["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
