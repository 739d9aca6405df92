"""The plugin against a real eduMFA or privacyIDEA: family_checks.py edumfa|privacyidea."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from family import FAMILIES, Api, Phone, Server
from support import (
    Answer,
    Authority,
    Checks,
    Session,
    State,
    ask_servers,
    expect,
    free_port,
    hotp,
    indented,
    manage,
    totp,
    written,
)

checks = Checks()
UNREACHABLE = "Backend service unreachable"


class Token:
    """A HOTP token in somebody's hand."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.counter = 0

    def code(self) -> str:
        """Return the next code."""
        self.counter += 1
        return hotp(self.secret, self.counter - 1)


class Site:
    """The server with its users, and how the plugin is configured for it."""

    # What one check makes and later ones use.
    alice: Token
    bob: bytes
    carol: Token
    dave: Phone
    has_machines = False

    def __init__(self, name: str, folder: Path) -> None:
        self.family = FAMILIES[name]
        self.folder = folder
        self.server = Server(self.family, folder)
        self.port = self.server.start(free_port())
        self.api = api = Api(self.server, self.port)
        users = "alice bob carol fiona flora frank fred gina gwen hal hanna hugo rob tessa"
        api.realm("realm1", users.split())
        api.realm("realm2", ["dave", "erin", "ivan", "judy"])
        api.post("/defaultrealm/realm1")
        push = self.family.push
        api.policy("challenge", "authentication", "challenge_response=hotp totp")
        if push == "push":
            api.policy("poll", "authentication", "push_allow_polling=allow")
        action = [f"{push}_firebase_configuration=poll only", f"{push}_ssl_verify=0"]
        action += [f"{push}_registration_url={api.base}/ttype/{push}"]
        api.policy("push", "enrollment", ", ".join(action))

    def token(self, serial: str, user: str, pin: str, realm: str = "realm1") -> Token:
        """Enrol a HOTP token."""
        return Token(self.api.hotp(serial, user, realm, pin))

    def url(self) -> str:
        """Return the server's address."""
        return f"http://127.0.0.1:{self.port}"

    def configure(self, server_url: str = "", **options: str) -> str:
        """Write a configuration; options named section__option go elsewhere."""
        name = self.family.name
        sections: dict[str, dict[str, str]] = {
            "mfa": {"provider": name},
            name: {"server_url": server_url or self.url(), "poll_interval": "0.2", "timeout": "60"},
        }
        for option, value in options.items():
            section, _, rest = option.rpartition("__")
            sections.setdefault(section or name, {})[rest] = value
        return written(sections)

    def session(self, user: str, **options: str) -> Session:
        """Begin a session with the usual configuration, and with nothing kept from before."""
        return Session(self.configure(**options), user)

    def session_with(self, state: State, user: str, **options: str) -> Session:
        """Begin a session with what others kept."""
        return Session(self.configure(**options), user, state)

    def while_down(self, action: Callable[[], object]) -> None:
        """Do something while the server is down."""
        self.server.stop(self.port)
        try:
            action()
        finally:
            self.server.start(self.port)
            # Its first answer takes longer than those that follow.
            self.api.fail_counter("HA1")


def with_phone(session: Session, otp: str, phone: Phone, confirm: bool) -> Answer:
    """Make a call while the phone answers."""
    process = session.start(otp)
    answered: list[int] = []
    problem: list[BaseException] = []

    def hold() -> None:
        try:
            answered.append(phone.answer(confirm, lambda: process.poll() is not None))
        except BaseException as error:  # raised below, in the thread that can
            problem.append(error)

    hand = threading.Thread(target=hold)
    hand.start()
    answer = session.finish(process)
    hand.join()
    if problem:
        raise problem[0]
    expect(answered[0] > 0, "no challenge came to the phone", answer)
    return answer


def only(name: str) -> Callable[[Any], Any]:
    """Mark a check as one family's."""

    def mark(function: Any) -> Any:
        function.family = name
        return function

    return mark


@checks.check
def codes(site: Site) -> None:
    """PIN and code are accepted once; a wrong code and a wrong PIN are not."""
    token, name = site.token("HA1", "alice", "alicepin"), site.family.name
    otp = "alicepin" + token.code()
    site.session("alice").say(otp).accepted(f"{name} otp", "HA1")
    site.session("alice").say(otp).denied()
    site.session("alice").say("alicepin000000").denied()
    site.session("alice").say("wrongpin" + token.code()).denied()
    site.session("alice@realm1").say("alicepin" + token.code()).accepted(f"{name} otp")
    site.session("alice", realm="realm2").say("alicepin" + token.code()).denied()
    site.session("alice", realm="realm1").say("alicepin" + token.code()).accepted(f"{name} otp")
    site.alice = token


