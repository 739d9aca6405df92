"""The plugin against a real OpenBao: vault_checks.py BINARY."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

import slapd
from support import (
    Answer,
    Authority,
    Checks,
    Json,
    Session,
    ask_servers,
    expect,
    free_port,
    indented,
)
from vault_server import Vault

checks = Checks()
POLICY = """
path "secret/data/users/*" { capabilities = ["read"] }
path "kv1/*" { capabilities = ["read"] }
path "team/kv/data/*" { capabilities = ["read"] }
path "ssh/creds/*" { capabilities = ["update"] }
"""


class Site:
    """The servers with what is in them."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder, "ca")
        self.other = Authority(folder, "other")
        entries = [slapd.person("lena", "lenapw"), slapd.person("olaf", "olafpw")]
        entries.append(slapd.group("admins", "lena"))
        self.ldap = slapd.Slapd(folder / "slapd", self.authority, free_port(), entries)
        self.vault = vault = Vault(binary, folder / "vault", self.authority)
        vault.put("sys/policies/acl/app", policy=POLICY)
        self.mount()
        self.methods()

    def mount(self) -> None:
        """Mount the engines, and put secrets into them."""
        put = self.vault.put
        put("sys/mounts/secret", type="kv", options={"version": "2"})
        put("sys/mounts/team/kv", type="kv", options={"version": "2"})
        put("sys/mounts/kv1", type="kv", options={"version": "1"})
        put("sys/mounts/ssh", type="ssh")
        put("ssh/roles/root", key_type="otp", default_user="root", cidr_list="10.0.0.0/8")
        key = rsa.generate_private_key(65537, 2048)
        self.key = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()
        put("kv1/users/root", password="v1 password ✓", key=self.key, number=5, empty="")
        put("kv1/users/a%20b", password="blank")
        put("kv1/users/a%23b", password="hash")
        put("kv1/users/j%C3%B6hn", password="umlaut")
        put("kv1/users/CORP%5Cbob", password="backslash")
        put("kv1/users/nested/deep", password="below")
        put("kv1/assets/db1/root", password="of db1")
        put("kv1/other", password="typed", second="second")
        put("secret/data/users/root", data={"password": "first version"})
        put("secret/data/users/root", data={"password": "v2 password"})
        put("secret/data/users/gone", data={"password": "x"})
        self.vault.call("DELETE", "secret/data/users/gone")
        put("team/kv/data/root", data={"password": "team password"})

    def methods(self) -> None:
        """Enable the ways to log in."""
        put = self.vault.put
        for method in ("userpass", "approle", "ldap", "jwt", "cert"):
            put(f"sys/auth/{method}", type=method)
        put("sys/auth/people", type="userpass")
        for mount in ("userpass", "people"):
            put(f"auth/{mount}/users/svc", password="svcpw", token_policies="app")
        put("auth/userpass/users/nobody", password="nobodypw")
        put("auth/approle/role/app", token_policies="app")
        put(
            "sys/policies/acl/approle",
            policy='path "auth/approle/role/app/*" { capabilities = ["read", "update"] }',
        )
        put(
            "auth/ldap/config",
            url=self.ldap.url,
            userdn=f"ou=people,{slapd.SUFFIX}",
            groupdn=f"ou=groups,{slapd.SUFFIX}",
            binddn=f"cn=admin,{slapd.SUFFIX}",
            bindpass="admin",
            userattr="uid",
            certificate=self.authority.pem,
        )
        put("auth/ldap/groups/admins", policies="app")
        self.signer = ec.generate_private_key(ec.SECP256R1())
        public = self.signer.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        put("auth/jwt/config", jwt_validation_pubkeys=[public.decode()])
        put(
            "auth/jwt/role/app",
            role_type="jwt",
            user_claim="sub",
            bound_audiences=["vault"],
            token_policies="app",
        )
        put("auth/cert/certs/plugin", certificate=self.authority.pem, token_policies="app")

    def new_token(self, policy: str = "app") -> str:
        """Make a token."""
        answer = self.vault.put("auth/token/create", policies=[policy])
        return str(answer["auth"]["client_token"])

    def jwt(self) -> str:
        """Sign a JWT (RFC 7519), ES256."""

        def part(value: bytes) -> str:
            return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

        now = int(time.time())
        claims = {"sub": "gateway", "aud": "vault", "iat": now, "exp": now + 300}
        text = part(b'{"alg":"ES256","typ":"JWT"}') + "." + part(json.dumps(claims).encode())
        signature = self.signer.sign(text.encode(), ec.ECDSA(hashes.SHA256()))
        numbers = decode_dss_signature(signature)
        return text + "." + part(b"".join(number.to_bytes(32, "big") for number in numbers))

    def tokens(self) -> set[str]:
        """List the tokens that live, by their accessors."""
        return set(self.vault.listed("auth/token/accessors"))

    def leases(self) -> list[str]:
        """List the leases of one-time passwords."""
        return self.vault.listed("sys/leases/lookup/ssh/creds/root")


