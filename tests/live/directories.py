"""How the plugin is configured for a directory, for the checks of each."""

from __future__ import annotations

from support import Answer, Authority, Session, expect, indented

UNREACHABLE = "Backend service unreachable"
COMMUNICATION = "Communication Error"


class Directory:
    """A directory and what is told to the plugin about it."""

    def __init__(self, authority: Authority, url: str, **options: str) -> None:
        self.authority, self.url, self.options = authority, url, options

    def configure(self, url: str = "", ca: str = "", more: str = "", **options: str) -> str:
        """Write the sections; `more` is put in front of them."""
        lines = {"url": url or self.url, **self.options, **options}
        section = "".join(f"{name} = {value}\n" for name, value in lines.items() if value)
        trusted = indented(ca or self.authority.pem)
        return (
            f"{more}[mfa]\nprovider = ldap\n[ldap_server dir]\n{section}"
            f"[tls]\nca_cert = {trusted}\n" + ("" if "[ldap]" in more else "[ldap]\nserver = dir\n")
        )

    def login(self, user: str, password: str, more: str = "", **options: str) -> Answer:
        """Check a password."""
        return Session(self.configure(more=more, **options), user).say(password)

    def bind(self, name: str, user: str, password: str) -> Answer:
        """Check a password by binding as a name that is made of the user's."""
        return self.login(user, password, more=f"[ldap]\nserver = dir\nbind_name = {name}\n")

    def is_whitelisted(
        self, user: str, groups: str, allow: str = "no_user", **options: str
    ) -> bool:
        """Ask whether a user is let in by group; nobody has the password that is behind it."""
        more = f"[ldap_server]\nname = dir\n[whitelist source=ldap_server_group]\nallow = {allow}\n"
        more += f"except = {groups}\n"
        answer = self.login(user, "nobody has this password", more, **options)
        if answer.verdict == "ACCEPT":
            answer.accepted("ldap_server_group")
            return True
        unclear = "user name" in str(answer.metadata["reason"])
        answer.denied("N/A" if unclear else "Authentication failed")
        return False

    def identity(self, user: str, attribute: str, **options: str) -> str:
        """Map a user by an attribute."""
        more = "[ldap_server]\nname = dir\n[usermapping source=ldap_server]\n"
        more += f"user_attribute = {attribute}\n"
        answer = self.login(user, "nobody has this password", more, **options)
        return str(answer.response["cookie"]["mfa_identity"])

    def may_go(self, user: str, group: str, **options: str) -> bool:
        """Ask whether a rule for a group of the directory lets a user go somewhere."""
        more = "[ldap_server]\nname = dir\n[access]\nprovider = rules\ngroups = ldap_server\n"
        more += f"[rule one]\ngroups = {group}\naction = accept\n"
        session = Session(self.configure(more=more, **options), user)
        answer = session.finish(session.begin("authorize", {}))
        expect(answer.verdict in ("ACCEPT", "DENY"), "expected a verdict", answer)
        return answer.verdict == "ACCEPT"

    def refused(self, answer: Answer, *logged: str) -> None:
        """Expect that the user learns nothing, and that the log tells what was wrong."""
        if "user name" in str(answer.metadata["reason"]):
            # A name that may be two people's is denied before the directory is asked.
            answer.denied("N/A")
            return
        answer.denied()
        expect(answer.metadata == {"reason": "N/A"}, "the metadata tells more", answer)
        for piece in logged:
            expect(piece in answer.log, f"expected {piece!r} in the log", answer)


INJECTIONS = [
    "*",
    "alic*",
    "alice)(uid=*",
    "*)(|(uid=*",
    "alice)(&",
    "(uid=alice)",
    "alice\\2a",
    "\\2a",
    "alice,ou=people",
    "uid=alice",
    "alice ",
    " alice",
    "alice\u00ad",
    "ａｌｉｃｅ",
    "álice",
    "a" * 1000,
]
