"""Random configurations of the credential store plugin, and the stores behind them."""

from dataclasses import dataclass
from pathlib import Path

from common_setup import STORE, Setup, finished, put_common
from dice import Dice
from ini import Ini
from people import Person, people
from wire import CREDENTIAL_STORE, Json

HOSTS = ["db1", "web1.example.org", "DB1"]
IPS = ["10.9.0.1", "2001:db8::9"]
DOMAINS = ["CORP", "corp.example", "Ünal.example"]
MAPPED = ["vault-asset", "Mapped Asset"]
SUFFIXES = ["example.org", "lan"]
GENERATORS = ["hostname", "ip", "domain", "domain_asset_mapping"]
# The methods of the SDK's plugin, which it takes by their names too.
METHODS = {
    "hostname": "generate_asset_for_server_hostname",
    "ip": "generate_asset_for_server_ip",
    "domain": "generate_asset_for_server_domain",
    "domain_asset_mapping": "generate_domain_asset_mapping",
}
# The three that the SDK hands out.
KEY_TYPES = ["ssh-rsa", "ssh-dss", "ecdsa-sha2-nistp256"]
OTHER_KEY_TYPES = ["ssh-ed25519", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"]
# Keys that are keys, which our own store wants.
KEYS = Path(__file__).resolve().parent.parent / "fixtures" / "keys"
REAL_KEYS = [("ssh-rsa", "rsa.openssh"), ("ecdsa-sha2-nistp256", "nistp256.openssh")]
# The member of the policies that says what our side puts into the plugin's own store.
OWN_STORE = "own_store"
TRIGGERS = ["session-ended", "authentication-completed"]


@dataclass(frozen=True)
class Names:
    """How accounts and assets are built in this group."""

    prefix: str
    suffix: str
    domain_suffix: str


def credential_setup(dice: Dice) -> Setup:
    """Make a configuration of the credential store plugin with its appliance and its people."""
    ini = Ini(dice)
    appliance: dict[str, Json] = {}
    persons = people(dice)
    put_common(dice, ini, appliance)
    own_store = dice.chance(0.3)
    ini.put("credentials", "provider", "local" if own_store else "appliance")
    is_made = own_store or dice.chance(0.97)
    ini.put("credentials", "store", STORE if is_made else "nobody made")
    _put_triggers(dice, ini)
    if dice.chance(0.6):
        ini.put_perhaps_secret("assets", "generator", _generator(dice))
    names = Names(
        dice.choice(["", "", "", "adm-", "CORP\\", "$$"]),
        dice.choice(["", "", "", "-t1", "@corp"]),
        dice.choice(["", "", *SUFFIXES]),
    )
    for section, option, value in (
        ("account", "prefix", names.prefix),
        ("account", "suffix", names.suffix),
        ("assets", "domain_suffix", names.domain_suffix),
    ):
        if value or dice.chance(0.2):
            ini.put_perhaps_secret(section, option, value)
    if dice.chance(0.5):
        for domain in DOMAINS:
            if dice.chance(0.7):
                ini.put_perhaps_secret("domain_asset_mapping", domain, dice.choice([*MAPPED, ""]))
    if own_store:
        entries = _own_credentials(dice, persons, names)
        appliance[OWN_STORE] = entries
    else:
        entries = _credentials(dice, persons, names)
    appliance["credential_stores"] = {STORE: entries}
    return finished(dice, CREDENTIAL_STORE, ini, appliance, persons)


def _put_triggers(dice: Dice, ini: Ini) -> None:
    for option in ("default", "ssh", "rdp", "mssql"):
        if dice.chance(0.35):
            trigger = dice.choice(TRIGGERS)
            trigger = dice.choice([trigger, trigger, trigger.upper(), trigger.title()])
            ini.put_perhaps_secret("check-in-trigger", option, trigger)


def _generator(dice: Dice) -> str:
    names = dice.some(GENERATORS, 4) or ["ip"]
    if dice.chance(0.3):
        # Last in the default order, where the others have mostly found something before.
        names = ["domain_asset_mapping", *names]
    if dice.chance(0.2):
        names = [METHODS[name] if dice.chance(0.5) else name for name in names]
    if dice.chance(0.25):
        unknown = dice.choice(["nosuch", "HOSTNAME", "", "ip address"])
        names.insert(dice.randint(0, len(names)), unknown)
    return dice.choice([",", ", ", " , "]).join(names)


def _credentials(dice: Dice, persons: list[Person], names: Names) -> list[Json]:
    """Fill the store for some of the pairs that the plugin will look for."""
    accounts = [person.name for person in persons] + ["None"]
    assets = HOSTS + IPS + DOMAINS + MAPPED
    assets += [f"{name}.{names.domain_suffix}" for name in HOSTS + DOMAINS]
    # What the SDK makes of a null host name; ours does not look there.
    made_up = [f"None.{names.domain_suffix}"] if dice.chance(0.3) else []
    entries = []
    for account in accounts:
        prefix = "$" if names.prefix == "$$" else names.prefix
        for user in dict.fromkeys([account, f"{prefix}{account}{names.suffix}"]):
            # A dictionary, not a set: the order of a set is another one in every process.
            for asset in dict.fromkeys([*dice.some(assets, 14), *MAPPED, *made_up]):
                entries.append({"host": asset, "user": user, "credentials": _kinds(dice)})
    return entries


def _own_credentials(dice: Dice, persons: list[Person], names: Names) -> list[Json]:
    """Fill our own store: one password and key an entry, and the same for an asset in any case."""
    entries: list[Json] = []
    known: dict[tuple[str, str], list[Json]] = {}
    for entry in _credentials(dice, persons, names):
        assert isinstance(entry, dict)
        place = (str(entry["user"]), folded(str(entry["host"])))
        if place[0] != place[0].strip() or not place[0].isprintable():
            # Our side is filled by CSV: no blanks around names, and no control characters.
            continue
        if place not in known:
            kinds: list[Json] = []
            if dice.chance(0.7):
                kinds.append(dice.choice(["hunter2", "pa ss", "jelszó", 'q"\\']))
            if dice.chance(0.4) or not kinds:
                kind, name = dice.choice(REAL_KEYS)
                kinds.append({"type": kind, "key": (KEYS / name).read_text()})
            known[place] = kinds
        for host in dict.fromkeys([str(entry["host"]), *_spelt_otherwise(names, place[1])]):
            entries.append({"host": host, "user": place[0], "credentials": known[place]})
    unique = {(str(e["user"]), str(e["host"])): e for e in entries if isinstance(e, dict)}
    return list(unique.values())


def folded(asset: str) -> str:
    """Write an asset as our own store compares it: in A-labels, without case and final dot."""
    try:
        return asset.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return "".join(letter.lower() if letter.isascii() else letter for letter in asset)


def _spelt_otherwise(names: Names, asset: str) -> list[str]:
    """List the assets that our store takes for this one."""
    every = HOSTS + DOMAINS + [f"{name}.{names.domain_suffix}" for name in HOSTS + DOMAINS]
    return [other for other in [*every, asset] if folded(other) == asset]


def _kinds(dice: Dice) -> list[Json]:
    result: list[Json] = []
    if dice.chance(0.7):
        result += dice.some(["hunter2", "", "pa ss", "jelszó", 'q"\\'], 2)
    if dice.chance(0.5):
        result += [
            {"type": kind, "key": f"-----BEGIN {kind}-----\nabc\n-----END-----\n"}
            for kind in dice.some(KEY_TYPES, 2)
        ]
    if dice.chance(0.03):
        result.append({"type": dice.choice(OTHER_KEY_TYPES), "key": "-----BEGIN OPENSSH-----"})
    if dice.chance(0.15):
        result.append({"type": "x509v3-sign-rsa", "key": "k", "cert": "c"})
    dice.shuffle(result)
    return result
