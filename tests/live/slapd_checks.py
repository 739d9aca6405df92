"""The plugin against a real slapd."""

from __future__ import annotations

import sys
from pathlib import Path

import slapd
from directories import COMMUNICATION, INJECTIONS, UNREACHABLE, Directory
from relay import Relay
from slapd import SUFFIX, entry
from support import (
    Authority,
    Checks,
    Process,
    Session,
    State,
    ask_servers,
    expect,
    free_port,
    hotp,
    manage,
)

checks = Checks()
PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"
WEIRD_NAME, WEIRD_DN = "we*ird(x)\\y", f"cn=We\\, Ird\\2B #1,{PEOPLE}"
MANY = 600
SECRET = "--secret-hex 3132333435363738393031323334353637383930"


def person(uid: str, password: str, dn: str = "", number: int = 1, **more: str | list[str]) -> str:
    """Write a person with an account."""
    return entry(
        dn or f"uid={uid},{PEOPLE}",
        objectClass=["inetOrgPerson", "posixAccount"],
        uid=uid,
        cn=uid,
        sn=uid,
        mail=f"{uid}@example.org" if uid.isascii() and uid.isalnum() else "x@example.org",
        uidNumber=str(number),
        gidNumber="20000",
        homeDirectory="/home/x",
        userPassword=password,
        **more,
    )


def named(name: str, *members: str) -> str:
    """Write a group of DNs."""
    dn = f"cn={name},{GROUPS}"
    return entry(dn, objectClass="groupOfNames", cn=name.replace("\\", ""), member=list(members))


def entries() -> list[str]:
    """Write the directory."""

    def user(uid: str) -> str:
        return f"uid={uid},{PEOPLE}"

    def group(name: str) -> str:
        return f"cn={name},{GROUPS}"

    many = [f"u{number:04d}" for number in range(MANY)]
    all_groups = [
        entry(
            f"cn=reader,{SUFFIX}",
            objectClass=["organizationalRole", "simpleSecurityObject"],
            cn="reader",
            userPassword="reader",
        ),
        person("alice", "alicepw"),
        person("bob", "bobpw"),
        person("carol", "carolpw"),
        person("jöhn", "päss✓"),
        person(WEIRD_NAME, "weirdpw", WEIRD_DN),
        person("locked", "lockedpw", pwdAccountLockedTime="000001010000Z"),
        person("reset", "resetpw", pwdReset="TRUE"),
        person("twin", "twinpw"),
        entry(f"ou=more,{PEOPLE}", objectClass="organizationalUnit", ou="more"),
        person("twin", "twinpw", f"uid=twin,ou=more,{PEOPLE}"),
        person("crowd", "crowdpw"),
        named("admins", user("alice")),
        named("staff", user("bob"), user("jöhn"), group("admins")),
        named("ring1", group("ring2"), user("carol")),
        named("ring2", group("ring1")),
        named("weird\\, group", WEIRD_DN),
        named("big", *(user(uid) for uid in many)),
        entry(
            group("uniq"),
            objectClass="groupOfUniqueNames",
            cn="uniq",
            uniqueMember=[user("alice"), user("carol")],
        ),
        entry(
            group("padmins"),
            objectClass="posixGroup",
            cn="padmins",
            gidNumber="20001",
            memberUid=["alice", "bob", WEIRD_NAME],
        ),
        entry(group("pstaff"), objectClass="posixGroup", cn="pstaff", gidNumber="20000"),
    ]
    all_groups += [person(uid, "pw", number=1000 + at) for at, uid in enumerate(many)]
    all_groups += [named(f"club{number:03d}", user("crowd")) for number in range(MANY)]
    all_groups.append(named("clubs", f"cn=club{MANY - 1:03d},{GROUPS}"))
    return all_groups