USERPASS = {"authentication_method": "userpass", "use_credential": "explicit"}
USERPASS |= {"username": "svc", "password": "svcpw"}
KV1 = {"engine-kv-v1": {"secrets_path": "kv1/users"}}


def configure(site: Site, login: Json, *sections: dict[str, Json], tls: bool = True) -> str:
    """Write a configuration."""
    host, port = ("localhost", site.vault.tls) if tls else ("127.0.0.1", site.vault.plain)
    certificate = {"ca_cert": indented(site.authority.pem)} if tls else {"enabled": "no"}
    all_sections: dict[str, Json] = {
        "credentials": {"provider": "vault"},
        "hashicorp": {"address": host, "port": port, **login},
        "tls": certificate,
    }
    for more in sections:
        for name, options in more.items():
            all_sections[name] = {**all_sections.get(name, {}), **options}
    lines = []
    for name, options in all_sections.items():
        lines.append(f"[{name}]")
        for option, value in options.items():
            lines.append(f"{option} = {str(value).replace('%', '%%')}")
    return "\n".join(lines) + "\n"


class Connection(Session):
    """A session of the credential store plugin."""

    plugin_type = "credentialstore"

    def __init__(self, configuration: str, user: str = "wsmith") -> None:
        super().__init__(configuration, user)

    def ask(self, hook: str, status: int = 0, **arguments: object) -> Answer:
        """Call a hook for root on db1, unless the arguments say otherwise."""
        target = {"server_username": "root", "server_hostname": "db1", "server_ip": "10.0.0.5"}
        return self.finish(self.begin(hook, {**target, **arguments}), status)

    def passwords(self, status: int = 0, **arguments: object) -> list[str]:
        """Return the passwords."""
        self.last = self.ask("get_password_list", status, **arguments)
        return list(self.last.response["passwords"])

    def keys(self, status: int = 0, **arguments: object) -> list[list[str]]:
        """Return the private keys."""
        self.last = self.ask("get_private_key_list", status, **arguments)
        return list(self.last.response["private_keys"])


def gives(connection: Connection, *wanted: str, **arguments: Any) -> None:
    """Expect these passwords."""
    found = connection.passwords(**arguments)
    expect(found == list(wanted), f"expected {wanted}", found, connection.last)


@checks.check
def every_way_to_log_in(site: Site) -> None:
    """Userpass, another mount, LDAP, AppRole both ways, token, JWT and certificate log in."""
    get = site.vault.call
    role_id = get("GET", "auth/approle/role/app/role-id").json()["data"]["role_id"]
    secret_id = site.vault.put("auth/approle/role/app/secret-id")["data"]["secret_id"]
    certificate, key = site.authority.issue("127.0.0.9")
    client = indented(certificate.read_text() + key.read_text())
    lena = {"username": "lena", "password": "lenapw", "use_credential": "explicit"}
    approle = {"authentication_method": "approle"}
    for login, section in [
        (USERPASS, {}),
        ({**USERPASS, "authentication_mount": "people"}, {}),
        ({"authentication_method": "ldap", **lena}, {}),
        (
            approle,
            {"approle-authentication": {"role": "app", "vault_token": site.new_token("approle")}},
        ),
        (approle, {"approle-authentication": {"role_id": role_id, "secret_id": secret_id}}),
        (
            {"authentication_method": "token"},
            {"token-authentication": {"token": site.new_token()}},
        ),
        (
            {"authentication_method": "jwt"},
            {"jwt-authentication": {"role": "app", "jwt": site.jwt()}},
        ),
        (
            {"authentication_method": "cert"},
            {"cert-authentication": {"name": "plugin"}, "tls": {"client_cert": client}},
        ),
    ]:
        gives(Connection(configure(site, login, KV1, section)), "v1 password ✓")