@checks.check
def time_codes(site: Site) -> None:
    """A code of a TOTP token is accepted once."""
    secret = site.api.hotp("TB1", "bob", "realm1", "bobpin", kind="totp")
    otp = "bobpin" + totp(secret)
    site.session("bob").say(otp).accepted(f"{site.family.name} otp", "TB1")
    site.session("bob").say(otp).denied()
    site.bob = secret


@checks.check
def imported(site: Site) -> None:
    """Tokens that the server exports as PSKC are imported with all that their codes depend on."""
    counted = site.api.hotp("HE1", "alice", "realm1", "pin")
    timed = secrets.token_bytes(32)
    more = {"otpkey": timed.hex(), "genkey": 0, "otplen": 8, "hashlib": "sha256", "timeStep": 60}
    site.api.enrol("TE1", "alice", "realm1", "totp", "pin", **more)
    site.session("alice").say("pin" + hotp(counted, 0)).accepted(f"{site.family.name} otp", "HE1")
    key, document = site.server.export(["HE1", "TE1"])
    (site.folder / "psk").write_text(key)
    (site.folder / "export.xml").write_text(document)
    state = State()
    files = f"{site.folder}/export.xml --psk-file {site.folder}/psk"
    manage(state, "", f"import {files}")
    lines = manage(state, "", "export --secrets").splitlines()
    shown = {token["serial"]: token for token in map(json.loads, lines)}
    for serial, members in {
        "HE1": {"type": "hotp", "counter": 1, "digits": 6, "algorithm": "sha1"},
        "TE1": {"type": "totp", "period": 60, "digits": 8, "algorithm": "sha256"},
    }.items():
        for member, value in members.items():
            expect(shown[serial][member] == value, member, shown[serial])
    expect(shown["HE1"]["secret_hex"] == counted.hex(), "the key", shown["HE1"])
    expect(shown["TE1"]["secret_hex"] == timed.hex(), "the key", shown["TE1"])


@checks.check
def awkward_password(site: Site) -> None:
    """A password of percent signs, quotes and letters of any script arrives as it is."""
    pin = 'p%41+b"ä\\用 &=;'
    site.api.enrol("SP1", "tessa", "realm1", "spass", pin)
    site.session("tessa").say(pin).accepted(f"{site.family.name} otp", "SP1")
    site.session("tessa").say(pin.replace("%41", "A")).denied()


@checks.check
def unknown_user(site: Site) -> None:
    """An unknown user or realm is a denial, and no outage that could be ignored."""
    for user in ("nobody", "alice@nowhere", "dave@realm1"):
        site.session(user, ignore_connection_error="yes").say("x123456").denied()


@checks.check
def challenge(site: Site) -> None:
    """A PIN alone is a challenge, which the code alone answers, once."""
    session = site.session("alice")
    asked = session.say("alicepin").asked()
    expect(asked.state["transaction_id"].isdecimal(), "expected the id as a text of digits", asked)
    session.say("000000").denied()
    cookies = session.cookies
    otp = site.alice.code()
    session.say(otp).accepted(f"{site.family.name} otp", "HA1")
    session.cookies = cookies
    session.say(otp).denied()
    session.cookies = cookies
    session.say(site.alice.code()).denied()
    session = site.session("alice")
    session.say("alicepin").asked()
    session.say("").denied()
    site.session("alice").say("alicepin" + site.alice.code()).accepted(f"{site.family.name} otp")


@checks.check
def challenge_of_another_user(site: Site) -> None:
    """A challenge is good for its own user only."""
    site.carol = site.token("HC1", "carol", "carolpin")
    session = site.session("alice")
    asked = session.say("alicepin").asked()
    other = site.session("carol")
    other.say("carolpin").asked()
    other.cookies["cookie"]["state"] = asked.state
    other.say(site.alice.code()).denied()
    site.session("alice").say("alicepin" + site.alice.code()).accepted(f"{site.family.name} otp")


