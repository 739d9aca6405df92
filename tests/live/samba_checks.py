"""The plugin against a real Samba as Active Directory."""

from __future__ import annotations

import sys
from pathlib import Path

from directories import COMMUNICATION, INJECTIONS, UNREACHABLE, Directory
from samba import SUFFIX, USERS, Samba
from support import Authority, Checks, ask_servers, expect

checks = Checks()
MANY = 600


class Site:
    """The domain, and how it is asked."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder, "ca")
        self.other = Authority(folder, "other")
        self.samba = samba = Samba(folder / "samba", self.authority)
        settings = "--complexity=off --min-pwd-length=3 --history-length=0 --min-pwd-age=0"
        settings += " --account-lockout-threshold=3 --account-lockout-duration=30"
        samba.tool("domain", "passwordsettings", "set", *settings.split())
        for user in ["alice", "bob", "carol", "dora", "svc", "disabled", "locked", "expired"]:
            samba.tool("user", "create", user, f"{user}pw", f"--mail-address={user}@example.org")
        samba.tool("user", "disable", "disabled")
        samba.tool("user", "setexpiry", "expired", "--days=-1")
        change = "--must-change-at-next-login"
        samba.tool("user", "create", "mustchange", "mustchangepw", change)
        for group in ["admins", "staff", "outer", "everybody", "big"]:
            samba.tool("group", "add", group)
        samba.tool("group", "addmembers", "admins", "alice")
        samba.tool("group", "addmembers", "staff", "bob,admins")
        samba.tool("group", "addmembers", "outer", "staff")
        samba.tool("group", "addmembers", "everybody", "Domain Users")
        samba.start()
        self.directory = Directory(
            self.authority,
            samba.url,
            bind_dn="svc@example.org",
            bind_password="svcpw",
            user_base_dn=SUFFIX,
            group_base_dn=SUFFIX,
        )
        members = [f"cn=Smith\\, u{number:03d} (x),{USERS}" for number in range(MANY)]
        ldif = "".join(
            f"dn: {dn}\nobjectClass: user\nsAMAccountName: u{number:03d}\n\n"
            for number, dn in enumerate(members)
        )
        ldif += f"dn: cn=big,{USERS}\nchangetype: modify\nadd: member\n"
        ldif += "".join(f"member: {dn}\n" for dn in members)
        samba.add(ldif)

    def stop(self) -> None:
        """End it."""
        self.samba.stop()


@checks.check
def servers_are_asked(site: Site) -> None:
    """check-config --online logs in, reads the bases, and tells a wrong password and another CA."""
    configure = site.directory.configure
    asked = ask_servers(configure(), "svcpw")
    asked.well("connection", "bind", "clock", "user_base_dn", "group_base_dn")
    wrong = ask_servers(configure(bind_password="wr0ng-secret"), "wr0ng-secret")
    wrong.shows("bind", "error", "invalidCredentials (49)")
    ask_servers(configure(ca=site.other.pem)).shows("TLS", "error", "certificate")
    asked = ask_servers(configure(user_base_dn=f"ou=nowhere,{SUFFIX}"))
    asked.shows("user_base_dn", "error", "no such entry")


@checks.check
def passwords(site: Site) -> None:
    """A password is right or wrong for a name, in any case, and for a UPN."""
    for user in ["alice", "ALICE", "alice@example.org"]:
        site.directory.login(user, "alicepw").accepted("ldap")
    site.directory.refused(site.directory.login("alice", "bobpw"), "data 52e")
    site.directory.refused(site.directory.login("bob", ""))
    site.directory.refused(site.directory.login("eve", "evepw"), "the user is not there")


@checks.check
def logins(site: Site) -> None:
    """The plugin itself logs in by DN, UPN and DOMAIN\\user."""
    for name in [f"cn=svc,{USERS}", "svc@example.org", "EXAMPLE\\svc"]:
        site.directory.login("alice", "alicepw", bind_dn=name).accepted("ldap")
    wrong = site.directory.login("alice", "alicepw", bind_password="wr0ng-secret")
    wrong.denied("Communication Error")
    expect("data 52e" in wrong.log and "wr0ng-secret" not in wrong.log, "the log", wrong)


@checks.check
def names_to_bind_as(site: Site) -> None:
    """A password is checked by DN, UPN and DOMAIN\\user, made of the name."""
    directory = site.directory
    for template in [f"cn={{user}},{USERS}", "{user}@example.org", "EXAMPLE\\{user}"]:
        directory.bind(template, "alice", "alicepw").accepted("ldap")
        for user in ["bob", "eve", "alice@example.org", "EXAMPLE\\alice", *INJECTIONS]:
            directory.refused(directory.bind(template, user, "alicepw"))
        directory.refused(directory.bind(template, "disabled", "disabledpw"), "data 533")


@checks.check
def codes(site: Site) -> None:
    """What is wrong with an account is told apart in the log, and not to the user."""
    for user, code, meaning in [
        ("disabled", "533", "the account is disabled"),
        ("mustchange", "773", "the password has to be changed first"),
        ("expired", "701", "the account has expired"),
    ]:
        answer = site.directory.login(user, f"{user}pw")
        site.directory.refused(answer, f"data {code}: {meaning}")
    for _ in range(4):
        site.directory.refused(site.directory.login("locked", "wrong"))
    site.directory.refused(site.directory.login("locked", "lockedpw"), "data 775", "is locked")


@checks.check
def injections(site: Site) -> None:
    """Names that try to be more than a name find nobody."""
    for name in INJECTIONS:
        answer = site.directory.login(name, "alicepw")
        site.directory.refused(answer, "the user is not there")
        everybody = site.directory.is_whitelisted(name, "big", allow="all_users")
        expect(not everybody, f"{name} is whitelisted although nobody knows who that is")


@checks.check
def rules(site: Site) -> None:
    """Rules for who may go where see the groups, also nested."""
    may_go = site.directory.may_go
    expect(may_go("alice", "admins") and may_go("alice", "staff"), "alice may not go")
    expect(not may_go("bob", "admins") and not may_go("eve", "*"), "bob or eve may go")


@checks.check
def groups(site: Site) -> None:
    """Groups count, also nested, and the first group, also nested."""
    inside = site.directory.is_whitelisted
    for user, group in [
        ("alice", "admins"),
        ("alice", "ADMINS"),
        ("alice", "staff"),
        ("alice", "outer"),
        ("bob", "nothing, outer"),
        ("carol", "Domain Users"),
        ("carol", "everybody"),
        (f"u{MANY - 1}", "big"),
        (f"u{MANY - 1}", "everybody"),
    ]:
        expect(inside(user, group), f"{user} is not in {group}")
        if group == "outer":
            expect(inside(user, group, nested_groups="yes"), f"{user} is not in {group} by steps")
    for user, group in [
        ("bob", "admins"),
        ("carol", "outer"),
        ("alice", "big"),
        ("alice", "nothing"),
        ("alice", "*"),
        ("eve", "everybody"),
        ("alice", "Domain Admins"),
    ]:
        expect(not inside(user, group), f"{user} is in {group}")
    expect(inside("carol", "staff, big", allow="all_users"), "carol is in one of them")
    expect(not inside("carol", "everybody", allow="all_users"), "carol is in it by her first group")
    expect(not inside("carol", "nothing", allow="all_users"), "the group is not there")


@checks.check
def attributes(site: Site) -> None:
    """A user is mapped by an attribute."""
    identity = site.directory.identity
    expect(identity("alice", "mail") == "alice@example.org", "mail")
    expect(identity("alice", "objectSid") == "alice", "what is no text maps nobody")
    expect(identity("eve", "mail") == "eve", "no such user")


@checks.check
def transport(site: Site) -> None:
    """StartTLS works, plain ldap is refused by the server, and a wrong CA by us."""
    plain = site.samba.plain
    site.directory.login("dora", "dorapw", url=plain, starttls="yes").accepted("ldap")
    refused = site.directory.login("dora", "dorapw", url=plain)
    refused.denied("Communication Error")
    expect("strongerAuthRequired (8)" in refused.log, "another reason", refused)
    wrong = site.directory.login("dora", "dorapw", ca=site.other.pem)
    wrong.denied(COMMUNICATION)
    expect("invalid peer certificate" in wrong.log, "another reason", wrong)
    other_name = site.directory.login("dora", "dorapw", url="ldaps://localhost, ldaps://127.0.0.9")
    other_name.denied(UNREACHABLE)


if __name__ == "__main__":
    sys.exit(checks.run_at(Site))
