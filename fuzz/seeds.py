#!/usr/bin/env python3
"""Writes what the fuzzers begin with: seeds.py FOLDER, one folder a target below it.

The seeds are the invocations of the golden cases, the texts of the INI fixture, the examples of
RFC 6030, and a few of each kind that reach every hook and every column.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

AA = ["authenticate", "authorize", "session_ended"]
CREDENTIAL_STORE = [
    "get_password_list",
    "get_private_key_list",
    "authentication_completed",
    "get_remote_app_credentials",
    "get_totp_codes",
    "session_ended",
]
# In the order of Hook::ALL, which is what the digit in front of a bare invocation counts.
BY_DIGIT = [
    "authenticate",
    "authorize",
    "get_password_list",
    "get_private_key_list",
    "authentication_completed",
    "session_ended",
    "get_remote_app_credentials",
    "get_totp_codes",
]
ARGUMENTS = {
    "cookie": {},
    "session_cookie": {},
    "session_id": "s",
    "protocol": "ssh",
    "connection_name": "ssh_to_db",
    "client_ip": "10.1.2.3",
    "server_username": "alice",
    "server_hostname": "db1",
    "server_domain": None,
    "asset": "db1",
    "key_value_pairs": {"otp": "123456"},
}
SERVICE = "[mfa]\nprovider = http\n[http]\nserver_url = http://127.0.0.1:9\n"
CONFIGURATIONS = [
    "[mfa]\nprovider = none\n",
    SERVICE,
    SERVICE + "ignore_connection_error = yes\n",
    "[whitelist source=user_list]\nname = vip\n[user_list vip]\nallow = no_user\nexcept = alice\n",
    "[whitelist source=ldap_server_group]\nallow=no_user\nexcept=dba\n[ldap_server]\nname=ad\n",
    "[auth]\nskip_connections = ssh_*\n",
    "[mfa]\nprovider = none\n[question_1]\nprompt = Ticket:\nkey = ticket\n",
    "[mfa]\nprovider = none\n[authentication_cache]\nreuse_limit = 1\n",
    "[connection_limit by=client_ip_gateway_user]\nlimit = 1\n",
    "[usermapping source=explicit]\nalice = a.smith\n[username_transform]\nappend_domain = x.org\n",
    "[credentials]\nprovider = appliance\nstore = local\n[assets]\ndomain_suffix = example.org\n",
    "[credentials]\nprovider = local, appliance\nstore = local\non_error = next\n",
    "[auth]\nprompt = $\n[credential_store]\nname = x\n[credential_store x]\nprovider = local\n",
]
APPLIANCE = {
    "user_lists": {"vip": {"allow": "no_user", "except": ["root"]}},
    "ldap_servers": {"ad": {"users": {"alice": {"mail": ["a@x"]}}, "groups": {"dba": ["alice"]}}},
    "credential_stores": {
        "local": [
            {
                "host": "db1",
                "user": "alice",
                "credentials": ["pw", {"type": "ssh-rsa", "key": "key"}],
            }
        ]
    },
    "trusted_ca_lists": {"corp": {"certs": []}},
}


def own(plugin: str, progress: dict[str, Any]) -> dict[str, Any]:
    """Make the member of a cookie that is this program's."""
    return {"version": 1, "plugin": plugin, "session_id": "s", "progress": progress}


def cookies() -> list[dict[str, Any]]:
    """Make cookies as they are at each step of a session."""
    accepted = {"reason": "", "road": "none", "from_cache": False}
    counted = {"client_ip": "10.1.2.3", "username": "alice"}
    stages: list[dict[str, Any]] = [
        {"stage": "start", "questions_answered": 0, "counted": False},
        {"stage": "identified", "questions_answered": 0, "counted": False},
        {
            "stage": "factor",
            "answer_key": "pin",
            "questions_answered": 0,
            "counted": False,
        },
        {
            "stage": "questions",
            "accepted": accepted,
            "questions_answered": 0,
            "counted": False,
        },
        {
            "stage": "questions",
            "accepted": accepted,
            "questions_answered": 1,
            "counted": False,
        },
        {
            "stage": "complete",
            "counted_as": counted,
            "questions_answered": 0,
            "counted": True,
        },
    ]
    names = {"username": "alice", "mfa_identity": "alice", "state": {"n": 1}}
    aa = [names | {"__sps_plugin": own("aa", stage)} for stage in stages]
    out = [{"account": "alice", "asset": "db1"}]
    taken = {"account": "alice", "asset": "db1", "remote_app_account": None}
    store = [
        taken | {"__sps_plugin": own("credentialstore", progress)}
        for progress in (
            {"check_in_trigger": "session-ended", "checked_out": out},
            {"check_in_trigger": "authentication-completed", "checked_out": out},
            {"check_in_trigger": "session-ended"},
        )
    ]
    return [{}, {"username": "alice"}, *aa, *store]


