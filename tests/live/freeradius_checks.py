"""The plugin against a real FreeRADIUS."""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from freeradius import SECRET, Server, free_udp_port, radclient
from support import Answer, Asked, Checks, Session, State, ask_servers, expect, manage, totp

checks = Checks()
UNREACHABLE = "Backend service unreachable"
COMMUNICATION_ERROR = "Communication Error"
KEY = "radius_password"
# The base32 of the users file, in bytes.
TINA = bytes.fromhex("48656c6c6f21deadbeef48656c6c6f21deadbeef")


class Site:
    """The server, and how the plugin is configured for it."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder)

    def session(
        self,
        user: str,
        server: str = "good",
        state: State | None = None,
        mfa: str = "",
        **options: str,
    ) -> Session:
        """Begin a session; a server is one of the manners, or an address, or several."""
        parts = [self.address(part.strip()) for part in server.split(",")]
        known = {"server": ", ".join(parts), "secret": SECRET, **options}
        lines = "".join(f"{name} = {value}\n" for name, value in known.items())
        return Session(f"[mfa]\nprovider = radius\n{mfa}\n[radius]\n{lines}", user, state)

    def address(self, name: str) -> str:
        """Return the address of a manner."""
        return self.server.address(name) if name in self.server.ports else name


def accepted(answer: Answer, by: str = "radius otp") -> None:
    """Expect an ACCEPT."""
    answer.accepted(by)


def denied(answer: Answer, piece: str, shown: str = "Authentication failed") -> None:
    """Expect a DENY whose reason for the operator has this piece."""
    answer.denied(shown)
    expect(piece in answer.metadata["reason"], f"expected {piece}", answer)


def code_in(asked: Answer) -> str:
    """Read the code that the server shows."""
    text = str(asked.response["question"][1])
    expect(text.startswith("The code is ") and text.endswith(" for once "), "the prompt", asked)
    return text.split()[3]


@checks.check
def servers_are_asked(site: Site) -> None:
    """check-config --online gets a signed answer, and tells silence from a port that is closed."""

    def asked(server: str, **options: str) -> Asked:
        quick = {"conn_retries": "1", "conn_timeout": "1", **options}
        return ask_servers(site.session("x", server, None, **quick).configuration, SECRET)

    # This version signs the answers to logins with a Message-Authenticator, and this one without.
    good = asked("good", conn_timeout="10")
    good.shows("Status-Server", "warning", "signed with the secret")
    expect(good.status == 0, "the status", good)
    wrong = asked("good", secret="an0ther-secret")
    wrong.shows("Status-Server", "warning", "has another secret for it")
    expect("an0ther-secret" not in wrong.text, "the secret is shown", wrong)
    closed = f"127.0.0.1:{free_udp_port()}"
    both = asked(f"{closed}, good", conn_timeout="10")
    both.shows("connection", "error", closed)
    both.shows("Status-Server", "warning", "signed with the secret")


@checks.check
def passwords(site: Site) -> None:
    """A password is accepted and a wrong one is not, with PAP and with CHAP."""
    for auth_type in ("pap", "chap"):
        accepted(site.session("alice", auth_type=auth_type).say("wonderland"))
        denied(site.session("alice", auth_type=auth_type).say("wonder"), "Hello, alice")
        denied(site.session("alice", auth_type=auth_type).say(""), "Hello, alice")
        denied(site.session("mallory", auth_type=auth_type).say("wonderland"), "rejects")


@checks.check
def reply_messages(site: Site) -> None:
    """A reject says why, in all of its messages."""
    denied(site.session("locked").say("x"), "Account locked until Monday")


@checks.check
def awkward_passwords(site: Site) -> None:
    """Passwords of 128 bytes and of any script arrive as they are, and longer ones are not cut."""
    long = "0123456789abcdef" * 8
    for auth_type in ("pap", "chap"):
        accepted(site.session("longpw", auth_type=auth_type).say(long))
        denied(site.session("longpw", auth_type=auth_type).say(long[:-1]), "rejects")
        denied(site.session("longpw", auth_type=auth_type).say(long + "x"), "128 bytes")
        accepted(site.session("utf8", auth_type=auth_type).say("pässwörd✓用户"))


@checks.check
def arrived(site: Site) -> None:
    """What arrives is what is documented, with the Message-Authenticator first."""
    site.server.arrived()
    accepted(site.session("alice", nas_identifier="sps1").say("wonderland"))
    requests = site.server.arrived()
    expect(len(requests) == 1, "one request", requests)
    names = [name for name, _ in requests[0]]
    wanted = ["Message-Authenticator", "User-Name", "User-Password"]
    wanted += ["NAS-Identifier", "NAS-Port-Type", "Calling-Station-Id"]
    expect([name for name in names if name in wanted] == wanted, "these in this order", names)
    values = dict(requests[0])
    expect(values["User-Name"] == "alice", "who", values)
    expect(values["User-Password"] == "wonderland", "the password", values)
    expect(values["NAS-Identifier"] == "sps1", "the NAS", values)
    expect(values["NAS-Port-Type"] == "Virtual", "the kind of port", values)
    expect(values["Calling-Station-Id"] == "127.0.0.1", "the client", values)


@checks.check
def names_of_their_own(site: Site) -> None:
    """Name and password for the server may be typed under their own keys."""
    answer = site.session("somebody").say("wonderland", "rp", ru="alice")
    accepted(answer, "radius otp of alice")


@checks.check
def challenge(site: Site) -> None:
    """A challenge is asked hidden, its answer counts once, and a wrong one is denied."""
    for auth_type in ("pap", "chap"):
        session = site.session("carol", auth_type=auth_type)
        asked = session.say("carol-pw").asked()
        expect(asked.response["question"][0] == KEY, "the key", asked)
        expect(asked.response["question"][2] is True, "no echo", asked)
        cookies = session.cookies
        accepted(session.say(code_in(asked), KEY))
        session.cookies = cookies
        site.server.arrived()
        denied(session.say(code_in(asked), KEY), "no such challenge")
        expect(site.server.arrived() == [], "the server is not asked")
        session = site.session("carol", auth_type=auth_type)
        code = code_in(session.say("carol-pw").asked())
        cookies = session.cookies
        denied(session.say(f"{(int(code) + 1) % 10**6:06}", KEY), "rejects")
        session.cookies = cookies
        denied(session.say(code, KEY), "no such challenge")
        denied(site.session("carol", auth_type=auth_type).say("wrong"), "rejects")


@checks.check
def foreign_challenge(site: Site) -> None:
    """A challenge is no other session's."""
    session = site.session("carol")
    code = code_in(session.say("carol-pw").asked())
    other = site.session("carol", state=session.state)
    other.say("carol-pw").asked()
    other.cookies["cookie"]["state"] = session.cookies["cookie"]["state"]
    denied(other.say(code, KEY), "no such challenge")
    accepted(session.say(code, KEY))