@checks.check
def servers_are_asked(site: Site) -> None:
    """check-config --online tries a login, leaves nothing behind, and tells a wrong one."""
    role = site.vault.call("GET", "auth/approle/role/app/role-id").json()["data"]["role_id"]
    secret_id = site.vault.put("auth/approle/role/app/secret-id")["data"]["secret_id"]
    approle, token = {"authentication_method": "approle"}, site.new_token()
    by_ids = {"approle-authentication": {"role_id": role, "secret_id": secret_id}}
    by_role = {"approle-authentication": {"role": "app", "vault_token": site.new_token("approle")}}
    jwt = {"jwt-authentication": {"role": "app", "jwt": site.jwt()}}
    left = len(site.vault.listed("auth/approle/role/app/secret-id"))
    tokens = site.tokens()
    for login, section in [
        (USERPASS, {}),
        (approle, by_ids),
        (approle, by_role),
        ({"authentication_method": "jwt"}, jwt),
        ({"authentication_method": "token"}, {"token-authentication": {"token": token}}),
    ]:
        asked = ask_servers(configure(site, login, KV1, section), "svcpw")
        asked.well("sys/health", "login")
    expect(site.tokens() == tokens, "a token was left", tokens, site.tokens())
    found = len(site.vault.listed("auth/approle/role/app/secret-id"))
    expect(found == left, "a secret id was left", found)
    other = {**USERPASS, "password": "wr0ng-secret"}
    wrong = ask_servers(configure(site, other, KV1), "wr0ng-secret")
    wrong.shows("sys/health", "ok").shows("login", "error")
    bad = {"token-authentication": {"token": "s.no-such-token"}}
    asked = ask_servers(configure(site, {"authentication_method": "token"}, KV1, bad))
    asked.shows("lookup-self", "error")
    untrusted = {"tls": {"ca_cert": indented(site.other.pem)}}
    ask_servers(configure(site, USERPASS, KV1, untrusted)).shows("TLS", "error", "certificate")


@checks.check
def the_gateways_credential(site: Site) -> None:
    """The user's own name and password log in, and without them nobody does."""
    login = {"authentication_method": "userpass", "use_credential": "gateway"}
    connection = Connection(configure(site, login, KV1), "svc")
    gives(connection, "v1 password ✓", gateway_password="svcpw")
    for password in ("wrong", "", None):
        found = connection.passwords(1, gateway_password=password)
        expect(found == [], "expected nothing", connection.last)
        expect("svcpw" not in connection.last.log and "wrong" not in connection.last.log, "leak")


@checks.check
def no_login_lives_on(site: Site) -> None:
    """The token of a login is revoked when the hook ends, whether it found something or not."""
    before = site.tokens()
    connection = Connection(configure(site, USERPASS, KV1))
    gives(connection, "v1 password ✓")
    gives(connection, server_username="unknown")
    expect(connection.keys(server_username="nobody") == [], "expected no key")
    expect(site.tokens() == before, "a token lives on", site.tokens() - before)
    given = site.new_token()
    login = {"authentication_method": "token"}
    section = {"token-authentication": {"token": given}}
    gives(Connection(configure(site, login, KV1, section)), "v1 password ✓")
    looked_up = site.vault.call("PUT", "auth/token/lookup", token=given)
    expect(looked_up.status_code == 200, "the configured token was revoked", looked_up.text)


@checks.check
def version_1(site: Site) -> None:
    """KV version 1: names with any character, other fields, {account} and {asset}, keys."""
    connection = Connection(configure(site, USERPASS, KV1))
    for account, password in [
        ("a b", "blank"),
        ("a#b", "hash"),
        ("jöhn", "umlaut"),
        ("CORP\\bob", "backslash"),
    ]:
        gives(connection, password, server_username=account)
    for account in ("nested/deep", "../other", "..", "nested%2fdeep", "../users/root", "?x"):
        gives(connection, server_username=account)
    found = connection.keys()
    expect(found == [["ssh-rsa", site.key]], "expected the key", connection.last)
    paths = {"engine-kv-v1": {"secrets_path": "kv1/assets/{asset}/{account}"}}
    gives(Connection(configure(site, USERPASS, paths)), "of db1")
    fields = {"engine-kv-v1": {"secrets_path": "kv1/users", "password_field": "missing"}}
    gives(Connection(configure(site, USERPASS, fields)))
    for field in ("number",):
        fields["engine-kv-v1"]["password_field"] = field
        connection = Connection(configure(site, USERPASS, fields))
        expect(connection.passwords(1) == [], "a number is no password", connection.last)