class Site:
    """The server, and how it is asked."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder, "ca")
        self.other = Authority(folder, "other")
        self.port, self.plain_port = free_port(), free_port()
        self.slapd = slapd.Slapd(
            folder / "slapd", self.authority, self.port, entries(), self.plain_port
        )
        self.directory = Directory(
            self.authority,
            self.slapd.url,
            schema="rfc2307bis",
            bind_dn=f"cn=reader,{SUFFIX}",
            bind_password="reader",
            user_base_dn=PEOPLE,
            group_base_dn=GROUPS,
        )
        certificate, key = self.authority.issue("directory.example.org")
        self.misnamed = f"ldaps://127.0.0.1:{free_port()}"
        self.second = self._tls_in_front(folder, certificate, key)

    def _tls_in_front(self, folder: Path, certificate: Path, key: Path) -> Process:
        """Start a TLS server whose certificate has another name; what it serves does not matter."""
        port = self.misnamed.rsplit(":", 1)[1]
        command = ["/usr/bin/openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}"]
        command += ["-cert", str(certificate), "-key", str(key)]
        process = Process(command, folder / "openssl.log", {"PATH": "/usr/bin:/bin"})
        process.wait_for(int(port))
        return process

    def stop(self) -> None:
        """End it."""
        self.second.stop()
        self.slapd.stop()


@checks.check
def servers_are_asked(site: Site) -> None:
    """check-config --online logs in, reads the bases, and tells a wrong password and another CA."""
    configure = site.directory.configure
    asked = ask_servers(configure())
    asked.well("connection", "bind", "user_base_dn", "group_base_dn")
    wrong = ask_servers(configure(bind_password="wr0ng-secret"), "wr0ng-secret")
    wrong.shows("bind", "error", "invalidCredentials (49)")
    ask_servers(configure(ca=site.other.pem)).shows("TLS", "error", "certificate")
    asked = ask_servers(configure(user_base_dn=f"ou=nowhere,{SUFFIX}"))
    asked.shows("user_base_dn", "error", "no such entry")


@checks.check
def passwords(site: Site) -> None:
    """A password is right or wrong, over ldaps."""
    site.directory.login("alice", "alicepw").accepted("ldap")
    site.directory.login("ALICE", "alicepw").accepted("ldap")
    site.directory.login("jöhn", "päss✓").accepted("ldap")
    site.directory.login(WEIRD_NAME, "weirdpw").accepted("ldap")
    for user, password in [
        ("alice", "bobpw"),
        ("alice", "alicepw "),
        ("jöhn", "pass"),
        ("bob", ""),
    ]:
        site.directory.refused(site.directory.login(user, password))
    wrong = site.directory.login("alice", "wr0ng-secret")
    site.directory.refused(wrong, "invalidCredentials (49)")
    expect("wr0ng-secret" not in wrong.log, "the password is in the log", wrong)
    expect("warning" not in wrong.log, "there is nothing to warn of", wrong)


@checks.check
def start_tls(site: Site) -> None:
    """StartTLS works as ldaps does, and plain ldap is warned of."""
    plain = site.slapd.plain
    answer = site.directory.login("alice", "alicepw", url=plain, starttls="yes")
    answer.accepted("ldap")
    expect("unencrypted ldap" not in answer.log, "it is not plain", answer)
    answer = site.directory.login("alice", "alicepw", url=plain)
    answer.accepted("ldap")
    expect("uses unencrypted ldap" in answer.log, "no warning", answer)
    for url, more in [(plain, {"starttls": "yes"}), (site.slapd.url, {})]:
        answer = site.directory.login("alice", "alicepw", url=url, ca=site.other.pem, **more)
        answer.denied(COMMUNICATION)
        expect("invalid peer certificate" in answer.log, "another reason", answer)


@checks.check
def certificates(site: Site) -> None:
    """A wrong CA and a wrong host name are refused, and whitelist nobody."""
    directory = site.directory
    wrong = directory.login("alice", "alicepw", url=site.misnamed)
    wrong.denied(COMMUNICATION)
    expect("invalid peer certificate" in wrong.log, "another reason", wrong)
    more = "[ldap_server]\nname = dir\n[whitelist source=ldap_server_group]\nallow = all_users\n"
    more += "except = admins\n"
    directory.login("bob", "x", more, ca=site.other.pem).denied(COMMUNICATION)


@checks.check
def names_to_bind_as(site: Site) -> None:
    """A password is checked by a DN that is made of the name."""
    directory, template = site.directory, f"uid={{user}},{PEOPLE}"
    directory.bind(template, "alice", "alicepw").accepted("ldap")
    for user in ["alice,ou=people", "alice+cn=alice", "bob", "jöhn", *INJECTIONS]:
        directory.refused(directory.bind(template, user, "alicepw"))


@checks.check
def policies(site: Site) -> None:
    """A locked account and a password to be changed are refused, and told apart in the log."""
    site.directory.refused(site.directory.login("locked", "lockedpw"), "the account is locked")
    site.directory.refused(site.directory.login("reset", "resetpw"), "has to be changed first")


@checks.check
def injections(site: Site) -> None:
    """Names that try to be more than a name find nobody."""
    for name in INJECTIONS:
        answer = site.directory.login(name, "alicepw")
        site.directory.refused(answer, "the user is not there")
        expect(not site.directory.is_whitelisted(name, "admins"), f"{name} is in admins")
        everybody = site.directory.is_whitelisted(name, "big", allow="all_users")
        expect(not everybody, f"{name} is whitelisted although nobody knows who that is")


@checks.check
def two_users(site: Site) -> None:
    """A name that two users have is nobody's."""
    site.directory.refused(site.directory.login("twin", "twinpw"), "several such users")
    expect(not site.directory.is_whitelisted("twin", "big", allow="all_users"), "whitelisted")


