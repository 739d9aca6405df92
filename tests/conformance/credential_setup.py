"""Random configurations of the credential store plugin, and the stores behind them."""

from dataclasses import dataclass

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
# The three that the SDK hands out.
KEY_TYPES = ["ssh-rsa", "ssh-dss", "ecdsa-sha2-nistp256"]
OTHER_KEY_TYPES = ["ssh-ed25519", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"]
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
    ini.put("credentials", "provider", "appliance")
    ini.put("credentials", "store", STORE if dice.chance(0.97) else "nobody made")
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
    appliance["credential_stores"] = {STORE: _credentials(dice, persons, names)}
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