@checks.check
def time_code(site: Site) -> None:
    """A code of RFC 6238 answers a challenge, shown as it is typed."""
    session = site.session("tina")
    asked = session.say("tina-pw").asked()
    expect(asked.response["question"] == [KEY, "Code of the app ", False], "the question", asked)
    # The server takes the code of this very time step only.
    if time.time() % 30 > 25:
        time.sleep(30 - time.time() % 30)
    accepted(session.say(totp(TINA), KEY))
    session = site.session("tina")
    session.say("tina-pw").asked()
    denied(session.say(totp(TINA, 1000), KEY), "rejects")


@checks.check
def several_rounds(site: Site) -> None:
    """A new PIN is asked for twice, and has to be the same."""
    for again, verdict in (("4321", "ACCEPT"), ("4322", "DENY")):
        session = site.session("nora")
        expect(session.say("nora-pw").response["question"][1] == "New PIN ", "the first question")
        asked = session.say("4321", KEY)
        expect(asked.response["question"][1] == "New PIN again ", "the second question", asked)
        answer = session.say(again, KEY)
        expect(answer.verdict == verdict, f"expected {verdict}", answer)


@checks.check
def push(site: Site) -> None:
    """A push is asked about with Enter until the phone has answered."""
    for verdict in ("approve", "deny"):
        site.server.push("peter", "")
        session = site.session("peter")
        session.say("peter-pw").asked()
        for _ in range(2):
            asked = session.say("", KEY).asked()
            expect(asked.response["question"][1] == "Press Enter once confirmed ", "text", asked)
        site.server.push("peter", verdict)
        answer = session.say("", KEY)
        if verdict == "approve":
            accepted(answer, "radius push")
        else:
            denied(answer, "Push denied")


