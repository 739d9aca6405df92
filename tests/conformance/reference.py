"""The reference plugins: the real SDK, with our own few lines where a plugin author has to fill in.

They note what the SDK does silently, so that the run can prove that it was exercised.
"""

import json
from typing import Any

import requests
from safeguard.sessions.plugin import AAPlugin, CredentialStore, CredentialStorePlugin
from safeguard.sessions.plugin.mfa_client import (
    MFAAuthenticationFailure,
    MFAClient,
    MFACommunicationError,
    MFAServiceUnreachable,
)
from safeguard.sessions.plugin.plugin_configuration import PluginConfiguration
from safeguard.sessions.plugin.plugin_response import AAResponse
from safeguard.sessions.plugin.requests_tls import RequestsTLS

from wire import AA, CREDENTIAL_STORE, Json

# What was noted during the hook that runs; one hook runs at a time.
NOTES: list[str] = []


class HttpClient(MFAClient):  # type: ignore[misc]  # the SDK carries no types
    """The `http` provider as protocol.md describes it, as a plugin author would write it."""

    def __init__(self, configuration: PluginConfiguration, cookie: dict[str, Json]) -> None:
        section = "http"
        ignore = configuration.getboolean(section, "ignore_connection_error", default=False)
        super().__init__("http", ignore)
        self._disable_echo = configuration.getboolean("auth", "disable_echo", default=False)
        self._url = configuration.get(section, "server_url", required=True)
        self._token = configuration.get(section, "token")
        self._timeout = configuration.getfloat(section, "timeout", default=30.0)
        self._tls = RequestsTLS.from_config(configuration)
        self._kept = {"state": cookie["state"]} if "state" in cookie else {}

    def push_authenticate(self, mfa_identity: str) -> bool | AAResponse:
        """Ask for a push notification."""
        return self._ask("push", {"identity": mfa_identity})

    def otp_authenticate(self, mfa_identity: str, otp: str) -> bool | AAResponse:
        """Ask whether the one-time password is right."""
        return self._ask("otp", {"identity": mfa_identity, "otp": otp})

    def _ask(self, path: str, body: dict[str, Json]) -> bool | AAResponse:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            with self._tls.open_session() as session:
                answer = session.post(
                    f"{self._url}/{path}",
                    json=body | self._kept,
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            raise MFAServiceUnreachable(f"no answer: {error}") from error
        if answer.status_code in (502, 503, 504):
            raise MFAServiceUnreachable(f"status {answer.status_code}")
        if answer.status_code != 200:
            raise MFACommunicationError(f"status {answer.status_code}")
        return self._verdict(answer.content)

    def _verdict(self, content: bytes) -> bool | AAResponse:
        try:
            body = json.loads(content)
        except ValueError as error:
            raise MFACommunicationError("the answer is not JSON") from error
        match body:
            case {"result": "ACCEPT"}:
                return True
            case {"result": "DENY", "reason": str(reason)} if reason:
                raise MFAAuthenticationFailure(reason)
            case {"result": "DENY"}:
                return False
            case {"result": "NEEDINFO", "question": str(question)}:
                return self._question(question, body)
        raise MFACommunicationError("the answer is none that the protocol knows")

    def _question(self, question: str, body: dict[str, Json]) -> AAResponse:
        disable_echo = body.get("disable_echo", self._disable_echo)
        response = AAResponse.need_info(question, body.get("key", "otp"), disable_echo)
        if "state" in body:
            response = response.with_cookie({"state": body["state"]})
        return response


class ReferenceAA(AAPlugin):  # type: ignore[misc]  # the SDK carries no types
    """The AA plugin with the `http` provider, or with none."""

    def do_authenticate(self) -> AAResponse:
        """Ask the configured provider; without one the SDK's own hook answers."""
        if self.plugin_configuration.get("mfa", "provider") == "none":
            return super().do_authenticate()
        client = HttpClient(self.plugin_configuration, self.cookie)
        response = client.execute_authenticate(self.username, self.mfa_identity, self.mfa_password)
        if response["verdict"] == "NEEDINFO":
            self._set_private("asked_for", response["question"][0])
        return response

    def _extract_mfa_password(self) -> str | None:
        """Take the answer to what the service asked for, under whatever key it asked."""
        asked_for = self._get_private("asked_for", "otp")
        if asked_for != "otp":
            answer: str | None = self.connection.key_value_pairs.get(asked_for)
            return answer
        password: str | None = super()._extract_mfa_password()
        return password

    # A step that is overridden keeps its name: the SDK writes it into the cookie's checkpoints.

    def _map_username_explicit(self) -> None:
        self._noting("mapped explicitly", super()._map_username_explicit)

    def _map_username_ldap(self) -> None:
        self._noting("mapped by LDAP", super()._map_username_ldap)

    def _transform_username(self) -> None:
        self._noting("domain appended", super()._transform_username)

    def _noting(self, what: str, step: Any) -> None:
        before = self.mfa_identity
        step()
        if self.mfa_identity != before:
            NOTES.append(what)

    def remove_upn_suffix(self, username: str | None) -> str | None:
        """Note whether there was a suffix, and what became of it."""
        result: str | None = super().remove_upn_suffix(username)
        if username and "@" in username:
            NOTES.append("suffix kept" if result == username else "suffix removed")
        return result


class ReferenceCredentialStore(CredentialStorePlugin):  # type: ignore[misc]  # no types
    """The credential store plugin over the appliance's local credential stores."""

    def do_get_password_list(self) -> Json:
        """Give the passwords of the account on the asset."""
        return {"passwords": self._store().get_passwords(self.asset, self.account)}

    def do_get_private_key_list(self) -> Json:
        """Give the SSH keys of the account on the asset."""
        keys = self._store().get_keys(self.asset, self.account)
        return {"private_keys": [(key["type"], key["key"]) for key in keys]}

    def do_get_remote_app_credentials(self) -> Json:
        """Give the passwords for a remote application."""
        account, asset = self.remote_app_account, self.remote_app_asset
        passwords = self._store().get_passwords(asset, account)
        return {"passwords": passwords} if passwords else []

    def do_check_in_credential(self) -> None:
        """Note what is given back; the appliance's stores have nothing to do."""
        NOTES.append("checked in")

    def _store(self) -> CredentialStore:
        name = self.plugin_configuration.get("credentials", "store", required=True)
        return CredentialStore.from_config(None, name=name)


PLUGINS = {AA: ReferenceAA, CREDENTIAL_STORE: ReferenceCredentialStore}
