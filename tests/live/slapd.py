"""A slapd of our own: its own configuration, database and certificate, no system service."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from support import Authority, Process

SUFFIX = "dc=example,dc=org"
CONFIG = """dn: cn=config
objectClass: olcGlobal
cn: config
olcTLSCACertificateFile: {folder}/ca.pem
olcTLSCertificateFile: {certificate}
olcTLSCertificateKeyFile: {key}

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: memberof
olcModuleLoad: ppolicy

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif
include: file:///etc/ldap/schema/cosine.ldif
include: file:///etc/ldap/schema/inetorgperson.ldif
include: file:///etc/ldap/schema/nis.ldif

dn: olcDatabase={{1}}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcDbDirectory: {folder}/db
olcSuffix: {suffix}
olcRootDN: cn=admin,{suffix}
olcRootPW: admin
olcDbIndex: objectClass,uid,cn,member,memberUid eq
olcSizeLimit: 500
olcLimits: users size.soft=500 size.hard=500 size.pr=500 size.prtotal=unlimited
olcAccess: to attrs=userPassword by anonymous auth by * none
olcAccess: to * by users read by anonymous auth by * none

dn: olcOverlay=memberof,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcMemberOf
olcOverlay: memberof

dn: olcOverlay=ppolicy,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: ppolicy
olcPPolicyDefault: cn=default,ou=policies,{suffix}
olcPPolicyUseLockout: TRUE
"""


def entry(dn: str, **attributes: str | list[str]) -> str:
    """Write an entry as LDIF (RFC 2849), every value encoded."""

    def line(name: str, value: str) -> str:
        return f"{name}:: {base64.b64encode(value.encode()).decode()}"

    lines = [line("dn", dn)]
    for name, values in attributes.items():
        for value in [values] if isinstance(values, str) else values:
            lines.append(line(name, value))
    return "\n".join(lines) + "\n\n"


def person(uid: str, password: str) -> str:
    """Write a person."""
    return entry(
        f"uid={uid},ou=people,{SUFFIX}",
        objectClass="inetOrgPerson",
        uid=uid,
        cn=uid,
        sn=uid,
        userPassword=password,
    )


def group(name: str, *members: str) -> str:
    """Write a group of people."""
    dns = [f"uid={member},ou=people,{SUFFIX}" for member in members]
    return entry(f"cn={name},ou=groups,{SUFFIX}", objectClass="groupOfNames", cn=name, member=dns)


class Slapd:
    """The server with what is given to it, over TLS and, if there is a port for it, plain."""

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        port: int,
        entries: list[str],
        plain_port: int | None = None,
    ) -> None:
        self.url = f"ldaps://127.0.0.1:{port}"
        self.plain = f"ldap://127.0.0.1:{plain_port}"
        (folder / "config").mkdir(parents=True)
        (folder / "db").mkdir()
        (folder / "ca.pem").write_text(authority.pem)
        certificate, key = authority.issue("127.0.0.1")
        config = folder / "config.ldif"
        config.write_text(
            CONFIG.format(folder=folder, certificate=certificate, key=key, suffix=SUFFIX)
        )
        base = entry(SUFFIX, objectClass=["dcObject", "organization"], dc="example", o="Example")
        for unit in ("people", "groups", "policies"):
            base += entry(f"ou={unit},{SUFFIX}", objectClass="organizationalUnit", ou=unit)
        base += entry(
            f"cn=default,ou=policies,{SUFFIX}",
            objectClass=["device", "pwdPolicy"],
            cn="default",
            pwdAttribute="userPassword",
            pwdLockout="TRUE",
            pwdMaxFailure="1000",
            pwdMustChange="TRUE",
        )
        data = folder / "data.ldif"
        data.write_text(base + "".join(entries))
        place = ["-F", str(folder / "config")]
        for number, source in (("0", config), ("1", data)):
            subprocess.run(
                ["/usr/sbin/slapadd", "-n", number, *place, "-l", str(source)],
                check=True,
                capture_output=True,
            )
        # In the foreground, so that it is our child.
        urls = self.url if plain_port is None else f"{self.url} {self.plain}"
        command = ["/usr/sbin/slapd", *place, "-h", urls, "-d", "stats"]
        self.process = Process(command, folder / "slapd.log", {"PATH": "/usr/bin:/bin"})
        self.process.wait_for(port)

    def stop(self) -> None:
        """End it."""
        self.process.stop()
