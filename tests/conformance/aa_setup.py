"""Random configurations of the AA plugin: every common option, set or not."""

from common_setup import Setup, finished, put_common, yes_or_no
from dice import Dice
from ini import Ini
from people import COMMON, Person, people
from wire import AA, Json

GROUPS = ["dba", "admins", "Helpdesk", "no one"]
# Whole numbers as Python reads them or does not: the digits of other scripts, underscores, size.
SPELT_INTEGERS = ["１", "٢", "+٣", "१_०", "0_2", "9" * 30, "-" + "9" * 30, "_1", "1__0", "1_", "²"]
SPELT_NUMBERS = [
    *("１５", "٣٠.٥", "1e1_0", "6_0.0_0", "1e400", "1_e3", "1._5", "_60", "１．５", "0x10"),
]
ANSWER_KEYS = ["ticket", "reason", "Ticket", "otp2", "gu", "approver"]


def aa_setup(dice: Dice) -> Setup:
    """Make a configuration of the AA plugin with its appliance and its people."""
    ini = Ini(dice)
    appliance: dict[str, Json] = {}
    persons = people(dice)
    put_common(dice, ini, appliance)
    _put_provider(dice, ini)
    _put_auth(dice, ini)
    _put_user_list(dice, ini, appliance, persons)
    _put_ldap(dice, ini, appliance, persons)
    _put_cache(dice, ini)
    _put_mapping(dice, ini, persons)
    _put_questions(dice, ini)
    if dice.chance(0.5):
        limit = dice.choice([0, 1, 1, 1, 2, 2, 3, "-1", "+1", " 2 ", "01", "1_0"])
        if dice.chance(0.15):
            limit = dice.choice(SPELT_INTEGERS)
        ini.put_perhaps_secret("connection_limit by=client_ip_gateway_user", "limit", limit)
    return finished(dice, AA, ini, appliance, persons)


def _put_provider(dice: Dice, ini: Ini) -> None:
    if dice.chance(0.06):
        ini.put("mfa", "provider", "none")
        return
    ini.put("mfa", "provider", "http")
    ini.put("http", "server_url", "@SERVICE@")
    if dice.chance(0.4):
        token = dice.choice(["t0ken", "with blank", "a%b", "$$", "=x:y;"])
        ini.put_perhaps_secret("http", "token", token)
    if dice.chance(0.5):
        ini.put_perhaps_secret("http", "ignore_connection_error", yes_or_no(dice))
    if dice.chance(0.3):
        ini.put("http", "timeout", dice.choice([5, 10, 30]))


def _put_auth(dice: Dice, ini: Ini) -> None:
    if dice.chance(0.35):
        prompts = [
            "Code:",
            "OTP > ",
            "$$",
            "100% sure?",
            "Kód ↵",
            "",
            "two\nlines",
            "a ; b # c",
        ]
        ini.put_perhaps_secret("auth", "prompt", dice.choice(prompts))
    if dice.chance(0.4):
        ini.put_perhaps_secret("auth", "disable_echo", yes_or_no(dice))
    if dice.chance(0.35):
        lists = [
            "ssh",
            "SSH, RDP",
            " mssql ,,tsg",
            "ssh,rdp,telnet,mssql",
            "",
            "rdp ssh",
            ",",
        ]
        ini.put_perhaps_secret("auth", "interactive_protocols", dice.choice(lists))
    if dice.chance(0.35):
        values = ["true", "false", "True", "TRUE", "yes", "no", "", "$$"]
        ini.put_perhaps_secret("ignore_upn_suffix_for_rdp", "ignore", dice.choice(values))


def _put_user_list(dice: Dice, ini: Ini, appliance: dict[str, Json], persons: list[Person]) -> None:
    if not dice.chance(0.3):
        return
    ini.put_perhaps_secret("whitelist source=user_list", "name", "vip")
    names = dice.some([person.name for person in persons] + COMMON + ["ALICE"], 4)
    # all_users lets everybody in who is not named; it would drown the other roads.
    allow = dice.weighted({"no_user": 8, "all_users": 2})
    appliance["user_lists"] = {"vip": {"allow": allow, "except": names}}
    if dice.chance(0.03):
        del appliance["user_lists"]["vip"]