@checks.check
def version_2(site: Site) -> None:
    """KV version 2: with and without data/, the newest version, a deleted one, a deep mount."""
    for path in ("secret/users", "secret/data/users"):
        section = {"engine-kv-v2": {"secrets_path": path}}
        connection = Connection(configure(site, USERPASS, section))
        gives(connection, "v2 password")
        gives(connection, server_username="gone")
        gives(connection, server_username="never")
    section = {"engine-kv-v2": {"secrets_path": "team/kv", "mount": "team/kv"}}
    gives(Connection(configure(site, USERPASS, section)), "team password")


@checks.check
def a_typed_path(site: Site) -> None:
    """The path that the user typed is read, with its field, and none of Vault's own."""
    connection = Connection(configure(site, USERPASS, KV1))

    def typed(path: str, *wanted: str) -> None:
        connection.cookies = {"cookie": {}, "session_cookie": {"questions": {"vp": path}}}
        gives(connection, *wanted)

    typed("kv1/other", "typed")
    typed("kv1/other#second", "second")
    typed("password://kv1/other#second", "second")
    typed("key://kv1/other")
    typed("kv1/users/a##b", "hash")
    typed("kv1/users//root", "v1 password ✓")
    for path in (
        "sys/health#cluster_id",
        "auth/token/lookup-self#id",
        "kv1/../sys/health",
        "kv1/auth/token/lookup-self#id",
        "team//auth/token/lookup-self#id",
        "/kv1/other",
        "secret/data/users/root#data",
        "x://y",
    ):
        typed(path)


@checks.check
def a_dynamic_secret(site: Site) -> None:
    """A one-time password of the SSH engine lives until check-in, and its login with it."""
    section = {"engine-ssh": {"secrets_path": "ssh/creds/{account}"}}
    before = site.tokens()
    connection = Connection(configure(site, USERPASS, section))
    found = connection.passwords()
    expect(len(found) == 1, "expected a password", connection.last)
    expect(len(site.leases()) == 1, "expected a lease", site.leases())
    expect(len(site.tokens() - before) == 1, "expected the login to live")
    text = json.dumps(connection.last.response["cookie"])
    expect(found[0] not in text + connection.last.log, "the password leaked")
    connection.ask("session_ended")
    expect(site.leases() == [], "the lease lives on", site.leases())
    expect(site.tokens() == before, "the login lives on")
    connection.ask("session_ended")
    # With a token that is not ours to end, the lease itself is revoked.
    policy = POLICY + 'path "sys/leases/revoke" { capabilities = ["update"] }'
    site.vault.put("sys/policies/acl/lessor", policy=policy)
    login = {"authentication_method": "token"}
    given = {"token-authentication": {"token": site.new_token("lessor")}}
    connection = Connection(configure(site, login, section, given))
    expect(len(connection.passwords()) == 1, "expected a password", connection.last)
    expect(len(site.leases()) == 1, "expected a lease", site.leases())
    connection.ask("session_ended")
    expect(site.leases() == [], "the lease lives on", site.leases())


@checks.check
def wrapped(site: Site) -> None:
    """With wrap_ttl everything secret comes wrapped, and is unwrapped at once."""
    login = {**USERPASS, "wrap_ttl": 60}
    gives(Connection(configure(site, login, KV1)), "v1 password ✓")
    gives(Connection(configure(site, login, KV1)), server_username="unknown")
    section = {"approle-authentication": {"role": "app", "vault_token": site.new_token("approle")}}
    approle = {"authentication_method": "approle", "wrap_ttl": 60}
    gives(Connection(configure(site, approle, KV1, section)), "v1 password ✓")


@checks.check
def namespaces(site: Site) -> None:
    """A namespace has secrets and logins of its own."""
    put = site.vault.put
    put("sys/namespaces/tenant", custom_metadata={"a": "b"})
    put("sys/mounts/kv1", "tenant", type="kv", options={"version": "1"})
    put("kv1/users/root", "tenant", password="of the team")
    put("sys/policies/acl/app", "tenant", policy=POLICY)
    put("sys/auth/userpass", "tenant", type="userpass")
    put("auth/userpass/users/svc", "tenant", password="svcpw", token_policies="app")
    login = {**USERPASS, "namespace": "tenant"}
    gives(Connection(configure(site, login, KV1)), "of the team")
    expect(Connection(configure(site, {**login, "namespace": "x"}, KV1)).passwords(1) == [], "none")


