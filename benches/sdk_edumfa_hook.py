"""A login at eduMFA as a plugin author writes it: the SDK, its `requests` session, one request."""

import json
import sys
from typing import Any

import requests
from safeguard.sessions.plugin import AAPlugin
from safeguard.sessions.plugin.mfa_client import (
    MFAAuthenticationFailure,
    MFAClient,
    MFACommunicationError,
    MFAServiceUnreachable,
)
from safeguard.sessions.plugin.requests_tls import RequestsTLS


class EduMfa(MFAClient):  # type: ignore[misc]  # the SDK carries no types
    """Asks `/validate/check`, and takes nothing but a clear yes for one."""

    def __init__(self, configuration: Any) -> None:
        ignore = configuration.getboolean("edumfa", "ignore_connection_error", default=False)
        super().__init__("edumfa", ignore)
        self._url = configuration.get("edumfa", "server_url", required=True)
        self._timeout = configuration.getfloat("edumfa", "timeout", default=30.0)
        self._tls = RequestsTLS.from_config(configuration)

    def otp_authenticate(self, mfa_identity: str, otp: str) -> bool:
        """Ask whether the one-time password is right."""
        try:
            with self._tls.open_session() as session:
                answer = session.post(
                    f"{self._url}/validate/check",
                    json={"user": mfa_identity, "pass": otp},
                    timeout=self._timeout,
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            raise MFAServiceUnreachable("no answer") from error
        if answer.status_code != 200:
            raise MFACommunicationError(f"status {answer.status_code}")
        body = answer.json()
        result = body["result"]
        if result["status"] is True and result["value"] is True:
            return True
        raise MFAAuthenticationFailure(body["detail"]["message"])


class EduMfaPlugin(AAPlugin):  # type: ignore[misc]  # the SDK carries no types
    """The AA plugin with that client."""

    def do_authenticate(self) -> Any:
        """Ask eduMFA."""
        client = EduMfa(self.plugin_configuration)
        return client.execute_authenticate(self.username, self.mfa_identity, self.mfa_password)


def main() -> None:
    """Run the hook as SPS does: build the plugin, call the method, write what it returns."""
    invocation = json.load(sys.stdin)
    plugin = EduMfaPlugin(invocation["configuration"])
    response = getattr(plugin, invocation["hook"])(**invocation["arguments"])
    json.dump(response, sys.stdout)


main()