@checks.check
def locked(site: Site) -> None:
    """A token with ten failures is locked, also for the right code, and that is a denial."""
    for _ in range(20):
        if site.api.fail_counter("HC1") >= 10:
            break
        site.session("carol").say("carolpin000000").denied()
    expect(
        site.api.fail_counter("HC1") == 10, "expected ten failures", site.api.fail_counter("HC1")
    )
    relaxed = {"ignore_connection_error": "yes"}
    site.session("carol", **relaxed).say("carolpin" + site.carol.code()).denied()
    site.session("carol", **relaxed).say("carolpin").denied()
    site.api.post("/token/reset", serial="HC1")
    site.session("carol").say("carolpin" + site.carol.code()).accepted(f"{site.family.name} otp")


@checks.check
def disabled(site: Site) -> None:
    """A disabled token is denied until it is enabled."""
    token = site.token("HG1", "gina", "ginapin")
    site.api.post("/token/disable", serial="HG1")
    site.session("gina").say("ginapin" + token.code()).denied()
    site.api.post("/token/enable", serial="HG1")
    site.session("gina").say("ginapin" + token.code()).accepted(f"{site.family.name} otp")


@checks.check
def revoked(site: Site) -> None:
    """A revoked token is denied, and that is no outage."""
    token = site.token("HR1", "rob", "robpin")
    site.session("rob").say("robpin" + token.code()).accepted(f"{site.family.name} otp")
    site.api.post("/token/revoke", serial="HR1")
    relaxed = {"ignore_connection_error": "yes"}
    site.session("rob", **relaxed).say("robpin" + token.code()).denied()


@checks.check
def push(site: Site) -> None:
    """A push is accepted when the phone confirms, denied when it declines or says nothing."""
    phone = site.api.phone("PD1", "dave", "realm2", "pushpin")
    site.dave, by = phone, f"{site.family.name} push"
    with_phone(site.session("dave@realm2"), "pushpin", phone, True).accepted(by, "PD1")
    with_phone(site.session("dave@realm2"), "pushpin", phone, False).denied()
    short = {"plugin__time_budget": "5", "ignore_connection_error": "yes"}
    answer = site.session("dave@realm2", **short).say("pushpin").denied()
    expect("in time" in answer.metadata["reason"], "expected it to be too late", answer)


@checks.check
def push_or_code(site: Site) -> None:
    """Where code and push are offered, a code answers and Enter waits for the phone."""
    token, name = site.token("HI1", "ivan", "ivanpin", "realm2"), site.family.name
    phone = site.api.phone("PI1", "ivan", "realm2", "ivanpin")
    session = site.session("ivan@realm2")
    expect(session.say("ivanpin").asked().state["poll"], "expected a push")
    session.say(token.code()).accepted(f"{name} otp", "HI1")
    for confirm in (True, False):
        session = site.session("ivan@realm2")
        session.say("ivanpin").asked()
        answer = with_phone(session, "", phone, confirm)
        if confirm:
            answer.accepted(f"{name} push", "PI1")
        else:
            answer.denied()


@checks.check
def push_by_nothing(site: Site) -> None:
    """An empty password starts the push of a token without a PIN."""
    phone = site.api.phone("PJ1", "judy", "realm2", "")
    session = site.session("judy@realm2")
    with_phone(session, "", phone, True).accepted(f"{site.family.name} push", "PJ1")
    with_phone(site.session("judy@realm2"), "", phone, False).denied()


@checks.check
def trigger(site: Site) -> None:
    """A challenge that is triggered lets nobody in until it is answered."""
    options = {"trigger": "on_empty", "trigger_token": site.api.token}
    session = site.session("alice", **options)
    session.say("").asked()
    cookies = session.cookies
    session.say("").denied()
    session.cookies = cookies
    session.say(site.alice.code()).accepted(f"{site.family.name} otp", "HA1")
    site.session("nobody", **options).say("").denied()
    bad = {**options, "trigger_token": "no.such.token"}
    site.session("alice", **bad).say("").denied("Communication Error")
    with_phone(site.session("dave@realm2", **options), "", site.dave, True).accepted(
        f"{site.family.name} push", "PD1"
    )


@checks.check
def key_required(site: Site) -> None:
    """Where the server wants an API key, nobody gets in without it."""
    arguments = ["api", "createtoken", "-r", "validate"]
    arguments += ["-f", "-u", "validator"] if site.family.name == "edumfa" else ["-u", "validator"]
    out = site.server.manage(*arguments)
    key = next(word for word in out.split() if word.count(".") == 2 and len(word) > 100)
    site.api.policy("key", "authorization", "api_key_required")
    try:
        relaxed = {"ignore_connection_error": "yes"}
        answer = site.session("alice", **relaxed).say("alicepin" + site.alice.code())
        expect(answer.verdict == "DENY", "expected a DENY", answer)
        ok = site.session("alice", api_key=key).say("alicepin" + site.alice.code())
        ok.accepted(f"{site.family.name} otp", "HA1")
        confirmed = with_phone(site.session("dave@realm2", api_key=key), "pushpin", site.dave, True)
        confirmed.accepted(f"{site.family.name} push", "PD1")
    finally:
        site.api.delete("/policy/key")


