"""A Samba domain controller of our own, only LDAP. Its ports are fixed, so it has an address."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from support import Authority, Failed, Process

ADDRESS = os.environ.get("SPS_LIVE_SAMBA_ADDRESS", "127.0.0.3")
SUFFIX = "dc=example,dc=org"
USERS = f"cn=Users,{SUFFIX}"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


class Samba:
    """The server, provisioned anew."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        for name in ("run", "log", "tls"):
            (folder / name).mkdir(parents=True)
        self.ca = folder / "tls" / "ca.pem"
        self.ca.write_text(authority.pem)
        certificate, key = authority.issue(ADDRESS)
        key.chmod(0o600)
        options = {
            "interfaces": f"{ADDRESS}/8",
            "bind interfaces only": "yes",
            "server services": "ldap",
            "tls enabled": "yes",
            "tls keyfile": str(key),
            "tls certfile": str(certificate),
            "tls cafile": str(self.ca),
            "pid directory": str(folder / "run"),
            "log file": str(folder / "log" / "samba.log"),
            "vfs objects": "dfs_samba4 acl_xattr",
            "disable netbios": "yes",
        }
        provision = ["domain", "provision", f"--targetdir={folder / 's'}", "--realm=EXAMPLE.ORG"]
        provision += ["--domain=EXAMPLE", "--host-name=dc1", "--server-role=dc", "--use-rfc2307"]
        provision += ["--adminpass=Adm1n-Passw0rd", "--dns-backend=NONE", f"--host-ip={ADDRESS}"]
        provision += [f"--option={name}={value}" for name, value in options.items()]
        self._samba_tool(provision)
        self.config = folder / "s" / "etc" / "smb.conf"
        self.url = f"ldaps://{ADDRESS}"
        self.plain = f"ldap://{ADDRESS}"

    def start(self) -> None:
        """Start it in the foreground, so that it is our child."""
        command = ["/usr/sbin/samba", "-F", "--no-process-group", "-M", "single"]
        command += ["-s", str(self.config)]
        self.process = Process(command, self.folder / "log" / "out", ENVIRONMENT)
        for _ in range(300):
            probe = self._client("ldapsearch", "-s", "base", "-b", "")
            if probe.returncode == 0:
                return
            time.sleep(0.2)
        self.stop()
        raise Failed(f"it does not answer: {(self.folder / 'log' / 'out').read_text()[-2000:]}")

    def tool(self, *arguments: str) -> None:
        """Change the directory, before it is started."""
        sam = str(self.folder / "s" / "private" / "sam.ldb")
        self._samba_tool([*arguments, "-s", str(self.config), "-H", sam])

    def add(self, ldif: str) -> None:
        """Add entries to the running server."""
        added = self._client(
            "ldapadd", "-D", "administrator@example.org", "-w", "Adm1n-Passw0rd", text=ldif
        )
        if added.returncode != 0:
            raise Failed(f"ldapadd: {added.stderr}")

    def _client(
        self, program: str, *arguments: str, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        command = [f"/usr/bin/{program}", "-x", "-H", self.url, *arguments]
        environment = {**ENVIRONMENT, "LDAPTLS_CACERT": str(self.ca)}
        return subprocess.run(
            command, input=text, text=True, capture_output=True, env=environment, check=False
        )

    def _samba_tool(self, arguments: list[str]) -> None:
        command = ["/usr/bin/samba-tool", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        if done.returncode != 0:
            raise Failed(f"samba-tool {arguments[:3]}: {done.stdout}{done.stderr}")

    def stop(self) -> None:
        """End it."""
        self.process.stop()