@checks.check
def message_authenticator(site: Site) -> None:
    """Replies with a Message-Authenticator in any place are taken, and those without are not."""
    accepted(site.session("alice", "last").say("wonderland"))
    legacy = site.session("alice", "legacy", ignore_connection_error="yes").say("wonderland")
    denied(legacy, "no Message-Authenticator", COMMUNICATION_ERROR)
    lax = site.session("alice", "legacy", require_message_authenticator="no").say("wonderland")
    accepted(lax)
    expect("require_message_authenticator=no" in lax.log, "a warning", lax)


@checks.check
def wrong_secret(site: Site) -> None:
    """With another secret the server is silent, and reason and log say what that may mean."""
    for manner in ("good", "legacy"):
        session = site.session("alice", manner, secret="another", conn_timeout="0.5")
        answer = session.say("wonderland")
        denied(answer, "where its secret for this client is another", UNREACHABLE)
        expect("or its secret" in answer.log, "the log names the secret", answer)
    expect("Message-Authenticator" in site.server.log(), "the server says so", site.server.log())


@checks.check
def silent(site: Site) -> None:
    """A server that never answers sees one request, however often it is sent."""
    site.server.arrived()
    session = site.session("alice", "silent", conn_timeout="0.3", conn_retries="3")
    began = time.monotonic()
    denied(session.say("wonderland"), "no answer", UNREACHABLE)
    expect(time.monotonic() - began >= 0.9, "three times 0.3 seconds")
    requests = site.server.arrived()
    expect(len(requests) == 1, "one request", requests)


@checks.check
def slow(site: Site) -> None:
    """A server that takes longer than a time-out takes the second request for the first."""
    site.server.arrived()
    session = site.session("alice", "slow", conn_timeout="0.7", conn_retries="10")
    accepted(session.say("wonderland"))
    requests = site.server.arrived()
    expect(len(requests) == 1, "one request", requests)


@checks.check
def failover(site: Site) -> None:
    """The next server is asked where nothing listens, and not after a silent one that is up."""
    nobody = f"127.0.0.1:{free_udp_port()}"
    state = State()
    accepted(site.session("alice", f"{nobody}, good", state).say("wonderland"))
    accepted(site.session("alice", f"{nobody}, good", state).say("wonderland"))
    denied(site.session("alice", nobody).say("wonderland"), "no answer", UNREACHABLE)
    options = {"conn_timeout": "0.3", "conn_retries": "1"}
    state = State()
    site.server.arrived()
    # The server answers Status-Server, whatever is made of a login.
    for _ in range(2):
        answer = site.session("alice", "silent, good", state, **options).say("wonderland")
        denied(answer, "no answer", UNREACHABLE)
    requests = [dict(request).get("User-Name") for request in site.server.arrived()]
    expect(requests.count("alice") == 2, "one request for each login", requests)
    site.server.arrived()
    state = State()
    # Bound and never read: FreeRADIUS answers Status-Server even where it ignores a login.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        both = f"127.0.0.1:{listener.getsockname()[1]}, good"
        first = site.session("alice", both, state, **options).say("wonderland")
        denied(first, "no answer", UNREACHABLE)
        accepted(site.session("alice", both, state, **options).say("wonderland"))
    # Beside the login there is the question that proves that the server answers unknown users too.
    requests = [dict(request).get("User-Name") for request in site.server.arrived()]
    expect(requests.count("alice") == 1, "the second login goes to the other server", requests)
    denied(site.session("alice", "good, last").say("wrong"), "Hello")


