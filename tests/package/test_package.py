"""The packages as SPS has them: what is in them, what the SDK's tool says, where they run."""

import ast
import hashlib
import http.server
import inspect
import json
import os
import re
import shutil
import ssl
import stat
import subprocess
import sys
import threading
import unittest
import zipfile
from pathlib import Path

from safeguard.sessions.plugin import AAPlugin, CredentialStorePlugin
from safeguard.sessions.plugin_impl.box_config import stable_box_configuration
from safeguard.sessions.plugin_impl.ldap_server import ldap_servers
from safeguard.sessions.plugin_impl.user_list import user_lists
from support import Authority, hotp

from unpacked import NAMES, ROOT, SECONDS, SECRET, STATE, Json, PackageTest, unpack, zip_of

SCENARIOS = (
    "SshWithGatewayAuth",
    "SshWithoutGatewayAuth",
    "RdpWithGatewayAuth",
    "RdpWithoutGatewayAuth",
)
FILES = [
    "CHANGELOG",
    "LICENSE.txt",
    "MANIFEST",
    "README",
    "default.cfg",
    "main.py",
    "sps-plugin",
    "sps-plugin.sha256",
    "third-party-licences.txt",
]
# What older versions of SPS call the target, after `target_`.
OLDER = ("username", "domain", "host", "port", "server")
ARGUMENTS: dict[str, Json] = {
    "cookie": {},
    "session_cookie": {},
    "session_id": "svc/1",
    "protocol": "ssh",
    "client_ip": "10.1.2.3",
    "gateway_user": "alice",
    "key_value_pairs": {"otp": "123456"},
}
# What everybody but the owner may do with the ZIP once it is unpacked: read.
CALLER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import main
plugin = main.Plugin(sys.stdin.readline().encode().decode("unicode_escape"))
print(json.dumps(plugin.authenticate(**json.loads(sys.stdin.readline()))))
"""


class ContentTest(unittest.TestCase):
    """The ZIPs, read and not run."""

    def test_a_package_has_what_sps_and_the_licences_want_in_a_fixed_form(self) -> None:
        """Names in order, one time for all, modes, less than 20 MB."""
        for plugin_type in NAMES:
            with zipfile.ZipFile(zip_of(plugin_type)) as package:
                infos = package.infolist()
                names = [info.filename for info in infos]
                self.assertEqual(
                    [name for name in names if "/" not in name],
                    FILES,
                )
                self.assertEqual(names, sorted(names))
                self.assertEqual(len({info.date_time for info in infos}), 1)
                modes = {info.filename: stat.S_IMODE(info.external_attr >> 16) for info in infos}
                self.assertEqual(
                    {name for name, mode in modes.items() if mode != 0o644},
                    {"main.py", "sps-plugin"},
                )
                self.assertEqual((modes["main.py"], modes["sps-plugin"]), (0o755, 0o755))
                main = package.read("main.py").decode()
                self.assertTrue(main.startswith("#!/usr/bin/env pluginwrapper3\n"))
                digest = hashlib.sha256(package.read("sps-plugin")).hexdigest()
                self.assertEqual(package.read("sps-plugin.sha256").decode(), f"{digest}\n")
            self.assertLess(zip_of(plugin_type).stat().st_size, 20_000_000)

    def test_the_modules_behind_both_main_py_are_the_same(self) -> None:
        """One fault is mended once."""
        aa, store = (zipfile.ZipFile(zip_of(plugin_type)) for plugin_type in NAMES)
        with aa, store:
            modules = [name for name in aa.namelist() if name.startswith("sps_plugin")]
            self.assertGreater(len(modules), 5)
            for name in modules:
                self.assertEqual(aa.read(name), store.read(name), name)

    def test_default_cfg_has_each_section_of_its_type_and_no_other(self) -> None:
        """As the lines `# Read by:` in plugin.ini.example say."""
        example = (ROOT / "plugin.ini.example").read_text()
        stated = re.findall(r"^\[(.+)\]\n# Read by: (.+)$", example, re.MULTILINE)
        self.assertEqual(len(stated), len(re.findall(r"^\[", example, re.MULTILINE)))
        for plugin_type in NAMES:
            with zipfile.ZipFile(zip_of(plugin_type)) as package:
                text = package.read("default.cfg").decode()
            wanted = [name for name, types in stated if plugin_type in types.split(", ")]
            self.assertEqual(re.findall(r"^\[(.+)\]$", text, re.MULTILINE), wanted)
            self.assertNotRegex(text, r"(?m)^[^;#\[\n]", "every option is commented out")

    def test_every_crate_in_the_binary_has_its_licence_in_the_package(self) -> None:
        """Those of the lock file that are linked; a few that are known to be."""
        with zipfile.ZipFile(zip_of("aa")) as package:
            text = package.read("third-party-licences.txt").decode()
        for name in ("ring", "rusqlite", "rustls", "subtle", "serde_json", "argon2"):
            version = re.search(
                rf'name = "{name}"\nversion = "(.+)"', (ROOT / "Cargo.lock").read_text()
            )
            assert version is not None
            crate = f"{name} {version[1]}"
            self.assertRegex(text, rf"(?m)^{re.escape(crate)}: \S+")
            self.assertRegex(text, rf"(?m)^{re.escape(crate)}$", "and stands above a text")
        for needed in (
            "public domain",
            "libunwind",
            "standard library",
            "Permission is hereby granted",
        ):
            self.assertIn(needed, text)

    def test_every_python_file_is_of_python_3_8_by_its_syntax(self) -> None:
        """The library is looked after by scripts/test.d/62-python."""
        for plugin_type in NAMES:
            with zipfile.ZipFile(zip_of(plugin_type)) as package:
                for name in package.namelist():
                    if name.endswith(".py"):
                        ast.parse(package.read(name), name, feature_version=(3, 8))


class HookTest(PackageTest):
    """The hooks as the SDK documents them, and what they ask the SDK for."""

    def test_each_hook_names_the_arguments_of_the_sdk_and_each_may_be_absent(self) -> None:
        """SPS passes those that a signature names."""
        for plugin_type, reference in (
            ("aa", AAPlugin),
            ("credentialstore", CredentialStorePlugin),
        ):
            plugin = self.load(unpack(plugin_type, self.folder / plugin_type)).Plugin
            hooks = [
                name for name, _ in inspect.getmembers(plugin, inspect.isfunction) if name[0] != "_"
            ]
            wanted = [
                name
                for name, function in inspect.getmembers(reference, inspect.isfunction)
                if "cookie" in inspect.signature(function).parameters and name[0] != "_"
            ]
            self.assertEqual(hooks, wanted)
            for hook in hooks:
                ours, sdk = (
                    inspect.signature(getattr(one, hook)).parameters for one in (plugin, reference)
                )
                older = {f"target_{name}" for name in OLDER} if "server_username" in sdk else set()
                self.assertEqual(set(ours), set(sdk) | older, hook)
                self.assertEqual({ours[name].default for name in ours if name != "self"}, {None})

    def test_the_man_pages_and_completions_are_those_of_the_binary_beside_them(self) -> None:
        """One page for each command; completions for bash, zsh and fish."""
        for plugin_type in NAMES:
            package = unpack(plugin_type, self.folder / plugin_type)
            binary, made = package / "sps-plugin", self.folder / f"made-{plugin_type}"
            subprocess.run([binary, "man", made], check=True, timeout=SECONDS, capture_output=True)
            pages = {page.name: page.read_text() for page in (package / "man/man1").iterdir()}
            self.assertEqual(pages, {page.name: page.read_text() for page in made.iterdir()})
            self.assertLess({"sps-plugin.1", "sps-plugin-check-config.1"}, set(pages))
            for shell, name in (
                ("bash", "sps-plugin.bash"),
                ("zsh", "_sps-plugin"),
                ("fish", "sps-plugin.fish"),
            ):
                words = [str(binary), "completions", shell]
                done = subprocess.run(words, check=True, timeout=SECONDS, capture_output=True)
                self.assertEqual((package / "completions" / name).read_bytes(), done.stdout, name)
                self.assertIn(b"check-config", done.stdout)

    def test_default_cfg_as_it_is_lets_nobody_in_and_says_why(self) -> None:
        """Somebody uploads it before reading it."""
        for plugin_type, hook, said in (
            ("aa", "authenticate", "user alice is rejected by local"),
            ("credentialstore", "get_password_list", "nothing for account root on asset"),
        ):
            package = unpack(plugin_type, self.folder / plugin_type)
            text = (package / "default.cfg").read_text()
            arguments = ARGUMENTS
            if plugin_type != "aa":
                arguments = {
                    "session_id": "svc/1",
                    "server_username": "root",
                    "server_ip": "10.9.0.1",
                }
            response, log = self.call(self.load(package), hook, text, **arguments)
            self.assertEqual(response.get("verdict", "DENY"), "DENY")
            self.assertEqual(response.get("passwords", []), [])
            self.assertNotIn("main.py", log)
            self.assertNotIn("unknown", log)
            self.assertIn(said, log)

    def test_a_directory_that_fails_whitelists_nobody_and_its_text_forges_no_line(self) -> None:
        """Everybody but the members of a group: whose groups are not known may be one of them."""
        main = self.load(unpack("aa", self.folder / "aa"))
        configuration = (
            "[mfa]\nprovider = local\n[ldap_server]\nname = ad\n"
            "[whitelist source=ldap_server_group]\nallow = all_users\nexcept = blocked\n"
            "[usermapping source=ldap_server]\nuser_attribute = mail\n"
        )
        ldap_servers.clear()
        self.addCleanup(ldap_servers.clear)
        ldap_servers["ad"] = {"users": {"alice": {"mail": [b"\xff"]}}, "groups": {"blocked": []}}
        response, log = self.call(main, "authenticate", configuration, **ARGUMENTS)
        self.assertEqual(response["verdict"], "DENY", log)
        self.assertIn("warning: main.py: the directory does not answer: ", log)
        ldap_servers["ad"]["users"]["alice"]["mail"] = ["a@example.org"]
        response, log = self.call(main, "authenticate", configuration, **ARGUMENTS)
        self.assertEqual(response["verdict"], "ACCEPT", "the same one, when the directory answers")
        ldap_servers["ad"]["groups"]["blocked"] = ["alice"]
        response, log = self.call(main, "authenticate", configuration, **ARGUMENTS)
        self.assertEqual(response["verdict"], "DENY", "a member")
        ldap_servers["ad"]["groups"]["blocked"] = []
        unknown = {**ARGUMENTS, "gateway_user": "bob"}
        response, log = self.call(main, "authenticate", configuration, **unknown)
        self.assertEqual(response["verdict"], "DENY", "a user whom the directory does not know")
        name = "alice\nsps-plugin: info: forged"
        log = self.call(main, "authenticate", configuration, **{**ARGUMENTS, "gateway_user": name})[
            1
        ]
        self.assertNotIn("\nsps-plugin: info: forged", log)

    def test_a_service_of_the_sdk_that_breaks_is_the_closed_answer_without_its_text(self) -> None:
        """Its text may hold a secret."""
        main = self.load(unpack("aa", self.folder / "aa"))
        user_lists["vip"] = {"allow": "everybody s3cret", "except": []}
        self.addCleanup(user_lists.clear)
        configuration = "[whitelist source=user_list]\nname = vip\n[mfa]\nprovider = none\n"
        response, log = self.call(main, "authenticate", configuration, **ARGUMENTS)
        self.assertEqual(response["verdict"], "DENY")
        self.assertIn("error: main.py: authenticate: PluginSDKValueError at ", log)
        self.assertNotIn("s3cret", log)

    def test_only_what_the_configuration_asks_for_is_looked_up(self) -> None:
        """One name of a list, one user of a directory, no secret that no option refers to."""
        self.load(unpack("aa", self.folder / "aa"))
        from safeguard.sessions.plugin_impl.credential_store import credential_stores
        from sps_plugin.appliance import Settings, resolve

        user_lists["vip"] = {"allow": "all_users", "except": ["bob", "carol"]}
        ldap_servers["ad"] = {
            "users": {"alice": {"mail": ["m"], "uid": ["u"]}, "bob": {}},
            "groups": {},
        }
        credential_stores["local"] = {"token": {"http": [("wanted",)], "other": [("unwanted",)]}}
        stable_box_configuration["trusted_ca_lists"] = {}
        for fake in (user_lists, ldap_servers, credential_stores):
            self.addCleanup(fake.clear)
        self.assertEqual(
            resolve(Settings("[mfa]\nprovider = local\n"), "authenticate", ARGUMENTS), {}
        )
        configuration = (
            "[credential_store]\nname = local\n[mfa]\nprovider = http\n[http]\ntoken = $\n"
            "[whitelist source=user_list]\nname = vip\n[ldap_server]\nname = ad\n"
            "[usermapping source=ldap_server]\nuser_attribute = mail\n"
        )
        self.assertEqual(
            resolve(Settings(configuration), "authenticate", ARGUMENTS),
            {
                "credential_stores": {
                    "local": [{"host": "http", "user": "token", "credentials": ["wanted"]}]
                },
                "user_lists": {"vip": {"allow": "no_user", "except": ["alice"]}},
                "ldap_servers": {"ad": {"users": {"alice": {"mail": ["m"]}}, "groups": {}}},
            },
        )
        self.assertEqual(
            list(resolve(Settings(configuration), "session_ended", ARGUMENTS)),
            ["credential_stores"],
        )

    def test_the_appliances_credentials_of_this_session_are_passed_to_one_of_several_providers(
        self,
    ) -> None:
        """No other account's, and to no plugin that would not ask for them."""
        self.load(unpack("credentialstore", self.folder / "credentialstore"))
        from safeguard.sessions.plugin_impl.credential_store import credential_stores
        from sps_plugin.appliance import Settings, resolve

        rows = {"db1.example.org": [("wanted",)], "db2": [("unwanted",)]}
        credential_stores["targets"] = {"svc_root": rows, "svc_bob": rows}
        self.addCleanup(credential_stores.clear)
        configuration = (
            "[credentials]\nprovider = local, appliance\nstore = targets\n"
            "[account]\nprefix = svc_\n[assets]\ndomain_suffix = example.org\n"
        )
        target = {"server_username": "root", "server_hostname": "db1", "server_ip": "10.9.0.1"}
        entry = {"host": "db1.example.org", "user": "svc_root", "credentials": ["wanted"]}
        self.assertEqual(
            resolve(Settings(configuration), "get_password_list", target),
            {"credential_stores": {"targets": [entry]}},
        )
        older = {"target_username": "root", "target_host": "db1"}
        self.assertEqual(
            resolve(Settings(configuration), "get_password_list", older),
            {"credential_stores": {"targets": [entry]}},
            "by the names that older versions of SPS have",
        )
        other = Settings(configuration.replace("local, appliance", "local"))
        self.assertEqual(resolve(other, "get_password_list", target), {})
        self.assertEqual(resolve(Settings(configuration), "session_ended", target), {})

    def test_the_proxy_of_the_appliance_is_passed_with_its_login(self) -> None:
        """To whoever may ask somebody over the network."""
        self.load(unpack("aa", self.folder / "aa"))
        from sps_plugin.appliance import Settings, resolve

        proxy = {
            "enabled": True,
            "server": {"selection": "fqdn", "value": "proxy.example.org"},
            "port": 3128,
            "authentication": {"selection": "password", "username": "u", "password": "p"},
        }
        stable_box_configuration["http_proxy"] = proxy
        self.addCleanup(stable_box_configuration.update, http_proxy=None)
        settings = Settings("[mfa]\nprovider = http\n")
        self.assertEqual(resolve(settings, "authenticate", ARGUMENTS), {"http_proxy": proxy})
        proxy["enabled"] = False
        self.assertEqual(resolve(settings, "authenticate", ARGUMENTS), {})