@checks.check
def servers_are_asked(site: Site) -> None:
    """check-config --online tells a token that the server made from another, and of whom it is."""
    arguments = ["api", "createtoken", "-r", "validate"]
    arguments += ["-f", "-u", "asked"] if site.family.name == "edumfa" else ["-u", "asked"]
    out = site.server.manage(*arguments)
    key = next(word for word in out.split() if word.count(".") == 2 and len(word) > 100)
    trigger = {"trigger": "on_empty", "trigger_token": site.api.token}
    asked = ask_servers(site.configure(api_key=key, **trigger), key)
    asked.well("GET auth/rights", "api_key", "trigger_token", "POST validate/check user")
    head, _, signature = key.rpartition(".")
    forged = f"{head}.{signature[::-1]}"
    asked = ask_servers(site.configure(api_key=forged, **trigger), forged)
    asked.shows("api_key", "error", "none that this server made").shows("trigger_token", "ok")
    asked = ask_servers(site.configure(**{**trigger, "trigger_token": key}), key)
    asked.shows("trigger_token", "error", "no administrator")
    asked = ask_servers(site.configure(f"{site.url()}/nowhere"))
    asked.shows("GET auth/rights", "error", "server's root")
    down = f"http://127.0.0.1:{free_port()}"
    ask_servers(site.configure(f"{down},{site.url()}")).shows("connection", "error")


@checks.check
@only("edumfa")
def four_eyes(site: Site) -> None:
    """A four-eyes chain goes on with a new id at each step, and ends with the last right answer."""
    site.api.enrol("FE1", "erin", "realm2", "4eyes", "", **{"4eyes": "realm1:2", "separator": " "})
    session = site.session("erin@realm2")
    ids = [session.say("").asked().state["transaction_id"]]
    ids.append(session.say("alicepin" + site.alice.code()).asked().state["transaction_id"])
    expect(ids[0] != ids[1], "expected a new id", ids)
    session.say("alicepin" + site.alice.code()).denied()
    session.say("garbage").denied()
    session.say("carolpin" + site.carol.code()).accepted("edumfa otp", "FE1")
    session = site.session("erin@realm2")
    session.say("carolpin" + site.carol.code()).asked()
    session.say("alicepin" + site.alice.code()).accepted("edumfa otp", "FE1")


@checks.check
def killed(site: Site) -> None:
    """A server that is killed in mid-dialogue lets nobody in; when it is back, it goes on."""
    session = site.session("alice")
    session.say("alicepin").asked()
    otp = site.alice.code()

    def down() -> None:
        session.say(otp).denied(UNREACHABLE)

    site.while_down(down)
    session.say(otp).accepted(f"{site.family.name} otp", "HA1")


@checks.check
def killed_in_push(site: Site) -> None:
    """A server that is killed while a push is waited for lets nobody in."""
    session = site.session("dave@realm2")
    before = site.dave.nonces()
    process = session.start("pushpin")
    while not site.dave.nonces() - before:
        expect(process.poll() is None, "it ended before a challenge came to the phone")
    site.while_down(lambda: session.finish(process).denied(UNREACHABLE))


@checks.check
def forwarded(site: Site) -> None:
    """A local forward token has its PIN here and its code at the server, at once or later."""
    name, token = site.family.name, site.token("LF1", "hanna", "")
    state = State()
    local = site.configure(mfa__provider="local", ignore_connection_error="yes")
    manage(
        state,
        local,
        f"enroll --type forward --serial FW1 --user fay --pin 1357 --target {name}:LF1",
    )

    def say(otp: str) -> Answer:
        return Session(local, "fay", state).say(otp)

    code = token.code()
    say("1357" + code).accepted("local", f"FW1,{name}:LF1")
    say("1357" + code).denied()
    say("1357000000").denied()
    failures = site.api.fail_counter("LF1")
    say("2468" + token.code()).denied()
    say(token.code()).denied()
    expect(site.api.fail_counter("LF1") == failures, "expected that the server was not asked")
    session = Session(local, "fay", state)
    session.say("1357").asked()
    session.say(token.code()).accepted("local", f"FW1,{name}:LF1")
    site.while_down(lambda: say("1357" + token.code()).denied(UNREACHABLE))
    # It is asked again two seconds after a refusal.
    time.sleep(2.1)
    say("1357" + token.code()).accepted("local", f"FW1,{name}:LF1")
    phone = site.api.phone("LP1", "hanna", "realm1", "")
    manage(state, local, f"assign FW1 --target {name}:LP1")
    with_phone(Session(local, "fay", state), "1357", phone, True).accepted(
        "local", f"FW1,{name}:LP1"
    )
    with_phone(Session(local, "fay", state), "1357", phone, False).denied()
    manage(state, local, f"assign FW1 --target {name}:NOSUCH1")
    say("1357" + token.code()).denied()


