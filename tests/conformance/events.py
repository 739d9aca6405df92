"""What really happened in a run, read from the SDK's side, and how much of it there has to be.

A comparison of sessions that all end in the same denial proves nothing. So each road is counted,
and a run in which one was hardly walked is a failure.
"""

from collections import Counter
from collections.abc import Iterator

from common_setup import Setup
from credential_setup import OWN_STORE
from wire import AA, Invocation, Outcome

# Part of a line that the SDK logs, or that the reference notes: what it stands for.
LOGGED = {
    "whitelisted based on user list": "accepted by user list",
    "whitelisted based on ldap group": "accepted by LDAP group",
    "Could not check LDAP group whitelist": "LDAP whitelist failed softly",
    "based on cached authentication": "accepted from the cache",
    "Authentication cache hard timeout": "cache: hard timeout",
    "Authentication cache soft timeout": "cache: soft timeout",
    "Authentication cache reuse limit reached": "cache: reuse limit",
    "No cache update": "cache: not refreshed by itself",
    "No username identified": "denied without a user name",
    "with OTP": "asked the service: otp",
    "with PUSH": "asked the service: push",
    "allowing connection without MFA": "accepted though unreachable",
    "Connection within limit": "within the connection limit",
    "due to connection limit": "connection limit reached",
    "Disconnecting limit": "connection given back",
    "mapped explicitly": "mapped explicitly",
    "mapped by LDAP": "mapped by LDAP",
    "User mapping is not possible": "LDAP mapping failed softly",
    "domain appended": "domain appended",
    "suffix removed": "UPN suffix removed",
    "suffix kept": "UPN suffix kept",
    "$ resolved": "$ resolved",
    "$ without": "$ without a credential",
    "Found passwords": "password found",
    "Found private_keys": "private key found",
    "No passwords for": "asset without a password",
    "No private_keys for": "asset without a private key",
    "No matching method": "unknown asset generator",
    "failed for the previous check out": "checked in before the next check-out",
    "Postpone check-in": "check-in postponed",
    "as it was postponed": "checked in at session_ended",
    "as it was missed": "checked in at session_ended, missed before",
    "does not support fetching TOTP": "TOTP not supported",
}

# The least that a run of 2,000 sessions has to show.
LEAST: dict[str, int] = {
    "another plugin wrote": 100,
    "$ resolved": 390,
    "$ without a credential": 3,
    "LDAP mapping failed softly": 25,
    "LDAP whitelist failed softly": 25,
    "SDK raised": 70,
    "SDK raised FileNotFoundError": 2,
    "SDK raised, by mistake in the configuration": 20,
    "TOTP not supported": 25,
    "UPN suffix kept": 70,
    "UPN suffix removed": 20,
    "accepted by LDAP group": 20,
    "accepted by user list": 30,
    "accepted from the cache": 20,
    "accepted though unreachable": 8,
    "asked by the plugin": 180,
    "asked by the service": 110,
    "asked the service past a proxy": 30,
    "asked the service: otp": 190,
    "asked the service: push": 130,
    "asset without a password": 240,
    "asset without a private key": 230,
    "authenticate: ACCEPT": 250,
    "authenticate: DENY": 140,
    "authenticate: NEEDINFO": 300,
    "authorize: ACCEPT": 250,
    "authorize: DENY": 10,
    "cache: hard timeout": 15,
    "cache: not refreshed by itself": 20,
    "cache: reuse limit": 2,
    "cache: soft timeout": 7,
    "check-in postponed": 90,
    "checked in at authentication_completed": 9,
    "checked in at session_ended": 60,
    "checked in at session_ended, missed before": 25,
    "checked in before the next check-out": 90,
    "connection given back": 80,
    "connection limit reached": 10,
    "denied without a user name": 30,
    "denied: Authentication failed": 15,
    "denied: Backend service unreachable": 25,
    "denied: Communication Error": 30,
    "denied: N/A": 50,
    "domain appended": 40,
    "found by domain_asset_mapping": 7,
    "found by server_domain": 7,
    "found by server_domain with suffix": 6,
    "found by server_hostname": 8,
    "found by server_hostname with suffix": 10,
    "found by server_ip": 40,
    "found in our own store": 20,
    "gateway user changed": 140,
    "mapped by LDAP": 10,
    "mapped explicitly": 40,
    "nothing found": 240,
    "password found": 70,
    "private key found": 30,
    "question answered": 110,
    "question asked": 90,
    "restarted": 90,
    "remote app: found": 9,
    "remote app: more is needed": 15,
    "remote app: nothing found": 50,
    "service: 5xx": 10,
    "service: accept": 130,
    "service: closed": 6,
    "service: deny": 20,
    "service: deny with reason": 15,
    "service: html": 6,
    "service: json nonsense": 7,
    "service: needinfo": 20,
    "service: needinfo with state": 30,
    "service: not json": 6,
    "service: other status": 10,
    "state sent": 30,
    "unknown asset generator": 30,
    "within the connection limit": 80,
}


