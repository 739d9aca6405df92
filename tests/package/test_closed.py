"""Whatever is wrong with the binary, main.py lets nobody in and hands nothing out."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import unittest
from pathlib import Path
from types import ModuleType
from unittest import mock

from unpacked import Json, PackageTest, unpack

HOOKS = {
    "aa": ["authenticate", "authorize", "session_ended"],
    "credentialstore": [
        "get_password_list",
        "get_private_key_list",
        "get_remote_app_credentials",
        "get_totp_codes",
        "authentication_completed",
        "session_ended",
    ],
}
COOKIES = {"cookie": {"username": "alice"}, "session_cookie": {"questions": {"a": "b"}}}
ACCEPT = json.dumps({"verdict": "ACCEPT", **COOKIES})
QUICK = "[plugin]\ntime_budget = 0.2\n"
# What stands in the binary's place, and what the log has to say of it.
BROKEN = {
    "exit 0": "is no JSON",
    "exit 1": "is no JSON",
    f"echo '{ACCEPT}'; exit 101": "ended with status 101",
    f"echo '{ACCEPT}'; kill -SEGV $$": "ended with status -11",
    f"echo '{ACCEPT}'; exit 1": "it ended with status 1|ended with status 1, and its answer",
    f"echo '{ACCEPT}'; exit 2": "it ended with status 2|ended with status 2, and its answer",
    f"printf %s '{ACCEPT[:-1]}'": "is no JSON",
    f"echo '{ACCEPT}{ACCEPT}'": "is no JSON",
    f"echo '[{ACCEPT}]'": "is none to this hook",
    "echo '\"ACCEPT\"'": "is none to this hook",
    'echo \'{"verdict": "accept", "cookie": {}, "session_cookie": {}}\'': "is none to this hook",
    'echo \'{"verdict": "ACCEPT", "cookie": [], "session_cookie": {}}\'': "is none to this hook",
    'echo \'{"verdict": "ACCEPT", "passwords": ["a"]}\'': "is none to this hook",
    'echo \'{"passwords": "a", "private_keys": "a", "totp_codes": {}, "cookie": {}}\'': "is none",
    "printf '\\377\\376'": "is no JSON",
    "head -c 300000 /dev/zero | tr '\\0' '['": "is no JSON",
    "cat /dev/zero": "longer than",
    "cat /dev/zero >&2": "did not answer within",
    "sleep 1000": "did not answer within",
    "exec sleep 1000": "did not answer within",
    "exec 1>&- 2>&-; sleep 1000": "did not answer within",
    f"echo '{ACCEPT}'; sleep 1000": "did not answer within",
    f"sleep 1000 & echo '{ACCEPT}'; kill -KILL $$": "did not answer within",
}


def open_files() -> int:
    """Count this process's open files."""
    return len(list(Path("/proc/self/fd").iterdir()))