def invocations() -> list[str]:
    """Make invocations of every hook, with every configuration and every cookie."""
    found = [
        path.read_text(encoding="utf-8", errors="surrogateescape")
        for path in sorted(ROOT.glob("tests/cases/**/*invocation*.json"))
    ]
    for plugin_type, hooks in (("aa", AA), ("credentialstore", CREDENTIAL_STORE)):
        for hook in hooks:
            invocation: dict[str, Any] = {
                "hook": hook,
                "type": plugin_type,
                "appliance": APPLIANCE,
            }
            for configuration in CONFIGURATIONS:
                invocation |= {"arguments": ARGUMENTS, "configuration": configuration}
                found.append(json.dumps(invocation))
            for cookie in cookies():
                invocation["arguments"] = ARGUMENTS | {"cookie": cookie}
                found.append(json.dumps(invocation))
    found += [str(digit) + json.dumps(ARGUMENTS) for digit in range(len(BY_DIGIT))]
    return found


def cookie_texts() -> list[str]:
    """Make cookies alone, and with a session cookie behind a NUL."""
    answers = json.dumps({"questions": {"ticket": "42"}})
    alone = [json.dumps(cookie) for cookie in cookies()]
    return alone + [f"{cookie}\0{answers}" for cookie in alone]


def ini_texts() -> list[str]:
    """Take the texts of the fixture; where there are two, they are laid over each other."""
    fixture = json.loads((ROOT / "tests/fixtures/python-configparser.json").read_text("utf-8"))
    return CONFIGURATIONS + ["\0".join(case["texts"]) for case in fixture]


def pskc_texts() -> list[str]:
    """Take the examples of RFC 6030, and an attack that none of them has."""
    examples = [path.read_text("utf-8") for path in sorted(ROOT.glob("tests/fixtures/pskc/*.xml"))]
    entities = "<!DOCTYPE r [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><r>&b;&#65;&lt;<![CDATA[x]]></r>"
    return [*examples, entities]


def csv_texts() -> list[str]:
    """Make tables with every column, lines of OATH files, and the YubiKey tools' logs."""
    columns = "serial,secret,type,algorithm,digits,period,counter,user,realm,description"
    secret = "3132333435363738393031323334353637383930"
    base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    totp = f'T1,{secret},totp,sha256,8,60,,alice,realm1,"a ""b"", c"'
    hotp = f"H1,{secret},hotp,SHA1,6,,7,alice@realm2,,"
    entra = "upn,serial number,secret key,time interval,manufacturer,model"
    return [
        f"{columns}\n{totp}\r\n{hotp}\n",
        f"secret, SERIAL\n{secret},A\n",
        f"{entra}\nalice@realm1,1,{base32},30,Contoso,Key\n",
        f"sep=;\nSN;Seed (hex);Time Step\n1:1;{secret};60\n\n# c\n2/2;{secret};30;\n",
        f"tok1, {secret}, hotp, 6, 7\ntok2\t{secret}\ntok3, {secret}, totp, 8, 60, sha512\n",
        f"# version: 2\nalice,res,realm1,tok1,{secret},totp,6,30\n",
        f"OATH-HOTP,1.1.26 18:55,1,cccccccccccb,,{secret},,,0,0,0,6,16,0,0,0,0,0\n"
        f"508327,,0,{secret},,2013-12-12T08:41:07,\n",
    ]


