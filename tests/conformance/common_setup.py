"""What holds for a group of sessions: configuration, appliance, people."""

from dataclasses import dataclass, field
from pathlib import Path

from dice import Dice
from ini import Ini
from people import Person
from wire import Json

STORE = "local"
CA = (Path(__file__).parent / "ca.pem").read_text()
# Recognisable, because our error messages must not repeat it.
UNUSABLE = "unusable-5f2c9d"


@dataclass
class Setup:
    """A configuration with the policies that it needs."""

    plugin: str
    configuration: str
    appliance: dict[str, Json]
    people: list[Person]
    options: dict[tuple[str, str], str] = field(default_factory=dict)
    # Something in the configuration is wrong on purpose.
    mistaken: bool = False

    def option(self, section: str, option: str) -> str | None:
        """Give the value of an option as it stands in the configuration."""
        return self.options.get((section, option))


def yes_or_no(dice: Dice) -> str:
    """Spell a boolean in one of the ways that are understood."""
    return dice.choice(["yes", "no", "Yes", "No", "YES", "NO", "yEs"])


def put_common(dice: Dice, ini: Ini, appliance: dict[str, Json]) -> None:
    """Add the sections that every plugin has."""
    if dice.chance(0.4):
        levels = [
            "debug",
            "info",
            "warning",
            "error",
            "critical",
            "DEBUG",
            "Info",
            "Critical",
        ]
        ini.put("logging", "log_level", dice.choice(levels))
    if dice.chance(0.1):
        ini.put("logging", "destination", dice.choice(["stderr", "STDERR"]))
    _put_proxy(dice, ini, appliance)
    if dice.chance(0.1):
        ini.put("tls", "enabled", yes_or_no(dice))
    if dice.chance(0.1):
        ini.put("tls", "ca_cert", dice.choice(["$[corp]", CA.strip()]))
    appliance["trusted_ca_lists"] = {"corp": {"certs": [CA]}}


def _put_proxy(dice: Dice, ini: Ini, appliance: dict[str, Json]) -> None:
    """Set a proxy that nobody answers at: the loopback service is not https, so none is asked."""
    if dice.chance(0.15):
        ini.put("https_proxy", "enabled", yes_or_no(dice))
    if dice.chance(0.15):
        # Either spelling of the section holds for each option.
        sections = ["https-proxy", "https_proxy"]
        if dice.chance(0.5):
            sections = [dice.choice(sections)]
        ini.put(dice.choice(sections), "server", dice.choice(["proxy.invalid", "192.0.2.1"]))
        if dice.chance(0.5):
            ini.put(dice.choice(sections), "port", dice.choice([3128, 8080, "1", 0, "８０", "8_0"]))
        if dice.chance(0.5):
            ini.put_perhaps_secret(dice.choice(sections), "username", "proxy-user")
            ini.put_perhaps_secret(dice.choice(sections), "password", "proxy-password")
    if dice.chance(0.15):
        appliance["http_proxy"] = {
            "enabled": dice.chance(0.8),
            "server": {"selection": "fqdn", "value": "proxy.invalid"},
            "port": 3128,
            "authentication": dice.choice(
                [
                    {"selection": "disabled"},
                    {"selection": "password", "username": "u", "password": "p"},
                ]
            ),
        }


def finished(
    dice: Dice, plugin: str, ini: Ini, appliance: dict[str, Json], people: list[Person]
) -> Setup:
    """Add the credential store that the `$` values need, perhaps a mistake, and write it down."""
    # Without the section, or with a store that nobody made, every `$` is an error.
    if (ini.secrets or dice.chance(0.2)) and dice.chance(0.96):
        ini.put("credential_store", "name", STORE if dice.chance(0.97) else "nobody made")
    if dice.chance(0.12):
        _put_default(dice, ini)
    mistaken = dice.chance(0.06)
    if mistaken:
        _make_mistake(dice, ini)
    options = {(section, option): value for section, option, value in ini.options()}
    text = ini.text()
    if dice.chance(0.006):
        text = dice.choice([text + text, "prompt = before any section\n" + text, text + "\n["])
        mistaken = True
    stores = appliance.setdefault("credential_stores", {})
    stores[STORE] = stores.get(STORE, []) + ini.secrets
    return Setup(plugin, text, appliance, people, options, mistaken)


def _put_default(dice: Dice, ini: Ini) -> None:
    """Set options that every section inherits which does not set them itself."""
    inherited: dict[str, list[str]] = {
        "prompt": ["Inherited:", "$$"],
        "disable_echo": ["yes", "no"],
        "key": ["ticket"],
        "reuse_limit": ["1", "2"],
        "soft_timeout": ["15", "60"],
        "limit": ["1", "2"],
        "port": ["8080"],
        "log_level": ["error"],
        "append_domain": ["inherited.example"],
        "domain_suffix": ["inherited.example"],
        "unread": ["100%"],
    }
    for option in dice.some(list(inherited), 4):
        ini.put("DEFAULT", option, dice.choice(inherited[option]))


def _make_mistake(dice: Dice, ini: Ini) -> None:
    """Spoil one option, whichever it is."""
    # The provider is ours alone; the SDK could not say what a mistake in it does.
    spared = {("mfa", "provider"), ("http", "server_url")}
    spared |= {("credentials", "provider"), ("credentials", "store")}
    options = [place for *place, _ in ini.options() if tuple(place) not in spared]
    if not options:
        return
    section, option = dice.choice(options)
    match dice.randint(1, 5):
        case 1 | 2:
            ini.put(section, option, UNUSABLE)
        case 3:
            ini.put(section, option, "")
        case 4:
            ini.drop(section, option)
        case 5:
            # A per cent sign that interpolates nothing is an error when the value is read.
            ini.put(section, option, "50% off", raw=True)
