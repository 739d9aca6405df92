"""Where ours is meant to differ from the SDK. Each has a line in docs/differences.md."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from common_setup import UNUSABLE, Setup
from compare import Difference, is_closed
from credential_setup import KEY_TYPES
from wire import Invocation, Outcome

_VALUE_ERROR = "PluginSDKValueError"
LISTS = ("get_password_list", "get_private_key_list")
# The fault for an unusable invocation or configuration.
UNUSABLE_STATUS = "exit status 2"


@dataclass
class History:
    """What happened in the group so far, as far as a deviation depends on it."""

    # File of the SDK's state → the names, of user and address, that lead to it.
    files: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def learn(self, invocation: Invocation, sdk: Outcome) -> None:
        """Take note of the SDK's part in a call."""
        for name in state_names(invocation, sdk):
            self.files[posixpath.normpath(name)].add(name)

    def forget_limits(self) -> None:
        """Forget the files that a restart has removed."""
        for file in [file for file in self.files if file.startswith("limit/")]:
            del self.files[file]


@dataclass(frozen=True)
class Case:
    """One call with both outcomes, and how they differ."""

    setup: Setup
    history: History
    invocation: Invocation
    foreign_cookie: bool
    sdk: Outcome
    ours: Outcome
    differences: list[Difference]

    def sdk_raised(self, kind: str, text: str = "") -> bool:
        """Say whether the SDK raised this exception."""
        fault = self.sdk.fault
        return fault is not None and fault.kind == kind and text in fault.message

    def ours_is_closed(self) -> bool:
        """Say whether our response lets nobody in and hands nothing out."""
        return self.ours.malformed is None and is_closed(self.invocation.hook, self.ours.response)

    def asks_for_credentials(self) -> bool:
        """Say whether the hook is one of the two that go through accounts and assets."""
        return self.invocation.hook in LISTS

    def only_at(self, *prefixes: str) -> bool:
        """Say whether every difference is at one of these places."""
        return all(difference.place.startswith(prefixes) for difference in self.differences)


@dataclass(frozen=True)
class Deviation:
    """A difference that is meant, and how far it reaches.

    `reach` says what cannot be compared afterwards: nothing more than this hook, the rest of the
    session (its cookies differ now), or the rest of the group (the kept state differs now).
    """

    name: str
    reach: str
    explains: Callable[[Case], bool]


def state_names(invocation: Invocation, sdk: Outcome) -> list[str]:
    """Give the names, of user and address, that the SDK used as files of its state."""
    pattern = re.compile(r"(auth_cache/.*\.cache); soft timeout", re.DOTALL)
    names = [found[1] for line in sdk.log if (found := pattern.search(line))]
    cookie = sdk.member("cookie")
    if invocation.hook == "authorize" and isinstance(cookie, dict):
        names.append(f"limit/{invocation.arguments['client_ip']}_{cookie.get('username')}")
    return names


def _shares_state(case: Case) -> bool:
    """Recognise an entry of the cache, or of the limit, that another name shares."""
    decided = ("based on cached authentication", "due to connection limit", "Connection within")
    if not any(part in line for line in case.sdk.log for part in decided):
        return False
    used = state_names(case.invocation, case.sdk)
    shared = [case.history.files[posixpath.normpath(name)] for name in used]
    return any(len(names) > 1 and any(_traverses(name) for name in names) for names in shared)


def _traverses(name: str) -> bool:
    return name != posixpath.normpath(name)


def _no_state_file(case: Case) -> bool:
    ended = case.invocation.hook == "session_ended"
    quiet = case.ours.fault is None and case.ours.response is None
    return ended and quiet and case.sdk_raised("FileNotFoundError")


def _null_domain_raises(case: Case) -> bool:
    null = case.invocation.arguments.get("server_domain") is None
    raised = case.sdk_raised("AttributeError", "'NoneType' object has no attribute 'lower'")
    return case.asks_for_credentials() and null and raised and case.ours.fault is None


def _null_name_with_suffix(case: Case) -> bool:
    if case.sdk_raised("LocalCredentialStoreNotFound") and case.ours_is_closed():
        return any("asset=None." in line for line in case.sdk.log)
    cookie = case.sdk.member("cookie") or {}
    made_up = str(cookie.get("asset")).startswith("None.")
    fields = ("passwords", "private_keys", "cookie.account", "cookie.asset")
    return case.asks_for_credentials() and made_up and case.only_at(*fields)