def aegis_texts() -> list[str]:
    """Make a vault in plain and an encrypted one."""
    info = {"secret": "GEZDGNBVGY3TQOJQ", "algo": "SHA256", "digits": 8, "period": 60}
    totp = {"type": "totp", "name": "alice", "issuer": "A", "note": "n", "info": info}
    hotp = {"type": "hotp", "name": "A:bob@r", "info": {"secret": "gezdgnbvgy3tqojq", "counter": 5}}
    header = {"slots": None, "params": None}
    plain = {"version": 1, "header": header, "db": {"version": 3, "entries": [totp, hotp]}}
    return [json.dumps(plain), json.dumps(plain | {"db": "AAAA"})]


def migration_messages() -> list[bytes]:
    """Make a message of Google Authenticator with two accounts."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    def account(name: bytes, numbers: bytes) -> bytes:
        texts = field(1, b"12345678901234567890") + field(2, name) + field(3, b"ACME")
        return field(1, texts + numbers)

    totp = account(b"ACME:alice@r", b"\x20\x01\x28\x01\x30\x02\x38\x00")
    hotp = account(b"bob", b"\x20\x02\x28\x02\x30\x01\x38\x07")
    return [totp + hotp + b"\x10\x01\x18\x02\x20\x00\x28\xff\x01", hotp]


def private_key_texts() -> list[str]:
    """Take the keys of the tests: every type in every form."""
    return [path.read_text("utf-8") for path in sorted(ROOT.glob("tests/fixtures/keys/*"))]


def credential_texts() -> list[str]:
    """Make a file of KeePass with all that is looked for, and CSV with every column."""

    def entry(**strings: str) -> str:
        pairs = [f"<String><Key>{k}</Key><Value>{v}</Value></String>" for k, v in strings.items()]
        return f"<Entry>{''.join(pairs)}<History><Entry>{pairs[0]}</Entry></History></Entry>"

    entries = entry(UserName="root", Password="p&lt;", URL="ssh://a@db1:22/x", otp="GEZDGNBV")
    bin_id = "<Meta><RecycleBinUUID>B</RecycleBinUUID></Meta>"
    group = f"<Group><UUID>B</UUID>{entry(Title='t', UserName='u', Password='p')}</Group>"
    keepass = f"<KeePassFile>{bin_id}<Root><Group>{entries}{group}</Group></Root></KeePassFile>"
    columns = "account,asset,password,totp,checkout,launch_information,host_app,description,store"
    line = 'root,*.lan,"a ""b""",GEZDGNBV,exclusive,--cmd x,app,note,plugin'
    referring = entry(UserName="{REF:U@T:t}", Password="{S:x}{TITLE}", Title="t", x="{URL:HOST}")
    codes = entry(UserName="u", Title="t", otp="key=GEZDGNBV&amp;step=60&amp;size=8")
    tray = entry(UserName="u", Title="t", **{"TOTP Seed": "GEZDGNBV", "TOTP Settings": "60;8"})
    times = "<Times><ExpiryTime>iRKd4g4AAAA=</ExpiryTime><Expires>True</Expires></Times>"
    expired = f"<Entry><UUID>ABEiM0RVZneImaq7zN3u/w==</UUID>{times}</Entry>"
    more = (
        f"<KeePassFile><Root><Group>{referring}{codes}{tray}{expired}</Group></Root></KeePassFile>"
    )
    xc = '"Group","Title","Username","Password","URL","Notes","TOTP"'
    xc_line = '"Root/Recycle Bin","t","u","{PASSWORD}","db1","n","otpauth://totp/x?secret=GEZDGNBV"'
    return [
        more,
        f" {xc}\n{xc_line}\n",
        keepass,
        f" {columns}\n{line}\n",
        " asset,account,password\r\ndb1,root,x\r\n",
    ]