def events(setup: Setup, invocation: Invocation, sdk: Outcome) -> Iterator[str]:
    """Name everything of interest in one call."""
    for line in sdk.log:
        yield from (event for part, event in LOGGED.items() if part in line)
    for request in sdk.requests:
        yield f"service: {request.answer}"
    if sdk.fault is not None:
        yield f"SDK raised {sdk.fault.kind}"
        yield ("SDK raised, by mistake in the configuration" if setup.mistaken else "SDK raised")
    elif setup.plugin == AA:
        yield from _aa_events(invocation, sdk)
    else:
        yield from _credential_events(setup, invocation, sdk)
    if setup.option("https-proxy", "server") or setup.option("https_proxy", "server"):
        yield from ("asked the service past a proxy" for _ in sdk.requests)


def _aa_events(invocation: Invocation, sdk: Outcome) -> Iterator[str]:
    verdict = sdk.member("verdict")
    if verdict is None:
        return
    yield f"{invocation.hook}: {verdict}"
    if verdict == "DENY" and invocation.hook == "authenticate":
        yield f"denied: {sdk.member('reason')}"
    if verdict == "NEEDINFO":
        yield "asked by the service" if sdk.requests else "asked by the plugin"
        if not sdk.requests and sdk.member("question")[0] != "otp":
            yield "question asked"
    if sdk.member("gateway_user") is not None:
        yield "gateway user changed"
    told = (invocation.arguments["session_cookie"].get("questions") or {}).keys()
    known = (sdk.member("session_cookie").get("questions") or {}).keys()
    if known - told:
        yield "question answered"
    if invocation.hook == "authenticate" and "state" in invocation.arguments["cookie"]:
        yield from ("state sent" for _ in sdk.requests)


def _credential_events(setup: Setup, invocation: Invocation, sdk: Outcome) -> Iterator[str]:
    arguments = invocation.arguments
    match invocation.hook:
        case "get_password_list" | "get_private_key_list":
            asset = sdk.member("cookie").get("asset")
            if asset is None:
                yield "nothing found"
                return
            if OWN_STORE in setup.appliance:
                yield "found in our own store"
            suffix = setup.option("assets", "domain_suffix")
            for place in ("server_hostname", "server_ip", "server_domain"):
                if arguments[place] is None:
                    continue
                if asset == arguments[place]:
                    yield f"found by {place}"
                elif suffix and asset == f"{arguments[place]}.{suffix}":
                    yield f"found by {place} with suffix"
            if asset == setup.option("domain_asset_mapping", str(arguments["server_domain"])):
                yield "found by domain_asset_mapping"
        case "get_remote_app_credentials":
            if sdk.member("need_info"):
                yield "remote app: more is needed"
            else:
                found = sdk.member("passwords")
                yield "remote app: found" if found else "remote app: nothing found"
        case "authentication_completed":
            if "checked in" in sdk.log:
                yield "checked in at authentication_completed"


class CheckOuts:
    """Counts where the SDK gives a credential back twice, or not at all."""

    def __init__(self) -> None:
        self._out = False

    def faults(self, hook: str, sdk: Outcome) -> int:
        """Follow one call of a session; give the number of faults in it."""
        faults = 0
        for line in sdk.log:
            if line == "checked in":
                faults += not self._out
                self._out = False
            elif line.startswith("Found "):
                self._out = True
        if hook == "get_remote_app_credentials" and sdk.member("passwords"):
            self._out = True
        if hook == "session_ended" and sdk.fault is None:
            faults += self._out
            self._out = False
        return faults


def missing(counts: Counter[str], sessions: int) -> list[str]:
    """List the events that were met less often than a run of this size has to."""
    return [
        f"{event}: {counts[event]} of at least {least}"
        for event, at_2000 in LEAST.items()
        if counts[event] < (least := at_2000 * sessions // 2000)
    ]