@checks.check
def realm_that_is_down(site: Site) -> None:
    """Somebody of a realm whose home server is down is denied, and marks nothing down."""
    quick = {"conn_timeout": "0.5", "conn_retries": "2"}
    for mfa, options, servers in (
        ("", {"ignore_connection_error": "yes"}, "proxy"),
        ("fallback = local", {}, "proxy"),
        ("", {}, "proxy, good"),
    ):
        state = State()
        # Right for the fallback, and wrong at the server.
        for user in ("alice@partner.example", "alice"):
            manage(state, "", f"enroll --type spass --user {user} --pin local-pw")
        for password in ("wonderland", "local-pw"):
            session = site.session("alice@partner.example", servers, state, mfa, **quick, **options)
            denied(session.say(password), "no answer", UNREACHABLE)
        patient = {"conn_timeout": "10", **options}
        accepted(site.session("alice", servers, state, mfa, **patient).say("wonderland"))
        denied(
            site.session("alice", servers, state, mfa, **patient).say("local-pw"), "Hello, alice"
        )
    # The fallback would have let both in.
    closed = f"127.0.0.1:{free_udp_port()}"
    for user in ("alice@partner.example", "alice"):
        accepted(
            site.session(user, closed, state, "fallback = local", **quick).say("local-pw"), "local"
        )


@checks.check
def killed(site: Site) -> None:
    """A server that goes away in mid-dialogue is an outage, and the dialogue is over."""
    session = site.session("carol", conn_timeout="0.3", conn_retries="2")
    code = code_in(session.say("carol-pw").asked())
    cookies = session.cookies
    site.server.stop()
    try:
        denied(session.say(code, KEY), "no answer", UNREACHABLE)
        outage = site.session("alice", ignore_connection_error="yes").say("wonderland")
        accepted(outage, "ignore_connection_error")
    finally:
        site.server.start()
    session.cookies = cookies
    denied(session.say(code, KEY), "no such challenge")
    session = site.session("carol")
    session.say("carol-pw").asked()
    site.server.stop()
    site.server.start()
    # The server has forgotten its State.
    denied(session.say(code, KEY), "rejects")


@checks.check
def ipv6(site: Site) -> None:
    """A server is asked over IPv6 too."""
    accepted(site.session("alice", f"[::1]:{site.server.ipv6_port}").say("wonderland"))


@checks.check
def another_client(site: Site) -> None:
    """Debian's own client gets the same answers, so it is no matter of ours."""
    pairs = "User-Name=alice,User-Password={},Message-Authenticator=0x00"
    server = site.server.address("good")
    expect("Access-Accept" in radclient(server, SECRET, pairs.format("wonderland")), "an accept")
    expect("Access-Reject" in radclient(server, SECRET, pairs.format("wonder")), "a reject")


def main() -> int:
    """Run all checks."""
    with tempfile.TemporaryDirectory(prefix="sps-radius-") as folder:
        site = Site(Path(folder))
        has_ipv6 = site.server.ipv6_port is not None
        if not has_ipv6:
            print("SKIPPED: RADIUS over IPv6, because this machine has no ::1")

        def applies(function: Any) -> bool:
            return has_ipv6 or function is not ipv6

        try:
            return checks.run(site, applies)
        finally:
            site.server.stop()


if __name__ == "__main__":
    sys.exit(main())
