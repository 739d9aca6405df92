"""What lives on the appliance, looked up through the SDK as far as the configuration asks for it.

Nothing is decided here. The binary gets what it would have to ask for: of a user list whether this
user matches it, of a directory this user's attribute and groups, of a credential store the entries
that are named, never the whole of it.

The SDK is imported only where something is to be looked up, because that takes longer than
everything else here.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .failure import log

# Providers that ask nobody over the network, so that no proxy has to be known.
WITHOUT_NETWORK = {"local", "none", "appliance", "file", "fqdn", "rules"}
USER_LIST = "whitelist source=user_list"
GROUPS = "whitelist source=ldap_server_group"
EXPLICIT = "usermapping source=explicit"
ATTRIBUTE = "usermapping source=ldap_server"
CREDENTIAL_HOOKS = {
    "get_password_list",
    "get_private_key_list",
    "get_remote_app_credentials",
    "get_totp_codes",
}

Json = Any


class Settings:
    """The configuration's text, as far as it names something on the appliance."""

    def __init__(self, text: str) -> None:
        self._parser = configparser.ConfigParser()
        # The first password behind each `$`, once they are looked up.
        self.secrets: dict[tuple[str, str], str] = {}
        try:
            self._parser.read_string(text)
        except configparser.Error:
            # The binary refuses it, and says where and why.
            self._parser = configparser.ConfigParser()

    def raw(self, section: str, option: str) -> str | None:
        """Give a value as it stands there; nothing where it is absent or cannot be read."""
        try:
            return self._parser.get(section, option, fallback=None)
        except configparser.Error:
            return None

    def get(self, section: str, option: str) -> str | None:
        """Give a value with `$` and `$$` resolved."""
        value = self.raw(section, option)
        if value == "$":
            return self.secrets.get((section, self._parser.optionxform(option)))
        return "$" if value == "$$" else value

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        """Give every option that can be read: section, name, value."""
        for section in self._parser.sections():
            for option in self._parser.options(section):
                value = self.raw(section, option)
                if value is not None:
                    yield section, option, value