@checks.check
def groups(site: Site) -> None:
    """Groups count, also nested, in a ring, by uniqueMember, and the first group."""
    inside = site.directory.is_whitelisted
    for user, group in [
        ("alice", "admins"),
        ("alice", "ADMINS"),
        ("alice", "staff"),
        ("bob", "nothing, staff"),
        ("jöhn", "staff"),
        ("carol", "uniq"),
        ("carol", "ring2"),
        ("bob", "pstaff"),
    ]:
        expect(inside(user, group), f"{user} is not in {group}")
    for user, group in [
        ("bob", "admins"),
        ("carol", "staff"),
        ("bob", "uniq"),
        ("alice", "ring1"),
        ("alice", "nothing"),
        ("alice", "adm*"),
        ("eve", "staff"),
    ]:
        expect(not inside(user, group), f"{user} is in {group}")
    expect(not inside("alice", "staff", nested_groups="no"), "nested groups count")
    expect(inside("carol", "staff, admins", allow="all_users"), "carol is in one of them")
    expect(not inside("carol", "staff, nothing", allow="all_users"), "a group is missing")
    expect(not inside("alice", "staff", allow="all_users"), "alice is nested in it")


@checks.check
def rules(site: Site) -> None:
    """Rules for who may go where see the groups, also nested; without an answer nobody may."""
    may_go = site.directory.may_go
    for user, group in [
        ("alice", "admins"),
        ("alice", "STAFF"),
        ("carol", "ring?"),
        ("bob", "pstaff"),
    ]:
        expect(may_go(user, group), f"{user} may not go by {group}")
    for user, group in [("bob", "admins"), ("carol", "staff"), ("eve", "*"), ("twin", "*")]:
        expect(not may_go(user, group), f"{user} may go by {group}")
    for name in INJECTIONS:
        expect(not may_go(name, "*"), f"{name} may go")
    expect(not may_go("alice", "admins", url=f"ldaps://127.0.0.1:{free_port()}"), "nobody is there")


@checks.check
def chained(site: Site) -> None:
    """A password of the directory and a token of one's own, in one dialogue."""
    configuration = site.directory.configure().replace("provider = ldap", "provider = ldap + local")
    state = State()
    manage(state, configuration, f"enroll --type hotp --serial A --user alice {SECRET}")
    session = Session(configuration, "alice", state)
    session.say("alicepw").asked()
    session.say(hotp(b"12345678901234567890", 0)).accepted("ldap + local", "A")
    session = Session(configuration, "alice", state)
    session.say("bobpw").denied()
    session = Session(configuration, "alice", state)
    session.say("alicepw").asked()
    session.say(hotp(b"12345678901234567890", 0)).denied()


@checks.check
def posix_groups(site: Site) -> None:
    """Groups of names count, as posix has them."""

    def inside(user: str, group: str) -> bool:
        return site.directory.is_whitelisted(user, group, schema="posix")

    for user in ["alice", "ALICE", "bob", WEIRD_NAME]:
        expect(inside(user, "padmins"), f"{user} is not in padmins")
    expect(inside("carol", "pstaff"), "carol is not in her first group")
    expect(not inside("carol", "padmins"), "carol is in padmins")
    expect(not inside("alice", "admins"), "admins is no posixGroup")


