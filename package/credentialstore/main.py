#!/usr/bin/env pluginwrapper3
"""The hooks of a credential store plugin, handed over to the binary beside this file."""

from __future__ import annotations

from typing import Any

from sps_plugin.handover import hand_over

# What SPS passes and takes back is JSON.
Json = Any


class Plugin:
    """What SPS calls. It passes the arguments that a signature names, by name.

    Those that begin with `target_` are what older versions of SPS call the target.
    """

    def __init__(self, configuration: str) -> None:
        self._configuration = configuration

    def get_password_list(
        self,
        cookie: Json = None,
        session_cookie: Json = None,
        session_id: Json = None,
        protocol: Json = None,
        client_ip: Json = None,
        client_hostname: Json = None,
        gateway_domain: Json = None,
        gateway_username: Json = None,
        gateway_password: Json = None,
        gateway_groups: Json = None,
        server_domain: Json = None,
        server_username: Json = None,
        server_ip: Json = None,
        server_port: Json = None,
        server_hostname: Json = None,
        target_username: Json = None,
        target_domain: Json = None,
        target_host: Json = None,
        target_port: Json = None,
        target_server: Json = None,
    ) -> Json:
        """Give the passwords for the target."""
        return hand_over("credentialstore", "get_password_list", self._configuration, locals())

    def get_private_key_list(
        self,
        cookie: Json = None,
        session_cookie: Json = None,
        session_id: Json = None,
        protocol: Json = None,
        client_ip: Json = None,
        client_hostname: Json = None,
        gateway_domain: Json = None,
        gateway_username: Json = None,
        gateway_password: Json = None,
        gateway_groups: Json = None,
        server_domain: Json = None,
        server_username: Json = None,
        server_ip: Json = None,
        server_port: Json = None,
        server_hostname: Json = None,
        target_username: Json = None,
        target_domain: Json = None,
        target_host: Json = None,
        target_port: Json = None,
        target_server: Json = None,
    ) -> Json:
        """Give the private keys for the target."""
        return hand_over("credentialstore", "get_private_key_list", self._configuration, locals())

    def get_remote_app_credentials(
        self,
        cookie: Json = None,
        session_cookie: Json = None,
        session_id: Json = None,
        protocol: Json = None,
        client_ip: Json = None,
        client_hostname: Json = None,
        gateway_domain: Json = None,
        gateway_username: Json = None,
        gateway_password: Json = None,
        gateway_groups: Json = None,
        server_domain: Json = None,
        server_username: Json = None,
        server_ip: Json = None,
        server_port: Json = None,
        server_hostname: Json = None,
        asset: Json = None,
        connection_name: Json = None,
        target_username: Json = None,
        target_domain: Json = None,
        target_host: Json = None,
        target_port: Json = None,
        target_server: Json = None,
    ) -> Json:
        """Give what starts a remote application, and its passwords."""
        return hand_over(
            "credentialstore", "get_remote_app_credentials", self._configuration, locals()
        )

    def get_totp_codes(
        self,
        cookie: Json = None,
        session_cookie: Json = None,
        session_id: Json = None,
        protocol: Json = None,
        client_ip: Json = None,
        client_hostname: Json = None,
        gateway_domain: Json = None,
        gateway_username: Json = None,
        gateway_password: Json = None,
        gateway_groups: Json = None,
        server_domain: Json = None,
        server_username: Json = None,
        server_ip: Json = None,
        server_port: Json = None,
        server_hostname: Json = None,
        target_username: Json = None,
        target_domain: Json = None,
        target_host: Json = None,
        target_port: Json = None,
        target_server: Json = None,
    ) -> Json:
        """Give the one-time codes for the target."""
        return hand_over("credentialstore", "get_totp_codes", self._configuration, locals())

    def authentication_completed(
        self,
        cookie: Json = None,
        session_cookie: Json = None,
        session_id: Json = None,
    ) -> Json:
        """Take note that the target has let the user in."""
        return hand_over(
            "credentialstore", "authentication_completed", self._configuration, locals()
        )

    def session_ended(
        self,
        cookie: Json = None,
        session_cookie: Json = None,
        session_id: Json = None,
    ) -> Json:
        """Take note that the session is over."""
        return hand_over("credentialstore", "session_ended", self._configuration, locals())