@checks.check
def approved(site: Site) -> None:
    """A person at the server approves with PIN and code, once, however the name is written."""
    name = site.family.name
    hal, hugo = site.token("LF2", "hal", "halpin"), site.token("LG2", "hugo", "hugopin")
    second = site.token("LF3", "hal", "otherpin")
    options = {"four_eyes__realms": f"realm1@{name}:2", "four_eyes__connections": "*"}
    options |= {"four_eyes__requester": "excluded", "ignore_connection_error": "yes"}
    local = site.configure(mfa__provider="local", **options)
    session = Session(local, "hanna")
    session.say("").asked()
    code = hal.code()
    session.say("hal:halpin" + code).asked()
    asked = session.say("hugo:hugopin000000").asked()
    expect("(1)" in asked.response["question"][1], "expected one approval to be missing", asked)
    for spelling in ("hal", "HAL", "hal@realm1", f"Hal@realm1@{name}", "hal@realm2"):
        session.say(f"{spelling}:otherpin{second.code()}").asked()
    session.say("hanna:0000").asked()
    session.say("hugo:hugopin" + hugo.code()).accepted("local", f"{name}:LF2,{name}:LG2")
    session = Session(local, "hugo")
    session.say("").asked()
    session.say("hal:halpin" + code).asked()
    asked = session.say("hugo:hugopin" + hugo.code()).asked()
    expect("(2)" in asked.response["question"][1], "expected both to be missing", asked)
    site.while_down(lambda: session.say("hal:halpin" + hal.code()).denied(UNREACHABLE))


@checks.check
def failover(site: Site) -> None:
    """The second server is asked when the first is down, also in the middle of a dialogue."""
    name, dead = site.family.name, f"http://127.0.0.1:{free_port()}"
    session = Session(site.configure(f"{dead}, {site.url()}"), "alice")
    session.say("alicepin" + site.alice.code()).accepted(f"{name} otp", "HA1")
    second = site.server.start(free_port())
    both = site.configure(f"{site.url()},http://127.0.0.1:{second}")
    session = Session(both, "alice")
    session.say("alicepin").asked()

    def down() -> None:
        session.say(site.alice.code()).accepted(f"{name} otp", "HA1")
        Session(both, "alice").say("alicepin000000").denied()

    site.while_down(down)
    site.server.stop(second)
    Session(both, "alice").say("alicepin" + site.alice.code()).accepted(f"{name} otp", "HA1")


@checks.check
def tls(site: Site) -> None:
    """TLS is checked against our own CA, and against the name."""
    port = site.server.start(free_port(), site.server.authority.issue("127.0.0.1"))
    good, other = site.server.authority, Authority(site.folder, "other")
    url = f"https://127.0.0.1:{port}"

    def say(authority: Authority, url: str) -> Answer:
        configuration = site.configure(url, tls__ca_cert=indented(authority.pem))
        return Session(configuration, "alice").say("alicepin" + site.alice.code())

    say(good, url).accepted(f"{site.family.name} otp", "HA1")
    say(other, url).denied("Communication Error")
    say(good, f"https://localhost:{port}").denied("Communication Error")
    answer = Session(site.configure(url), "alice").say("alicepin" + site.alice.code())
    answer.denied("Communication Error")
    site.server.stop(port)
    site.session("alice").say("alicepin" + site.alice.code()).accepted(f"{site.family.name} otp")


def attach(site: Site, serial: str) -> None:
    """Attach a token to a machine for use without the server."""
    if not site.has_machines:
        hosts = site.folder / "hosts"
        hosts.write_text("127.0.0.1 gateway\n")
        site.api.post("/machineresolver/machines", type="hosts", filename=str(hosts))
        site.has_machines = True
    machine = {"hostname": "gateway", "machineid": "gateway", "resolver": "machines"}
    options = {"count": "5", "rounds": "1000"}
    site.api.post("/machine/token", serial=serial, application="offline", **machine, **options)