@checks.check
def awkward_groups(site: Site) -> None:
    """A DN and a name with special characters are found."""
    custom = {"schema": "custom", "user_filter": "(uid={user})"}
    custom["group_filter"] = "(&(objectClass=groupOfNames)(cn={group}*))"
    custom["group_name_attribute"] = "description, cn"
    inside = site.directory.is_whitelisted
    expect(inside(WEIRD_NAME, "padmins", schema="posix"), "not in padmins")
    expect(not inside("alice", "weird", **custom), "weird is not the group's whole name")
    custom["group_filter"] = "(&(cn=weird, group)(objectClass={group}))"
    custom["group_name_attribute"] = "objectClass"
    expect(inside(WEIRD_NAME, "groupOfNames", **custom), "not in the weird group")
    expect(not inside("alice", "groupOfNames", **custom), "alice is in the weird group")


@checks.check
def large_groups(site: Site) -> None:
    """A group of 600 is asked about one member, and a user in 600 groups is read page by page."""
    inside = site.directory.is_whitelisted
    expect(inside(f"u{MANY - 1:04d}", "big"), "the last one is not in it")
    expect(not inside("alice", "big"), "alice is in it")
    expect(inside("crowd", "club599"), "not in the last club")
    expect(inside("crowd", "clubs"), "the last club is in clubs")
    expect(not inside("crowd", "staff"), "crowd is in staff")


@checks.check
def attributes(site: Site) -> None:
    """A user is mapped by an attribute, in any case; without one nothing changes."""
    identity = site.directory.identity
    expect(identity("alice", "MAIL") == "alice@example.org", "mail")
    expect(identity("alice", "telephoneNumber") == "alice", "no such value")
    expect(identity("eve", "mail") == "eve", "no such user")
    expect(identity("*", "mail") == "*", "a star is nobody")
    expect(identity("twin", "mail") == "twin", "two users")


@checks.check
def the_login(site: Site) -> None:
    """Without the right login nobody is found."""
    for options in [{"bind_password": "wrong"}, {"bind_dn": "", "bind_password": ""}]:
        answer = site.directory.login("alice", "alicepw", **options)
        expect(answer.verdict == "DENY", "somebody was found", answer)
    wrong = site.directory.login("alice", "alicepw", bind_password="wr0ng-secret")
    wrong.denied("Communication Error")
    expect("the login as bind_dn: invalidCredentials (49)" in wrong.log, "another reason", wrong)
    expect("wr0ng-secret" not in wrong.log, "the password is in the log", wrong)


@checks.check
def outages(site: Site) -> None:
    """A server that is down or slow is an outage; one that breaks off has answered badly."""
    directory = site.directory
    nobody = f"ldaps://127.0.0.1:{free_port()}"
    directory.login("alice", "alicepw", url=nobody).denied(UNREACHABLE)
    directory.login("alice", "alicepw", url=f"{nobody}, {site.slapd.url}").accepted("ldap")
    for hangs_up in (True, False):
        for most in (0, 10, 30, 60):
            relay = Relay(site.plain_port, most, hangs_up)
            url = f"ldap://127.0.0.1:{relay.port}"
            alone = directory.login("alice", "alicepw", url=url, timeout="1")
            both = f"{url}, {site.slapd.plain}"
            answer = directory.login("alice", "alicepw", url=both, timeout="1")
            if hangs_up and most > 0:
                alone.denied(COMMUNICATION)
                expect("it breaks off" in alone.log, "another reason", alone)
                answer.denied(COMMUNICATION)
            else:
                alone.denied(UNREACHABLE)
                if most < 60:
                    answer.accepted("ldap")
            more = "[ldap_server]\nname = dir\n[whitelist source=ldap_server_group]\n"
            more += "allow = all_users\nexcept = admins\n"
            answer = directory.login("bob", "x", more, url=url, timeout="1")
            expect(answer.verdict == "DENY", "an outage whitelists", answer)
            relay.stop()


if __name__ == "__main__":
    sys.exit(checks.run_at(Site))