def resolve(settings: Settings, hook: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """Give the invocation's member `appliance`."""
    arguments = _by_current_names(arguments)
    # First the secrets: the name of a policy may be one.
    stores = _secrets(settings)
    found: dict[str, Json] = {"credential_stores": stores}
    if hook == "authenticate":
        names = list(dict.fromkeys(_usernames(arguments)))
        found["user_lists"] = _user_lists(settings, names)
        found["ldap_servers"] = _directories(settings, names)
    if hook in CREDENTIAL_HOOKS:
        _add_credentials(settings, arguments, stores)
    found["trusted_ca_lists"] = _ca_lists(settings)
    found["http_proxy"] = _proxy(settings)
    return {name: value for name, value in found.items() if value}


def _by_current_names(arguments: Mapping[str, Json]) -> Mapping[str, Json]:
    """Call the target as newer versions of SPS do. A host is looked up by name or by address."""
    older = {
        "server_username": ("target_username",),
        "server_domain": ("target_domain",),
        "server_hostname": ("target_host", "target_server"),
    }
    named = dict(arguments)
    for name, others in older.items():
        given = [named.get(other) for other in (name, *others)]
        named[name] = next((value for value in given if value is not None), None)
    return named


def _secrets(settings: Settings) -> dict[str, list[Json]]:
    """Look up what stands behind each `$`: host is the section, user is the option."""
    wanted = [(section, option) for section, option, value in settings if value == "$"]
    name = settings.raw("credential_store", "name")
    store = _credential_store(name) if wanted and name else None
    if store is None or name is None:
        return {}
    entries = [_entry(store, section, option) for section, option in wanted]
    for entry in entries:
        passwords = [found for found in entry["credentials"] if isinstance(found, str)]
        if passwords:
            settings.secrets[entry["host"], entry["user"]] = passwords[0]
    return {name: entries}


def _credential_store(name: str) -> Json:
    """Open a local credential store; nothing where there is none, which the binary tells."""
    from safeguard.sessions.plugin import CredentialStore, LocalCredentialStoreNotFound

    try:
        return CredentialStore.from_config(None, name=name)
    except LocalCredentialStoreNotFound:
        return None


def _entry(store: Json, host: str, user: str) -> dict[str, Json]:
    return {"host": host, "user": user, "credentials": store.get_credentials(host, user)}


def _usernames(arguments: Mapping[str, Json]) -> Iterable[str]:
    """Give the names that may be the user's: mostly one, two where a UPN suffix may go."""
    pairs = arguments.get("key_value_pairs") or {}
    known = (arguments.get("cookie") or {}).get("username")
    for name in (known, arguments.get("gateway_user"), pairs.get("gu")):
        if isinstance(name, str) and name:
            yield name
            return
    for name in (arguments.get("server_username"), pairs.get("username")):
        if isinstance(name, str) and name:
            yield name
            if "@" not in name:
                return
            yield name.rpartition("@")[0]


def _user_lists(settings: Settings, names: Iterable[str]) -> dict[str, Json]:
    """Make a list of those names that match the policy; to these users it is the same policy."""
    policy = settings.get(USER_LIST, "name")
    if policy is None:
        return {}
    from safeguard.sessions.plugin import UserList
    from safeguard.sessions.plugin.user_list_exceptions import LocalUserListNotFound

    try:
        found = UserList.from_config(None, name=policy)
    except LocalUserListNotFound:
        return {}
    return {
        policy: {"allow": "no_user", "except": [name for name in names if found.check_user(name)]}
    }


def _directories(settings: Settings, names: Iterable[str]) -> dict[str, Json]:
    """Ask the directory for what the configuration asks of it.

    Where one question fails, nothing is passed on: a user of whom no groups are known must not look
    like one who is in none.
    """
    policy = settings.get("ldap_server", "name")
    groups = settings.get(GROUPS, "except") if settings.get(GROUPS, "allow") else None
    attribute = settings.get(ATTRIBUTE, "user_attribute")
    if not policy or (groups is None and attribute is None):
        return {}
    from safeguard.sessions.plugin import LDAPOperationError, LDAPServer, LDAPUserNotFound

    server = LDAPServer.from_config(None, name=policy)
    users: dict[str, dict[str, Json]] = {}
    # The directory tells of which groups a user is a member. A group without members is passed too:
    # one that is missing was not asked for.
    asked = [group.strip() for group in (groups or "").split(",")]
    members: dict[str, list[str]] = {group: [] for group in asked if group}
    for name in names:
        try:
            if groups is not None:
                found = server.filter_user_groups(name, asked)
                # Not before: a user whom the directory does not know is not passed.
                users.setdefault(name, {})
                for group in found:
                    members.setdefault(group, []).append(name)
            if attribute is not None:
                identity = settings.get(EXPLICIT, name.lower()) or name
                values = server.get_user_string_attribute(identity, attribute)
                users.setdefault(identity, {})[attribute] = values
        except LDAPUserNotFound as error:
            log("info", f"the directory does not know the user: {error}")
        except LDAPOperationError as error:
            log("warning", f"the directory does not answer: {error}")
            return {}
    return {policy: {"users": users, "groups": members}}


def _add_credentials(
    settings: Settings, arguments: Mapping[str, Json], stores: dict[str, list[Json]]
) -> None:
    """Add what [credentials] provider = appliance may hand out to this session."""
    name = settings.get("credentials", "store")
    providers = _words(settings.get("credentials", "provider") or "")
    if "appliance" not in providers or not name:
        return
    store = _credential_store(name)
    if store is None:
        return
    entries = stores.setdefault(name, [])
    there = {(entry["host"], entry["user"]) for entry in entries}
    for host in dict.fromkeys(_assets(settings, arguments)):
        for user in dict.fromkeys(_accounts(settings, arguments)):
            if (host, user) not in there:
                entry = _entry(store, host, user)
                if entry["credentials"]:
                    entries.append(entry)


def _accounts(settings: Settings, arguments: Mapping[str, Json]) -> Iterable[str]:
    prefix, suffix = (settings.get("account", option) or "" for option in ("prefix", "suffix"))
    name = arguments.get("server_username")
    yield f"{prefix}{name}{suffix}"
    yield from _texts(
        [name], [arguments.get(cookie) for cookie in ("cookie", "session_cookie")], "account"
    )


def _assets(settings: Settings, arguments: Mapping[str, Json]) -> Iterable[str]:
    domain_suffix = settings.get("assets", "domain_suffix")
    domain = arguments.get("server_domain")
    mapped = settings.get("domain_asset_mapping", domain) if isinstance(domain, str) else None
    names = [
        arguments.get("server_hostname"),
        arguments.get("server_ip"),
        domain,
        mapped,
        arguments.get("asset"),
    ]
    for text in _texts(
        names, [arguments.get(cookie) for cookie in ("cookie", "session_cookie")], "asset"
    ):
        yield text
        if domain_suffix:
            yield f"{text}.{domain_suffix}"


def _texts(values: list[Json], cookies: list[Json], member: str) -> Iterable[str]:
    """Give those values that are texts, and what the cookies have under that name."""
    values = values + [cookie.get(member) for cookie in cookies if isinstance(cookie, dict)]
    return [value for value in values if isinstance(value, str) and value]


def _words(value: str) -> list[str]:
    """Split the names of providers, of which there may be several."""
    return [word.strip().lower() for word in value.split(",")]


def _ca_lists(settings: Settings) -> dict[str, Json]:
    """Look up the trusted CA lists that are named as $[NAME]."""
    names = {
        value[2:-1] for _, _, value in settings if value.startswith("$[") and value.endswith("]")
    }
    if not names:
        return {}
    lists = _box().get_trusted_ca_lists() or {}
    return {name: {"certs": lists[name]["certs"]} for name in sorted(names) if name in lists}


def _proxy(settings: Settings) -> dict[str, Json] | None:
    """Ask for the appliance's proxy where somebody may be asked over the network."""
    options = ("provider", "fallback")
    providers = [
        word for _, option, value in settings if option in options for word in _words(value)
    ]
    if WITHOUT_NETWORK.issuperset(providers):
        return None
    proxy = _box().get_http_proxy()
    if not proxy.server:
        return None
    login: dict[str, Json] = {"selection": "disabled"}
    if proxy.username is not None:
        login = {"selection": "password", "username": proxy.username, "password": proxy.password}
    server = {"selection": "fqdn", "value": proxy.server}
    return {"enabled": True, "server": server, "port": proxy.port, "authentication": login}


def _box() -> Json:
    from safeguard.sessions.plugin.box_configuration import BoxConfiguration

    return BoxConfiguration.open()