@checks.check
def offline(site: Site) -> None:
    """Offline codes are used once without the server, and refilled with it."""
    token, name, state = site.token("HF1", "frank", "frankpin"), site.family.name, State()
    attach(site, "HF1")

    def login(otp: str, **options: str) -> Answer:
        return site.session_with(state, "frank", **options).say(otp)

    first = login("frankpin" + token.code()).accepted(f"{name} otp", "HF1")
    expect("5 codes of HF1" in first.log, "expected codes to be kept", first)
    used = ["frankpin" + token.code() for _ in range(2)]

    def down() -> None:
        for otp in used:
            login(otp).accepted(f"{name} offline", "HF1")
            login(otp).denied()
        login("frankpin000000", ignore_connection_error="yes").denied()
        login("wrongpin" + hotp(token.secret, token.counter)).denied()
        other = site.session("frank").say("frankpin" + hotp(token.secret, token.counter))
        other.denied(UNREACHABLE)

    site.while_down(down)
    for otp in used:
        login(otp).denied()
    for _ in range(7):
        otp = "frankpin" + token.code()
        login(otp).accepted(f"{name} otp, refilled", "HF1")
        login(otp).denied()
    site.while_down(lambda: login("frankpin" + token.code()).accepted(f"{name} offline", "HF1"))


@checks.check
def offline_revoked(site: Site) -> None:
    """The codes of a token that was revoked are withdrawn when the server hears of one."""
    token, name, state = site.token("HF2", "fiona", "fionapin"), site.family.name, State()
    attach(site, "HF2")

    def login(otp: str) -> Answer:
        return site.session_with(state, "fiona").say(otp)

    login("fionapin" + token.code()).accepted(f"{name} otp", "HF2")
    login("fionapin" + token.code()).accepted(f"{name} otp, refilled", "HF2")
    site.api.post("/token/revoke", serial="HF2")
    login("fionapin" + token.code()).denied()
    site.while_down(lambda: login("fionapin" + token.code()).denied(UNREACHABLE))


@checks.check
def offline_detached(site: Site) -> None:
    """The codes of a token that was detached from its machine are withdrawn."""
    token, name, state = site.token("HF4", "flora", "florapin"), site.family.name, State()
    attach(site, "HF4")

    def login() -> Answer:
        return site.session_with(state, "flora").say("florapin" + token.code())

    login().accepted(f"{name} otp", "HF4")
    attached = site.api.get("/machine/token", serial="HF4")["result"]["value"][0]
    site.api.delete(f"/machine/token/HF4/offline/{attached['id']}")
    login().denied()
    site.while_down(lambda: login().denied(UNREACHABLE))


@checks.check
def offline_disabled(site: Site) -> None:
    """A disabled token's codes hold where the server refills them: eduMFA does."""
    token, name, state = site.token("HF5", "gwen", "gwenpin"), site.family.name, State()
    attach(site, "HF5")

    def login() -> Answer:
        return site.session_with(state, "gwen").say("gwenpin" + token.code())

    login().accepted(f"{name} otp", "HF5")
    site.api.post("/token/disable", serial="HF5")
    if name == "edumfa":
        login().accepted(f"{name} otp, refilled", "HF5")
    else:
        login().denied()
        site.while_down(lambda: login().denied(UNREACHABLE))


@checks.check
def offline_challenge(site: Site) -> None:
    """Codes that came with a challenge's answer hold no PIN, and only answer challenges."""
    token, name, state = site.token("HF3", "fred", "fredpin"), site.family.name, State()
    attach(site, "HF3")

    def session() -> Session:
        return site.session_with(state, "fred")

    first = session()
    first.say("fredpin").asked()
    first.say(token.code()).accepted(f"{name} otp", "HF3")
    session().say(hotp(token.secret, token.counter)).denied()
    again = session()
    again.say("fredpin").asked()
    again.say(token.code()).accepted(f"{name} otp, refilled", "HF3")
    site.while_down(lambda: session().say(token.code()).denied(UNREACHABLE))


def main() -> int:
    """Run all checks of a family."""
    name = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="sps-live-") as folder:
        site = None
        try:
            site = Site(name, Path(folder))
            return checks.run(site, lambda function: getattr(function, "family", name) == name)
        finally:
            if site:
                site.server.stop_all()


if __name__ == "__main__":
    sys.exit(main())
