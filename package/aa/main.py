#!/usr/bin/env pluginwrapper3
"""The hooks of an AA plugin, handed over to the binary beside this file."""

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

    def authenticate(
        self,
        cookie: Json = None,
        session_cookie: Json = None,
        session_id: Json = None,
        protocol: Json = None,
        connection_name: Json = None,
        client_ip: Json = None,
        client_port: Json = None,
        client_hostname: Json = None,
        gateway_user: Json = None,
        gateway_domain: Json = None,
        server_username: Json = None,
        server_domain: Json = None,
        key_value_pairs: Json = None,
        target_username: Json = None,
        target_domain: Json = None,
        target_host: Json = None,
        target_port: Json = None,
        target_server: Json = None,
    ) -> Json:
        """Say whether the user is let in, or what to ask first."""
        return hand_over("aa", "authenticate", self._configuration, locals())

    def authorize(
        self,
        cookie: Json = None,
        session_cookie: Json = None,
        session_id: Json = None,
        protocol: Json = None,
        connection_name: Json = None,
        client_ip: Json = None,
        client_port: Json = None,
        client_hostname: Json = None,
        gateway_user: Json = None,
        gateway_domain: Json = None,
        gateway_groups: Json = None,
        server_ip: Json = None,
        server_port: Json = None,
        server_hostname: Json = None,
        server_username: Json = None,
        server_domain: Json = None,
        key_value_pairs: Json = None,
        target_username: Json = None,
        target_domain: Json = None,
        target_host: Json = None,
        target_port: Json = None,
        target_server: Json = None,
    ) -> Json:
        """Say whether the session may begin."""
        return hand_over("aa", "authorize", self._configuration, locals())

    def session_ended(
        self,
        session_id: Json = None,
        cookie: Json = None,
        session_cookie: Json = None,
    ) -> Json:
        """Take note that the session is over."""
        return hand_over("aa", "session_ended", self._configuration, locals())