def _other_key_type(case: Case) -> bool:
    if case.invocation.hook != "get_private_key_list" or case.ours.fault is not None:
        return False
    kinds = {kind for kind, _ in case.ours.member("private_keys") or []}
    return bool(kinds - set(KEY_TYPES)) and case.only_at("private_keys", "cookie.a")


def _foreign_cookie(case: Case) -> bool:
    return case.foreign_cookie and case.ours_is_closed()


def _authenticated_again(case: Case) -> bool:
    again = case.invocation.hook == "authenticate" and case.sdk_raised("KeyError", "saved_verdict")
    return again and case.ours_is_closed()


def _null_protocol(case: Case) -> bool:
    null = "protocol" in case.invocation.arguments and case.invocation.arguments["protocol"] is None
    return null and case.sdk_raised("AttributeError", "'lower'")


def _says(case: Case, *texts: str) -> bool:
    """Say whether ours refused for one of these reasons."""
    refused = case.ours.fault is not None and case.ours.fault.kind == UNUSABLE_STATUS
    said = any(text in line for text in texts for line in case.ours.log)
    return refused and case.ours_is_closed() and said


def _dollar_without_credential(case: Case) -> bool:
    return _says(case, "holds no password with the section as host")


def _dollar_without_store(case: Case) -> bool:
    return _says(case, "'$' needs [credential_store] name", "there is no credential store")


def _not_a_number(case: Case) -> bool:
    return _says(case, "timeout: expected a number")


def _control_character(case: Case) -> bool:
    return _says(case, "contains a control character")


def _stricter_about_percent(case: Case) -> bool:
    return _says(case, "a '%' must be written", "refers to an option that does not exist")


def _unknown_groups(case: Case) -> bool:
    unknown = case.invocation.arguments.get("gateway_groups") is None
    return unknown and case.sdk.member("gateway_groups") == [] and case.only_at("gateway_groups")


def _empty_protocol(case: Case) -> bool:
    protocols = case.setup.option("auth", "interactive_protocols")
    has_gap = protocols is not None and "" in (entry.strip() for entry in protocols.split(","))
    return has_gap and case.invocation.arguments.get("protocol") == ""


def _list_meant_otherwise(case: Case) -> bool:
    return _says(case, "expected entries separated by commas or line ends")


def _nobody_to_authorize(case: Case) -> bool:
    cookie = case.ours.member("cookie") or {}
    nobody = case.invocation.hook == "authorize" and not cookie.get("username")
    return nobody and case.ours.member("verdict") == "DENY"


def _limit_without_address(case: Case) -> bool:
    return _says(case, "the argument client_ip is needed here")


def _option_not_read(case: Case) -> bool:
    """Recognise a fault in an option that the SDK reads always, and this hook does not need."""
    fault = case.sdk.fault
    if fault is None or case.ours.fault is not None:
        return False
    sections = ("https_proxy", "https-proxy", "tls", "ignore_upn_suffix_for_rdp")
    values = [value for (section, _), value in case.setup.options.items() if section in sections]
    if fault.kind in ("LocalCredentialStoreNotFound", "RequiredConfigurationSettingNotFound"):
        return "$" in values
    if fault.kind.startswith("Interpolation"):
        return any("%" in value for value in values)
    return any(repr(section) in fault.message for section in sections)


def _ignored_outage(case: Case) -> bool:
    ignored = any("allowing connection without MFA" in line for line in case.sdk.log)
    return ignored and case.ours_is_closed()


def _remembered_elsewhere(case: Case) -> bool:
    """Recognise a use of the SDK's cache where ours has nothing: it remembers for one policy.

    What a whitelist or an outage let in is not an authentication to ours.
    """
    used = any("based on cached authentication" in line for line in case.sdk.log)
    ours = any("authenticated by authentication_cache" in line for line in case.ours.log)
    is_ours = case.invocation.hook == "authenticate" and case.ours.fault is None
    return used and not ours and is_ours


def _not_authenticated(case: Case) -> bool:
    reason = str(case.ours.member("additional_metadata"))
    denied = case.invocation.hook == "authorize" and case.ours.member("verdict") == "DENY"
    return denied and "the authentication of this session did not end in ACCEPT" in reason


def _unclear_name(case: Case) -> bool:
    """Recognise a user name that ours does not take, because it may be two people's."""
    denied = "the user name" in str(case.ours.member("additional_metadata"))
    return denied and case.ours_is_closed()


def _whitelist_is_not_remembered(case: Case) -> bool:
    """Recognise options of the cache that the SDK reads after a whitelist, and ours does not."""
    log = "\n".join(case.sdk.log)
    writes = "whitelisted based on" in log and "Updating authentication cache" in log
    return writes and case.sdk.fault is not None and case.ours.fault is None


