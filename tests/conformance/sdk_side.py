"""The SDK's side: hooks run inside this process, on the SDK's fakes of the appliance."""

import inspect
import logging
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

from safeguard.sessions.plugin import PluginConfiguration, authentication_cache
from safeguard.sessions.plugin_impl.box_config import stable_box_configuration
from safeguard.sessions.plugin_impl.credential_store import credential_stores
from safeguard.sessions.plugin_impl.ldap_server import ldap_servers
from safeguard.sessions.plugin_impl.user_list import user_lists

from reference import NOTES, PLUGINS
from service import ScriptedService
from wire import Fault, Invocation, Json, Outcome, copied


class _LogTap(logging.Handler):
    """Turns the SDK's log into notes: it is the only place where some decisions show."""

    def emit(self, record: logging.LogRecord) -> None:
        NOTES.append(record.getMessage())


def prepare_process() -> None:
    """Make this process fit for the SDK: no proxies, no log on standard error, no real user."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("NETRC", "REQUESTS_CA_BUNDLE"):
            del os.environ[name]
    # requests would send credentials that it finds for 127.0.0.1 in the netrc of whoever runs this.
    os.environ["NETRC"] = os.devnull
    # With a handler at the root, the SDK adds none of its own.
    logging.getLogger().addHandler(logging.NullHandler())
    logger = logging.getLogger("safeguard")
    logger.addHandler(_LogTap())
    # The configured level goes to the root logger; this one below it still hears everything.
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    _note_references()


def _note_references() -> None:
    """Note what becomes of a `$` value; the SDK does not log it."""
    original = PluginConfiguration._get_result_from_cred_store

    def noting(getter: Json, section: str, option: str) -> Json:
        result = original(getter, section, option)
        NOTES.append("$ resolved" if result is not None else "$ without a credential")
        return result

    PluginConfiguration._get_result_from_cred_store = staticmethod(noting)


class SdkSide:
    """One SDK with its own state directories and its own scripted service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._service = ScriptedService()
        self._folder: Path | None = None

    def begin(self, group: str) -> None:
        """Forget all state: the next calls belong to another group of sessions."""
        self.end()
        self._folder = Path(tempfile.mkdtemp(prefix="conformance-sdk-"))
        self._service.begin(group)

    def restart(self) -> None:
        """Lose the ephemeral state, as the appliance does when it restarts."""
        assert self._folder is not None, "begin() comes first"
        shutil.rmtree(self._folder / "a/b/c/ephemeral", ignore_errors=True)

    def end(self) -> None:
        """Remove what the group left behind."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def call(self, invocation: Invocation, service_up: bool) -> Outcome:
        """Run one hook."""
        assert self._folder is not None, "begin() comes first"
        # Deep inside, so that a user name with `../` in it stays within the group's folder.
        os.environ["SCB_PLUGIN_STATE_DIRECTORY"] = str(self._folder / "a/b/c/persistent")
        os.environ["EPHEMERAL_PLUGIN_STATE_DIRECTORY"] = str(self._folder / "a/b/c/ephemeral")
        authentication_cache.time = SimpleNamespace(time=lambda: invocation.clock)
        fill_fakes(copied(invocation.appliance), self._folder / "trusted")
        NOTES.clear()
        configuration = invocation.configuration.replace("@SERVICE@", self._service.url(service_up))
        response, fault = None, None
        try:
            response = _run(invocation, configuration)
        except Exception as error:  # whatever it is, SPS would only see that the hook failed
            fault = Fault(type(error).__name__, str(error))
        return Outcome(response, fault, self._service.taken(), list(NOTES))


def _run(invocation: Invocation, configuration: str) -> Json:
    plugin = PLUGINS[invocation.plugin](configuration)
    return copied(getattr(plugin, invocation.hook)(**copied(invocation.arguments)))


def argument_names(plugin: str, hook: str) -> list[str]:
    """Give the arguments that SPS passes to a hook: those that its signature names, all of them."""
    signature = inspect.signature(getattr(PLUGINS[plugin], hook))
    return [name for name in signature.parameters if name != "self"]


def fill_fakes(appliance: dict[str, Json], trusted: Path) -> None:
    """Put the appliance's policies where the SDK's fakes look for them."""
    for fake, policies in (
        (user_lists, appliance.get("user_lists", {})),
        (ldap_servers, appliance.get("ldap_servers", {})),
        (credential_stores, _by_user_and_host(appliance.get("credential_stores", {}))),
    ):
        fake.clear()
        fake.update(policies)
    stable_box_configuration["http_proxy"] = appliance.get("http_proxy")
    stable_box_configuration["trusted_ca_lists"] = appliance.get("trusted_ca_lists", {})
    stable_box_configuration["trusted_ca_lists_location"] = str(trusted)


def _by_user_and_host(stores: dict[str, Json]) -> dict[str, Json]:
    """Turn our list of credentials into the fake's user → host → rows."""
    result: dict[str, Json] = {}
    for name, entries in stores.items():
        users: dict[str, Json] = result.setdefault(name, {})
        for entry in entries:
            rows = users.setdefault(entry["user"], {}).setdefault(entry["host"], [])
            rows.extend((credential,) for credential in entry["credentials"])
    return result