@checks.check
def references(site: Site) -> None:
    """Options that are $ come from Vault, and a login that needs itself is refused."""
    site.vault.put("secret/data/users/hashicorp", data={"password": "svcpw"})
    site.vault.put("kv1/users/account", prefix="ro")
    store = {"provider": "vault", "secrets_path": "kv1/users", "kv_version": 1}
    sections: dict[str, Json] = {
        "credential_store": {"name": "own"},
        "credential_store own": store,
        "account": {"prefix": "$"},
    }
    connection = Connection(configure(site, USERPASS, KV1, sections))
    gives(connection, "v1 password ✓", server_username="ot")
    circle = Connection(configure(site, {**USERPASS, "password": "$"}, KV1, sections))
    expect(circle.passwords(2) == [], "expected nothing", circle.last)


@checks.check
def refusals(site: Site) -> None:
    """A login or policy that does not allow it is a fault with nothing given and nothing told."""
    wrong = {**USERPASS, "password": "wr0ng-passw0rd"}
    nobody = {**USERPASS, "username": "nobody", "password": "nobodypw"}
    section = {"token-authentication": {"token": "s.unknown-t0ken"}}
    for login in (wrong, nobody, {"authentication_method": "token"}):
        connection = Connection(configure(site, login, KV1, section))
        expect(connection.passwords(1) == [], "expected nothing", connection.last)
        for secret in ("wr0ng-passw0rd", "nobodypw", "s.unknown-t0ken"):
            expect(secret not in str(connection.last), "leaked", secret)
        expect("400" in connection.last.log or "403" in connection.last.log, "no reason")


@checks.check
def certificates(site: Site) -> None:
    """Another CA, a name that the certificate lacks, and plain HTTP at a TLS port are refused."""
    foreign = {"tls": {"ca_cert": indented(site.other.pem)}}
    expect(Connection(configure(site, USERPASS, KV1, foreign)).passwords(1) == [], "foreign CA")
    name = {"hashicorp": {"address": "127.0.0.1"}}
    expect(Connection(configure(site, USERPASS, KV1, name)).passwords(1) == [], "wrong name")
    plain = {"tls": {"enabled": "no"}}
    expect(Connection(configure(site, USERPASS, KV1, plain)).passwords(1) == [], "plain")
    gives(Connection(configure(site, USERPASS, KV1, tls=False)), "v1 password ✓")


@checks.check
def several_addresses(site: Site) -> None:
    """The first address that answers as the active node is taken."""
    dead = free_port()
    both = {"hashicorp": {"address": f"https://localhost:{dead}, localhost"}}
    connection = Connection(configure(site, USERPASS, KV1, both))
    gives(connection, "v1 password ✓")
    expect(f"localhost:{dead}" in connection.last.log, "the log names the dead one")
    none = {"hashicorp": {"address": f"https://localhost:{dead}"}}
    expect(Connection(configure(site, USERPASS, KV1, none)).passwords(1) == [], "nobody there")


@checks.check
def sealed(site: Site) -> None:
    """A sealed Vault gives nothing and the log says that it is sealed; check-in waits for it."""
    section = {"engine-ssh": {"secrets_path": "ssh/creds/{account}"}}
    open_one = Connection(configure(site, USERPASS, section))
    expect(len(open_one.passwords()) == 1, "expected a password", open_one.last)
    site.vault.seal()
    try:
        connection = Connection(configure(site, USERPASS, KV1))
        expect(connection.passwords(1) == [], "expected nothing", connection.last)
        expect("sealed" in connection.last.log, "the log does not say why", connection.last)
        open_one.ask("session_ended", 1)
    finally:
        site.vault.unseal()
    expect(len(site.leases()) == 1, "expected the lease to live", site.leases())
    open_one.ask("session_ended")
    expect(site.leases() == [], "the lease lives on", site.leases())


def main() -> int:
    """Start the servers, run the checks, end the servers."""
    with tempfile.TemporaryDirectory(prefix="sps-live-") as folder:
        site = Site(sys.argv[1], Path(folder))
        try:
            return checks.run(site, lambda _: True)
        finally:
            site.vault.stop()
            site.ldap.stop()


if __name__ == "__main__":
    sys.exit(main())