class PluginvTest(PackageTest):
    """The SDK's own tool."""

    def pluginv(
        self, package: Path, *words: str, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run pluginv in an unpacked package."""
        tool = Path(sys.executable).with_name("pluginv")
        return subprocess.run(
            [str(tool), *words],
            input=typed,
            capture_output=True,
            text=True,
            cwd=package,
            timeout=SECONDS,
            check=False,
        )

    def test_both_packages_pass_check_manifest_and_check_entry_point(self) -> None:
        """And a MANIFEST without a version does not, so the tool does look."""
        for plugin_type in NAMES:
            package = unpack(plugin_type, self.folder / plugin_type)
            for check in ("check-manifest", "check-entry-point"):
                done = self.pluginv(package, check)
                self.assertEqual((done.returncode, done.stderr), (0, ""), check)
            manifest = package / "MANIFEST"
            manifest.write_text(manifest.read_text().replace("version", "vision"))
            self.assertNotEqual(self.pluginv(package, "check-manifest").returncode, 0)

    def test_all_four_scenarios_end_with_accept_for_the_right_code_and_deny_for_a_wrong_one(
        self,
    ) -> None:
        """With a local token, and a question after it."""
        package = unpack("aa", self.folder / "aa")
        configuration = self.folder / "plugin.cfg"
        configuration.write_text(
            "[mfa]\nprovider = local\n[auth]\nprompt = Code:\n"
            "[question_1]\nprompt = Ticket:\nkey = ticket\n"
            "[connection_limit by=client_ip_gateway_user]\nlimit = 1\n"
        )
        binary = str(package / "sps-plugin")
        owner = ["--type", "hotp", "--user", "gatewayuser", "--serial", "HOTP1", "--secret-stdin"]
        subprocess.run(
            [binary, "token", "enroll", *owner],
            input=f"{SECRET.hex()}\n",
            text=True,
            capture_output=True,
            check=True,
            timeout=SECONDS,
        )
        for counter, scenario in enumerate(SCENARIOS):
            with self.subTest(scenario=scenario):
                words = ["run-scenario", "--config-file", str(configuration), "--name", scenario]
                wrong = self.pluginv(package, *words, typed="000000\n")
                self.assertEqual(wrong.returncode, 0, wrong.stderr)
                self.assertIn('"verdict": "DENY"', wrong.stdout)
                self.assertIn('"reason": "Authentication failed"', wrong.stdout)
                self.assertNotIn("plugin authorize", wrong.stdout)
                self.assertNotIn("ACCEPT", wrong.stdout)
                right = self.pluginv(package, *words, typed=f"{hotp(SECRET, counter)}\nCHG-1042\n")
                self.assertEqual(right.returncode, 0, right.stderr)
                self.assertIn("Code: Ticket: ", right.stdout)
                self.assertEqual(right.stdout.count('"verdict": "ACCEPT"'), 2, right.stdout)
                self.assertIn('"ticket": "CHG-1042"', right.stdout)
                # With a limit of one, the next scenario passes only if this one gives it back.
                self.assertIn("plugin session end finished", right.stdout)


class PlaceTest(PackageTest):
    """Where the packages run."""

    def test_another_user_without_write_access_and_without_the_mode_gets_the_same_answer(
        self,
    ) -> None:
        """As where SPS unpacks a package for the user that plugins run as."""
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        package = unpack("aa", self.folder / "aa", modes=False)
        for name in STATE:
            Path(os.environ[name]).mkdir()
            shutil.chown(os.environ[name], "nobody")
        done = self.as_nobody(package, "[mfa]\nprovider = none\n")
        self.assertEqual(json.loads(done.stdout)["verdict"], "ACCEPT", done.stderr)
        self.assertIn("alice", done.stderr)
        self.assertEqual((package / "sps-plugin").stat().st_mode & 0o777, 0o644)
        (copy,) = Path(os.environ["SCB_PLUGIN_STATE_DIRECTORY"], "bin").iterdir()
        self.assertEqual(copy.read_bytes(), (package / "sps-plugin").read_bytes())
        self.assertEqual(copy.stat().st_mode & 0o777, 0o700)
        self.assertFalse(list(package.rglob("__pycache__")), "nothing is written there")

    @staticmethod
    def as_nobody(package: Path, configuration: str) -> subprocess.CompletedProcess[str]:
        """Run authenticate as the user nobody, with the system's Python."""
        line = configuration.encode("unicode_escape").decode()
        return subprocess.run(
            ["/usr/bin/python3", "-c", CALLER, str(package)],
            input=f"{line}\n{json.dumps(ARGUMENTS)}\n",
            capture_output=True,
            text=True,
            user="nobody",
            group="nogroup",
            extra_groups=[],
            cwd="/",
            timeout=SECONDS,
            check=False,
        )

    def test_a_service_is_found_by_its_name_and_known_by_its_certificate(self) -> None:
        """Names and TLS work with a binary that is linked against an old glibc."""
        main = self.load(unpack("aa", self.folder / "aa"))
        authority = Authority(self.folder, "corp")
        seen: list[Json] = []
        with serving(authority.issue("localhost"), seen) as port:
            service = f"[mfa]\nprovider = http\n[http]\nserver_url = https://localhost:{port}/api\n"
            stable_box_configuration["trusted_ca_lists"] = {"corp": {"certs": [authority.pem]}}
            stable_box_configuration["trusted_ca_lists_location"] = str(self.folder / "trusted")
            self.addCleanup(stable_box_configuration.update, trusted_ca_lists=None)
            trusting = f"{service}[tls]\nca_cert = $[corp]\n"
            response, log = self.call(main, "authenticate", trusting, **ARGUMENTS)
            self.assertEqual(response["verdict"], "ACCEPT", log)
            self.assertEqual(seen, [{"identity": "alice", "otp": "123456"}])
            response, log = self.call(main, "authenticate", service, **ARGUMENTS)
            self.assertEqual(response["verdict"], "DENY", "nobody else has signed it")
            self.assertEqual(len(seen), 1)
            elsewhere = trusting.replace("localhost", "no-such-host.invalid")
            response, log = self.call(main, "authenticate", elsewhere, **ARGUMENTS)
            self.assertEqual(response["verdict"], "DENY")
            self.assertIn("no-such-host.invalid", log)


class serving:
    """A service on the loopback address that accepts everybody, behind TLS."""

    def __init__(self, certificate: tuple[Path, Path], seen: list[Json]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                seen.append(json.loads(self.rfile.read(length)))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"result": "ACCEPT"}')

            def log_message(self, format: str, *args: object) -> None:
                """Keep standard error for the test."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)

        class Server(http.server.ThreadingHTTPServer):
            def finish_request(self, request: Json, client_address: Json) -> None:
                try:
                    super().finish_request(
                        context.wrap_socket(request, server_side=True), client_address
                    )
                except OSError:
                    return  # whoever does not trust the certificate goes away

        self._server = Server(("127.0.0.1", 0), Handler)

    def __enter__(self) -> int:
        """Begin, and give the port."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self._server.server_port

    def __exit__(self, *_: object) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


if __name__ == "__main__":
    unittest.main()