def otpauth_texts() -> list[str]:
    """Make URIs as apps write them."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    totp = (
        f"otpauth://totp/ACME%20Co:john@x.org?secret={secret}&issuer=ACME&algorithm=SHA512&digits=8"
    )
    hotp = f"otpauth://hotp/alice?secret={secret}&counter=5&period=30"
    message = "CjcKFDEyMzQ1Njc4OTAxMjM0NTY3ODkwEhFBQ01FOmFsaWNlQHJlYWxtMRoEQUNNRSABKAEwAjgAEAE%3D"
    return [
        totp,
        hotp,
        f"# two\n{totp}&period=60\n\n{hotp}\n",
        "otpauth://totp/privacyIDEA:TOTP0001ABCD?secret=GEZD%20GNBV+GY3T-QOJQ&issuer&digits=\n",
        f"otpauth-migration://offline?data={message}\n",
    ]


def yubico_texts() -> list[str]:
    """Make responses as Yubico's, Debian's and privacyIDEA's servers write them."""
    parameters = [
        "h=kQjNjzTHh62af54qyADqRsfPwXE=",
        "t=2026-01-31T12:00:00Z0042",
        "otp=ccccccbchvthdvbtulidunrurkdljflirjnkvtldnbjr",
        "nonce=0123456789abcdef0123456789abcdef",
        "sl=25",
        "status=OK",
    ]
    errors = [f"h=\nt=1\nstatus={status}\n" for status in ("BAD_OTP", "NO_SUCH_CLIENT")]
    return ["\r\n".join([*parameters, "", ""]), "\n".join(parameters), *errors]


def radius_replies() -> list[bytes]:
    """Make codes with attributes behind them, which the target signs."""
    message, state = b"\x12\x07Hello", b"\x18\x0aabcdefgh"
    prompt, proxy = b"\x4c\x06\x00\x00\x00\x01", b"\x21\x04ab"
    vendor = b"\x1a\x0c\x00\x00\x01\x37\x01\x06abcd"
    return [
        b"\x02",
        b"\x03" + message * 3,
        b"\x0b" + message + state + prompt,
        b"\x0b" + state * 2,
        b"\x02" + vendor + proxy,
        b"\x0b\x12\xff" + b"x" * 253 + state,
        b"\x02\x50\x12" + bytes(16),
    ]


def ldap_messages() -> list[bytes]:
    """Make results, an entry, a page's end, and filters with a name."""
    result = b"\x0a\x01\x00\x04\x00\x04\x00"
    paged = b"\x04\x161.2.840.113556.1.4.319\x04\x08\x30\x06\x02\x01\x00\x04\x01c"
    control = b"\xa0\x24\x30\x22" + paged
    return [
        b"\x30\x0c\x02\x01\x01\x61\x07" + result,
        b"\x30\x84\x00\x00\x00\x0c\x02\x01\x01\x78\x07" + result,
        b"\x30\x32\x02\x01\x02\x65\x07" + result + control,
        b"\x30\x16\x02\x01\x02\x64\x11\x04\x04cn=x\x30\x09\x30\x07\x04\x02cn\x31\x01\x04",
        b"(&(objectClass=person)(|(uid={user})(mail={user}@x.org)))\nali*ce",
        b"(!(cn=a*\\2a*{user}))\n)(uid=*",
        b"(member:1.2.840.113556.1.4.1941:={user})\ncn=x",
    ]


def main() -> None:
    """Write one file a seed, named after its content."""
    corpus = Path(sys.argv[1])
    made = {
        "invocation": invocations(),
        "cookie": cookie_texts(),
        "ini": ini_texts(),
        "pskc": pskc_texts(),
        "private_key": private_key_texts(),
        "credentials": credential_texts(),
        "csv": csv_texts(),
        "otpauth": otpauth_texts(),
        "aegis": aegis_texts(),
        "import": pskc_texts() + csv_texts() + otpauth_texts() + aegis_texts(),
        "yubico": yubico_texts(),
    }
    contents = {
        target: [text.encode("utf-8", errors="surrogateescape") for text in texts]
        for target, texts in made.items()
    }
    contents["import"] += [text.encode("utf-16") for text in csv_texts()]
    contents["migration"] = migration_messages()
    contents["radius"] = radius_replies()
    contents["ldap"] = ldap_messages()
    for target, seeds in contents.items():
        folder = corpus / target
        folder.mkdir(parents=True, exist_ok=True)
        for content in seeds:
            (folder / sha256(content).hexdigest()[:16]).write_bytes(content)
        print(f"{target}: {len(set(seeds))} seeds")


if __name__ == "__main__":
    main()
