"""An OpenBao of our own, and its API."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import requests

from support import Authority, Failed, Json, Process, free_port

CONFIG = """
storage "inmem" {{}}
listener "tcp" {{
  address = "127.0.0.1:{tls}"
  tls_cert_file = "{certificate}"
  tls_key_file = "{key}"
  tls_client_ca_file = "{folder}/ca.pem"
}}
listener "tcp" {{
  address = "127.0.0.1:{plain}"
  tls_disable = true
}}
api_addr = "https://127.0.0.1:{tls}"
cluster_addr = "https://127.0.0.1:{cluster}"
log_level = "warn"
disable_mlock = true
"""


class Vault:
    """The server, initialised and unsealed."""

    def __init__(self, binary: str, folder: Path, authority: Authority) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "ca.pem").write_text(authority.pem)
        certificate, key = authority.issue("localhost")
        self.tls, self.plain = free_port(), free_port()
        config = folder / "bao.hcl"
        config.write_text(
            CONFIG.format(
                folder=folder,
                certificate=certificate,
                key=key,
                tls=self.tls,
                plain=self.plain,
                cluster=free_port(),
            )
        )
        self.base = f"http://127.0.0.1:{self.plain}/v1"
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
        command = [binary, "server", f"-config={config}"]
        self.process = Process(command, folder / "bao.log", environment)
        self.process.wait_for(self.plain)
        self.token = ""
        keys = self.put("sys/init", secret_shares=1, secret_threshold=1)
        self.key, self.token = keys["keys"][0], keys["root_token"]
        self.unseal()

    def unseal(self) -> None:
        """Unseal it, and wait until it is the active node."""
        self.put("sys/unseal", key=self.key)
        for _ in range(200):
            if requests.get(f"{self.base}/sys/health", timeout=5).status_code == 200:
                return
            time.sleep(0.05)
        raise Failed("it does not become active")

    def seal(self) -> None:
        """Seal it."""
        self.put("sys/seal")

    def call(self, method: str, path: str, namespace: str = "", **body: Any) -> requests.Response:
        """Make a call as the root."""
        headers = {"X-Vault-Token": self.token}
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        return requests.request(
            method, f"{self.base}/{path}", headers=headers, json=body or None, timeout=20
        )

    def put(self, path: str, namespace: str = "", **body: Any) -> Json:
        """Make a call that has to succeed; what is no identifier is given as body."""
        for _ in range(50):
            reply = self.call("PUT", path, namespace, **body)
            # A mount that was made a moment ago may not be ready yet.
            if reply.status_code < 300:
                answer: Json = reply.json() if reply.content else {}
                return answer
            time.sleep(0.1)
        raise Failed(f"{path}: {reply.status_code} {reply.text}")

    def listed(self, path: str) -> list[str]:
        """List what is below a path."""
        reply = self.call("LIST", path)
        return list(reply.json()["data"]["keys"]) if reply.status_code == 200 else []

    def stop(self) -> None:
        """End it."""
        self.process.stop()