def _spelt_exception(case: Case) -> bool:
    """Recognise an exception of a list of all users in another spelling: ours asks for a factor."""
    listed = any("whitelisted based on user list" in line for line in case.sdk.log)
    asked = any("authenticating user" in line for line in case.ours.log)
    waits = case.ours.member("verdict") == "NEEDINFO"
    return listed and (asked or waits or case.ours_is_closed())


def _no_excluded_group(case: Case) -> bool:
    """Recognise a whitelist of all users with an empty group: ours whitelists nobody."""
    section = "whitelist source=ldap_server_group"
    allow, groups = (case.setup.option(section, name) or "" for name in ("allow", "except"))
    has_gap = "" in (entry.strip() for entry in groups.split(","))
    listed = any("whitelisted based on ldap group" in line for line in case.sdk.log)
    return listed and has_gap and allow.strip().lower() == "all_users"


def _spaced_question(case: Case) -> bool:
    """Recognise a question of a server to which ours adds the blank before the answer."""
    theirs, ours = case.sdk.member("question"), case.ours.member("question")
    if not (isinstance(theirs, list) and isinstance(ours, list) and case.only_at("question")):
        return False
    same = theirs[0] == ours[0] and theirs[2:] == ours[2:]
    return same and ours[1] == " ".join(str(theirs[1]).splitlines()).rstrip() + " "


MEANT = [
    Deviation("a user name that may be two people's", "group", _unclear_name),
    Deviation("a whitelist is not remembered", "group", _whitelist_is_not_remembered),
    Deviation("an exception of all users spelt otherwise", "group", _spelt_exception),
    Deviation("an exception of all users without a group", "group", _no_excluded_group),
    Deviation("the blank behind a server's question", "hook", _spaced_question),
    Deviation("an outage that is not confirmed", "group", _ignored_outage),
    Deviation("slash in a user name", "group", _shares_state),
    Deviation("session_ended without a state file", "hook", _no_state_file),
    Deviation("null server_domain with a mapping", "session", _null_domain_raises),
    Deviation("null name with a domain suffix", "session", _null_name_with_suffix),
    Deviation("every SSH key type", "session", _other_key_type),
    Deviation("foreign cookie", "group", _foreign_cookie),
    Deviation("authenticate after it was completed", "session", _authenticated_again),
    Deviation("null protocol", "group", _null_protocol),
    Deviation("$ without a credential", "group", _dollar_without_credential),
    Deviation("$ without a credential store", "group", _dollar_without_store),
    Deviation("a time-out that is not a number", "group", _not_a_number),
    Deviation("control character in a name", "group", _control_character),
    Deviation("unusable % in an option that is read", "group", _stricter_about_percent),
    Deviation("an empty protocol and an empty entry", "group", _empty_protocol),
    Deviation("groups that nobody knows", "hook", _unknown_groups),
    Deviation("an entry of a list that was meant otherwise", "group", _list_meant_otherwise),
    Deviation("authorize without a user name", "group", _nobody_to_authorize),
    Deviation("connection limit without an address", "group", _limit_without_address),
    Deviation("option that the hook does not need", "group", _option_not_read),
    Deviation("a remembered authentication elsewhere", "group", _remembered_elsewhere),
    Deviation("authorize after no acceptance", "session", _not_authenticated),
]
CHECKED_IN_ONCE = "checked in once per check-out"
VALUE_NOT_PRINTED = "an unusable value is not printed"
# These do not show in a response: what the SDK does is counted, and ours is held to by its own
# tests (the first) or by what it prints (the second).
OBSERVED = (CHECKED_IN_ONCE, VALUE_NOT_PRINTED)


def explanation(case: Case) -> Deviation | None:
    """Find the meant deviation that explains the differences."""
    out_of_step = any(difference.place == "HTTP requests" for difference in case.differences)
    for deviation in MEANT:
        # Other requests mean other answers from here on, in every session of the group.
        if deviation.explains(case) and (deviation.reach == "group" or not out_of_step):
            return deviation
    return None


def refuses_value(sdk: Outcome) -> bool:
    """Say whether the SDK raises because of the configuration's unusable value, and repeats it."""
    return (
        sdk.fault is not None and sdk.fault.kind == _VALUE_ERROR and UNUSABLE in sdk.fault.message
    )


def prints_value(ours: Outcome) -> bool:
    """Say whether our messages repeat the unusable value."""
    return any(UNUSABLE in line for line in ours.log)