class PlacedTest(PackageTest):
    """Something else in the place of the binary."""

    def setUp(self) -> None:
        """Make the place."""
        super().setUp()
        self.place = self.folder / "place"
        self.place.mkdir()

    def package(self, plugin_type: str) -> ModuleType:
        """Load a package whose binary is looked for in the test's place."""
        main = self.load(unpack(plugin_type, self.folder / plugin_type))
        import sps_plugin.binary as binary
        import sps_plugin.handover as handover

        for module, name, value in (
            (binary, "FOLDER", self.place),
            (handover, "GRACE_SECONDS", 0.3),
        ):
            patch = mock.patch.object(module, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        return main

    def put(self, script: str) -> None:
        """Put a script in the place of the binary."""
        path = self.place / "sps-plugin"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        self.say_that_it_is_ours()

    def say_that_it_is_ours(self) -> None:
        """Write the digest of what stands in the binary's place."""
        digest = hashlib.sha256((self.place / "sps-plugin").read_bytes()).hexdigest()
        (self.place / "sps-plugin.sha256").write_text(f"{digest}\n")

    def assert_closed(self, hook: str, response: Json) -> None:
        """Check that a response is the closed one, with the cookies as they came."""
        if hook == "session_ended":
            self.assertIsNone(response)
            return
        self.assertEqual({name: response[name] for name in COOKIES}, COOKIES)
        if hook in ("authenticate", "authorize"):
            self.assertEqual(response["verdict"], "DENY")
            self.assertEqual(response["reason"], "Internal plugin error")
            self.assertEqual(
                json.loads(response["additional_metadata"]), {"reason": "Internal plugin error"}
            )
        handed_out = [response.get(name) for name in ("passwords", "private_keys", "totp_codes")]
        self.assertFalse(any(handed_out), response)
        json.dumps(response)


class ClosedTest(PlacedTest):
    """Hooks of both packages, and what may be wrong behind them."""

    def test_a_binary_that_is_broken_in_whatever_way_is_the_closed_answer_of_its_hook(self) -> None:
        """Every way for the hook that decides, and for one that hands out."""
        for plugin_type, hook in (("aa", "authenticate"), ("credentialstore", "get_password_list")):
            main = self.package(plugin_type)
            for script, said in BROKEN.items():
                with self.subTest(hook=hook, script=script):
                    self.put(script)
                    began = time.monotonic()
                    # Whoever does not hang has time, so that a busy machine changes nothing.
                    configuration = QUICK if "sleep" in script or ">&2" in script else ""
                    response, log = self.call(main, hook, configuration, **COOKIES)
                    self.assert_closed(hook, response)
                    self.assertIn(f"sps-plugin: error: main.py: {hook}: ", log[-200:])
                    self.assertRegex(log[-200:], said)
                    self.assertLess(time.monotonic() - began, 60, "it has to come to an end")

    def test_every_hook_has_a_closed_answer(self) -> None:
        """A missing binary is enough to see it."""
        for plugin_type, hooks in HOOKS.items():
            main = self.package(plugin_type)
            shutil.rmtree(self.place)
            self.place.mkdir()
            for hook in hooks:
                with self.subTest(hook=hook):
                    response, log = self.call(main, hook, "", **COOKIES)
                    self.assert_closed(hook, response)
                    self.assertIn("sps-plugin; upload the package again", log)

    def test_an_answer_that_is_as_it_should_be_passes(self) -> None:
        """Otherwise the tests above would prove nothing."""
        main = self.package("aa")
        self.put(f"echo 'a line of the log' >&2; cat >/dev/null; echo '{ACCEPT}'")
        response, log = self.call(main, "authenticate", "", **COOKIES)
        self.assertEqual(response, json.loads(ACCEPT))
        self.assertEqual(log, "a line of the log\n")

    def test_an_invocation_that_nobody_reads_is_no_reason_to_hang(self) -> None:
        """It is larger than a pipe; the binary stops in its middle, or never begins."""
        main = self.package("aa")
        much = {**COOKIES, "key_value_pairs": {"otp": "1" * 900_000}}
        self.put(f"echo '{ACCEPT}'")
        self.assertEqual(self.call(main, "authenticate", "", **much)[0]["verdict"], "ACCEPT")
        self.put("sleep 1000")
        self.assert_closed("authenticate", self.call(main, "authenticate", QUICK, **much)[0])

    def test_nothing_is_left_running_and_no_pipe_open(self) -> None:
        """Neither what hung nor what it had started."""
        main = self.package("aa")
        pids = self.folder / "pids"
        self.put(f"sleep 1000 & echo $! >{pids}; echo $$ >>{pids}; wait")
        before = open_files()
        self.call(main, "authenticate", "[plugin]\ntime_budget = 5\n", **COOKIES)
        self.assertEqual(open_files(), before)
        started = [int(line) for line in pids.read_text().split()]
        self.assertEqual(len(started), 2)
        for pid in started:
            with contextlib.suppress(OSError):
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                self.assertEqual(state, "Z", "whoever is left is dead")

    def test_what_cannot_be_written_as_json_is_the_closed_answer(self) -> None:
        """SPS passes nothing of that kind; if it did, nobody would come in by it."""
        main = self.package("aa")
        self.put(f"cat >/dev/null; echo '{ACCEPT}'")
        response, log = self.call(main, "authenticate", "", gateway_user=b"alice", **COOKIES)
        self.assert_closed("authenticate", response)
        self.assertIn("TypeError at ", log)

    def test_a_binary_without_its_mode_gets_it_back(self) -> None:
        """Where the folder may be written, the mode is set there."""
        main = self.package("aa")
        self.put(f"cat >/dev/null; echo '{ACCEPT}'")
        (self.place / "sps-plugin").chmod(0o644)
        self.assertEqual(self.call(main, "authenticate", "", **COOKIES)[0]["verdict"], "ACCEPT")
        self.assertEqual((self.place / "sps-plugin").stat().st_mode & 0o777, 0o755)

    def test_a_binary_that_is_not_the_packages_own_is_not_started(self) -> None:
        """Whether it is executable or not; the digest says which one it is."""
        for plugin_type, hook in (("aa", "authenticate"), ("credentialstore", "get_password_list")):
            main = self.package(plugin_type)
            self.put(f"cat >/dev/null; echo '{ACCEPT}'")
            binary, started = self.place / "sps-plugin", self.place / "started"
            binary.write_text(f"#!/bin/sh\ntouch {started}; cat >/dev/null; echo '{ACCEPT}'\n")
            for mode in (0o755, 0o644):
                binary.chmod(mode)
                response, log = self.call(main, hook, "", **COOKIES)
                self.assert_closed(hook, response)
                self.assertIn("is not the one that sps-plugin.sha256 says", log)
            (self.place / "sps-plugin.sha256").unlink()
            response, log = self.call(main, hook, "", **COOKIES)
            self.assert_closed(hook, response)
            self.assertIn("there is no sps-plugin.sha256", log)
            self.assertFalse(started.exists())

    def test_no_file_is_laid_under_the_configuration_of_the_appliance(self) -> None:
        """Neither one beside the binary, nor one that the environment names."""
        package = unpack("aa", self.folder / "whole")
        main = self.load(package)
        everybody = "[mfa]\nprovider = none\n"
        elsewhere = self.folder / "elsewhere.ini"
        for path in (package / "plugin.ini", elsewhere):
            path.write_text(everybody)
            path.chmod(0o600)
        os.environ["SPS_PLUGIN_CONFIG"] = str(elsewhere)
        arguments = {"session_id": "s", "gateway_user": "alice", "key_value_pairs": {"otp": "1"}}
        with_it, _ = self.call(main, "authenticate", everybody, **arguments)
        self.assertEqual(with_it["verdict"], "ACCEPT", "otherwise this would prove nothing")
        without, log = self.call(main, "authenticate", "[auth]\n", **arguments)
        self.assertEqual(without["verdict"], "DENY", log)


class PrivateCopyTest(PlacedTest):
    """Where the mode cannot be set, a copy in the state directory is started."""

    def setUp(self) -> None:
        """Make a package whose binary is not executable, and cannot be made so."""
        super().setUp()
        self.main = self.package("aa")
        self.put(f"cat >/dev/null; echo '{ACCEPT}'")
        self.binary = self.place / "sps-plugin"
        self.binary.chmod(0o644)
        self.digest = hashlib.sha256(self.binary.read_bytes()).hexdigest()
        self.chmod = Path.chmod
        patch = mock.patch.object(Path, "chmod", side_effect=PermissionError)
        patch.start()
        self.addCleanup(patch.stop)
        self.state = Path(os.environ["SCB_PLUGIN_STATE_DIRECTORY"])
        self.copy = self.state / f"bin/sps-plugin-{self.digest[:16]}"

    def copies(self) -> list[str]:
        """List what is in the folder of the copy."""
        return [path.name for path in self.copy.parent.iterdir()]

    def answer(self) -> tuple[Json, str]:
        """Call the hook."""
        return self.call(self.main, "authenticate", "", **COOKIES)

    def test_the_copy_is_private_and_is_used_again(self) -> None:
        """The second call finds it."""
        self.assertEqual(self.answer()[0]["verdict"], "ACCEPT")
        self.assertEqual(self.copy.stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.copy.parent.stat().st_mode & 0o777, 0o700)
        made = self.copy.stat().st_ino
        self.assertEqual(self.answer()[0]["verdict"], "ACCEPT")
        self.assertEqual(self.copy.stat().st_ino, made)
        self.assertEqual(self.copies(), [self.copy.name])

    def test_another_version_takes_the_place_of_the_copy(self) -> None:
        """And the old one is removed."""
        self.answer()
        self.binary.write_text("#!/bin/sh\ncat >/dev/null; exit 3\n")
        self.say_that_it_is_ours()
        digest = hashlib.sha256(self.binary.read_bytes()).hexdigest()
        response, log = self.answer()
        self.assert_closed("authenticate", response)
        self.assertIn("ended with status 3", log)
        self.assertEqual(self.copies(), [f"sps-plugin-{digest[:16]}"])

    def test_a_copy_that_others_may_write_is_not_started(self) -> None:
        """It is made anew; a folder that others may write is refused."""
        self.answer()
        self.copy.write_text(self.copy.read_text().replace("ACCEPT", "accept"))
        self.chmod(self.copy, 0o777)
        self.assertEqual(self.answer()[0]["verdict"], "ACCEPT")
        self.assertEqual(self.copy.stat().st_mode & 0o777, 0o700)
        self.chmod(self.copy.parent, 0o777)
        response, log = self.answer()
        self.assert_closed("authenticate", response)
        self.assertIn("is no folder that only this user may write", log)

    def test_a_copy_that_is_another_program_is_not_started(self) -> None:
        """It is compared each time, and made anew."""
        self.answer()
        self.copy.write_text(self.copy.read_text().replace("ACCEPT", "accept"))
        self.assertEqual(self.answer()[0]["verdict"], "ACCEPT")

    def test_a_link_in_the_place_of_the_folder_or_the_copy_is_not_followed(self) -> None:
        """Somebody else may have laid it there."""
        self.answer()
        elsewhere = Path(tempfile.mkdtemp(dir=self.folder))
        shutil.copy(self.copy, elsewhere / self.copy.name)
        self.copy.unlink()
        self.copy.symlink_to(elsewhere / self.copy.name)
        self.assertEqual(self.answer()[0]["verdict"], "ACCEPT")
        self.assertFalse(self.copy.is_symlink(), "the link is replaced by a copy")
        shutil.rmtree(self.copy.parent)
        self.copy.parent.symlink_to(elsewhere)
        self.assert_closed("authenticate", self.answer()[0])

    def test_a_binary_that_is_not_the_packages_own_is_not_copied(self) -> None:
        """The digest says which one it is."""
        self.binary.write_text(self.binary.read_text() + "# changed\n")
        response, log = self.answer()
        self.assert_closed("authenticate", response)
        self.assertIn("is not the one that sps-plugin.sha256 says", log)

    def test_without_a_state_directory_there_is_no_copy(self) -> None:
        """Nothing else is private for sure."""
        del os.environ["SCB_PLUGIN_STATE_DIRECTORY"]
        response, log = self.answer()
        self.assert_closed("authenticate", response)
        self.assertIn("there is no SCB_PLUGIN_STATE_DIRECTORY", log)


if __name__ == "__main__":
    unittest.main()
