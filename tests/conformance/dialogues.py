"""What SPS and the person at the gateway do in a session, as a conversation.

A dialogue yields the calls and is sent the SDK's outcome of each: the SDK leads, so that the
conversation depends on nothing but the seed, and both sides always get the same questions.
"""

from collections.abc import Generator
from dataclasses import dataclass

from aa_setup import ANSWER_KEYS
from common_setup import Setup
from credential_setup import DOMAINS, HOSTS, IPS
from dice import Dice
from people import SUFFIXES, Person, protocol
from wire import AA, Json, Outcome

FOREIGN_COOKIES: list[Json] = [
    {"foreign": 1},
    {"username": "root"},
    {"mfa_identity": "root", "username": "root"},
    {"account": "root", "asset": "db1"},
    {"state": "tx-1"},
]
OTPS = ["123456", "000000", "", "", " ", "push", "őű", "a\tb", "9" * 64]


@dataclass(frozen=True)
class Call:
    """One hook call, without what the runner adds: cookies, configuration, time."""

    hook: str
    arguments: dict[str, Json]
    # A cookie that this plugin never gave out, in place of the session's.
    foreign_cookie: Json = None
    service_up: bool = True


Dialogue = Generator[Call, Outcome, None]


def dialogue(dice: Dice, setup: Setup, session_id: str) -> Dialogue:
    """Begin a session of the setup's plugin."""
    person = dice.choice(setup.people)
    if setup.plugin == AA:
        return _aa(dice, person, session_id)
    return _credential_store(dice, person, session_id)


def first_session_cookie(dice: Dice, plugin: str) -> dict[str, Json]:
    """Make what other plugins of the session left, before ours is called."""
    cookie: dict[str, Json] = {}
    if dice.chance(0.15):
        cookie["questions"] = {key: f"told {key}" for key in dice.some(ANSWER_KEYS, 3)}
    if dice.chance(0.1):
        # Numbers that a careless JSON library would round or rewrite.
        cookie["other plugin"] = {
            "n": 12345678901234567890,
            "f": 1.0,
            "x": [None, True],
        }
    if plugin != AA and dice.chance(0.3):
        cookie["account"] = dice.choice(["alice", "root", ""])
        cookie["asset"] = dice.choice([*HOSTS, *IPS, "", None])
    return cookie


def others_cookie(dice: Dice) -> dict[str, Json]:
    """Make what another plugin writes into the session cookie while ours is at work."""
    return dice.choice(
        [
            {"other plugin": {"step": 2}},
            {"IdentityProvider": {"gateway_username": "somebody"}},
            {"questions": {key: f"written {key}" for key in dice.some(ANSWER_KEYS, 2)}},
            {"account": dice.choice(["alice", "CORP\\root", "root@corp", "Ünal"])},
            {"asset": dice.choice([*HOSTS, *IPS, ""])},
            {"account": "root", "asset": dice.choice(HOSTS)},
        ]
    )


def _target(dice: Dice) -> dict[str, Json]:
    return {
        "server_ip": dice.choice([*IPS, *IPS, None]),
        "server_port": dice.choice([22, 3389, None]),
        "server_hostname": dice.choice([*HOSTS, *HOSTS, None, ""]),
        "server_domain": dice.choice([*DOMAINS, *DOMAINS, "other.example", None, ""]),
    }


def _named(dice: Dice, name: str) -> dict[str, Json]:
    """Say the user name at one or more of the four places where it may stand."""
    suffixed = name + dice.choice(SUFFIXES) if dice.chance(0.35) else name
    target = dice.choice(["root", "Administrator", "", None])
    pairs: dict[str, Json] = {}
    gateway_user, server_username = None, target
    match dice.randint(1, 8):
        case 1 | 2 | 3:
            gateway_user = name
        case 4:
            gateway_user, pairs["gu"] = dice.choice([None, ""]), name
        case 5 | 6:
            server_username = suffixed
            pairs |= dice.choice([{}, {"gu": ""}, {"username": "ignored"}])
        case 7:
            server_username, pairs["username"] = dice.choice([None, ""]), suffixed
        case 8:
            # Nobody at all, or empty names only: a denial.
            server_username = dice.choice([None, "", "@corp"])
            pairs |= dice.choice([{}, {"username": ""}, {"gu": "", "username": "@x"}])
    return {
        "gateway_user": gateway_user,
        "server_username": server_username,
        "key_value_pairs": pairs,
    }