def _put_ldap(dice: Dice, ini: Ini, appliance: dict[str, Json], persons: list[Person]) -> None:
    whitelist, mapping = dice.chance(0.3), dice.chance(0.3)
    if whitelist:
        section = "whitelist source=ldap_server_group"
        allow = dice.weighted({"no_user": 6, "NO_USER": 1, "all_users": 1, "All_Users": 1})
        ini.put_perhaps_secret(section, "allow", allow)
        groups = dice.choice(["dba", "dba, admins", " admins ,Helpdesk", "nobody knows", ""])
        ini.put_perhaps_secret(section, "except", groups)
        if dice.chance(0.05):
            ini.drop(section, "except")
    if mapping:
        attribute = dice.choice(["mail", "Mail", "uid", "telephoneNumber", "no such"])
        ini.put_perhaps_secret("usermapping source=ldap_server", "user_attribute", attribute)
    if whitelist or mapping:
        # Without this section both are silently off; with an unknown server both fail softly.
        if dice.chance(0.95):
            server = "ad" if dice.chance(0.95) else "gone"
            ini.put_perhaps_secret("ldap_server", "name", server)
        appliance["ldap_servers"] = {"ad": _directory(dice, persons)}


def _directory(dice: Dice, persons: list[Person]) -> Json:
    names = [person.name for person in persons if dice.chance(0.85)]
    users = {name: _entry(dice, name) for name in names}
    groups = {group: dice.some(names, 2) for group in GROUPS}
    directory: dict[str, Json] = {"users": users, "groups": groups}
    if dice.chance(0.04):
        del directory[dice.choice(["users", "groups"])]
    return directory


def _entry(dice: Dice, name: str) -> Json:
    entry: dict[str, Json] = {}
    if dice.chance(0.8):
        entry["mail"] = dice.choice([[f"{name}@example.org"], [f"{name}@a", f"{name}@b"], [], [""]])
    if dice.chance(0.6):
        entry["UID"] = [dice.choice(["u100", "Ünal", "7"])]
    if dice.chance(0.5):
        entry["telephonenumber"] = ["+36 1 555 0100"]
    return entry


def _put_cache(dice: Dice, ini: Ini) -> None:
    if not dice.chance(0.75):
        return
    section = "authentication_cache"
    limit = dice.weighted({"0": 1, "1": 28, "2": 3, "5": 2, "-1": 3, "-5": 1, "+2": 1, "1_0": 1})
    if dice.chance(0.12):
        limit = dice.choice(SPELT_INTEGERS)
    ini.put_perhaps_secret(section, "reuse_limit", limit)
    if dice.chance(0.6):
        values = ["15", "60", "600", "0", "-1", "7.5", "1e3", "1_0", ".5", "inf", "nan"]
        if dice.chance(0.15):
            values = SPELT_NUMBERS
        ini.put_perhaps_secret(section, "soft_timeout", dice.choice(values))
    if dice.chance(0.6):
        values = [
            "90",
            "900",
            "30",
            "0",
            "-10",
            "20.5",
            "1e3",
            "1_000",
            "Infinity",
            "-inf",
        ]
        if dice.chance(0.15):
            values = SPELT_NUMBERS
        ini.put_perhaps_secret(section, "hard_timeout", dice.choice(values))


def _put_mapping(dice: Dice, ini: Ini, persons: list[Person]) -> None:
    if dice.chance(0.4):
        section = "usermapping source=explicit"
        for name in [person.name for person in persons] + ["somebody"]:
            # What an option name cannot hold; the option would be another one, or no option.
            if dice.chance(0.6) and name == name.strip() and not set(name) & set('=:#\n"$%'):
                identities = ["id-1", "Mapped.User", "m@example.org", "", "$$", "Ünal"]
                ini.put_perhaps_secret(section, name.lower(), dice.choice(identities))
    if dice.chance(0.3):
        domains = ["example.org", "@example.org", "CORP", "", "$$"]
        ini.put_perhaps_secret("username_transform", "append_domain", dice.choice(domains))


def _put_questions(dice: Dice, ini: Ini) -> None:
    if not dice.chance(0.4):
        return
    for number in range(1, dice.randint(1, 4) + 1):
        if dice.chance(0.08):
            continue  # a gap: what comes after it is never asked
        section = f"question_{number}"
        ini.put_perhaps_secret(section, "prompt", dice.choice(["Ticket?", "Why:", "", "Who?"]))
        ini.put_perhaps_secret(section, "key", dice.choice(ANSWER_KEYS))
        if dice.chance(0.05):
            ini.drop(section, dice.choice(["prompt", "key"]))
        if dice.chance(0.4):
            ini.put_perhaps_secret(section, "disable_echo", yes_or_no(dice))