def _aa(dice: Dice, person: Person, session_id: str) -> Dialogue:
    arguments: dict[str, Json] = {
        "session_id": session_id,
        "protocol": protocol(dice),
        "connection_name": dice.choice(["ssh_to_db", "rdp all", None]),
        "client_ip": person.address,
        "client_port": dice.choice([50444, None]),
        "client_hostname": dice.choice(["pc1.example.org", None]),
        "gateway_domain": dice.choice(["CORP", None, None]),
        "gateway_groups": dice.choice([None, [], ["dba", "ops"]]),
        **_named(dice, person.name),
        **_target(dice),
    }
    accepted = True
    if not dice.chance(0.04):
        accepted = yield from _authenticate(dice, arguments)
    if accepted and dice.chance(0.04):
        yield _call(dice, "authenticate", arguments)
    if accepted and dice.chance(0.92):
        outcome = yield _call(dice, "authorize", arguments)
        if dice.chance(0.1):
            outcome = yield _call(dice, "authorize", arguments)
        accepted = outcome.member("verdict") == "ACCEPT"
    yield from _end(dice, session_id, 0.8 if accepted else 0.4)


def _call(dice: Dice, hook: str, arguments: dict[str, Json]) -> Call:
    cookie = dice.choice(FOREIGN_COOKIES) if dice.chance(0.006) else None
    return Call(hook, dict(arguments), cookie, service_up=not dice.chance(0.06))


def _authenticate(dice: Dice, arguments: dict[str, Json]) -> Generator[Call, Outcome, bool]:
    """Talk until there is a verdict, or the person gives up; say whether they are in."""
    pairs = dict(arguments["key_value_pairs"])
    if dice.chance(0.4):
        pairs["otp"] = dice.choice(OTPS)
    if dice.chance(0.15):
        pairs |= {key: f"given {key}" for key in dice.some(["ticket", "reason"], 2)}
    for _ in range(9):
        outcome = yield _call(dice, "authenticate", arguments | {"key_value_pairs": dict(pairs)})
        match outcome.member("verdict"):
            case "NEEDINFO":
                if dice.chance(0.05):
                    return False
                _answer(dice, pairs, outcome.member("question")[0])
            case "ACCEPT":
                # Later hooks get the same pairs again.
                arguments["key_value_pairs"] = pairs
                return True
            case _ if not dice.chance(0.12):
                return False
    return False


def _answer(dice: Dice, pairs: dict[str, Json], key: str) -> None:
    """Answer a question, or press Enter too early."""
    if dice.chance(0.04):
        return
    if dice.chance(0.04):
        pairs.pop("otp", None)
    if key == "otp":
        pairs["otp"] = dice.choice(OTPS)
    else:
        pairs[key] = dice.choice(["T-1000", "because", "", "bob", "x\ny"])


def _end(dice: Dice, session_id: str, share: float) -> Dialogue:
    if dice.chance(share):
        call = Call("session_ended", {"session_id": session_id})
        yield call
        if dice.chance(0.08):
            yield call


def _account(dice: Dice, person: Person) -> str:
    """Type an account, now and then in a form of its own."""
    if dice.chance(0.8):
        return person.name
    forms = ["CORP\\{}", "{}@corp.example", ".\\{}", "{}$", "{} ", "", "None", "{}/{}"]
    return dice.choice(forms).replace("{}", person.name)


def _credential_store(dice: Dice, person: Person, session_id: str) -> Dialogue:
    arguments: dict[str, Json] = {
        "session_id": session_id,
        "protocol": protocol(dice),
        "client_ip": person.address,
        "client_hostname": dice.choice(["pc1.example.org", None]),
        "gateway_domain": dice.choice(["CORP", None]),
        "gateway_username": dice.choice([person.name, None]),
        "gateway_password": dice.choice(["gateway secret", "", None]),
        "gateway_groups": dice.choice([None, [], ["dba"]]),
        "server_username": None if dice.chance(0.06) else _account(dice, person),
        **_target(dice),
    }
    remote = {
        "asset": dice.choice([*HOSTS, *IPS, "", None]),
        "connection_name": dice.choice(["rdp all", None]),
    }
    hooks = {
        "get_private_key_list": 30,
        "get_password_list": 36,
        "authentication_completed": 17,
        "get_remote_app_credentials": 14,
        "get_totp_codes": 5,
    }
    for _ in range(dice.weighted({1: 2, 2: 5, 3: 4, 4: 2, 6: 1})):
        hook = dice.weighted(hooks)
        if hook == "authentication_completed":
            yield _call(dice, hook, {"session_id": session_id})
        elif hook == "get_remote_app_credentials":
            if dice.chance(0.3):
                remote["asset"] = dice.choice([*HOSTS, *IPS, "", None])
            yield _call(dice, hook, arguments | remote)
        else:
            yield _call(dice, hook, arguments)
    yield from _end(dice, session_id, 0.85)
