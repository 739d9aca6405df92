"""Our side: a process of the real binary for each hook, as SPS would run it."""

import csv
import io
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from credential_setup import folded
from service import ScriptedService
from wire import Fault, Invocation, Json, Outcome

# Far above what a hook takes, below what a person waits for a hung run.
PROCESS_SECONDS = 30


class OurSide:
    """The binary with its own state directories and its own scripted service."""

    name = "sps-plugin"

    def __init__(self, binary: Path) -> None:
        self._binary = binary.resolve()
        self._service = ScriptedService()
        self._folder: Path | None = None
        self._is_filled = False

    def begin(self, group: str) -> None:
        """Forget all state: the next calls belong to another group of sessions."""
        self.end()
        self._folder = Path(tempfile.mkdtemp(prefix="conformance-ours-"))
        self._is_filled = False
        self._service.begin(group)
        for name in ("persistent", "ephemeral"):
            (self._folder / name).mkdir(mode=0o700)

    def restart(self) -> None:
        """Lose the ephemeral state, as the appliance does when it restarts."""
        assert self._folder is not None, "begin() comes first"
        shutil.rmtree(self._folder / "ephemeral")
        (self._folder / "ephemeral").mkdir(mode=0o700)

    def end(self) -> None:
        """Remove what the group left behind."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def call(self, invocation: Invocation, service_up: bool) -> Outcome:
        """Run one hook."""
        assert self._folder is not None, "begin() comes first"
        configuration = invocation.configuration.replace("@SERVICE@", self._service.url(service_up))
        appliance = dict(invocation.appliance)
        own_store = appliance.pop("own_store", None)
        if isinstance(own_store, list):
            self._fill(own_store)
        outcome = self.play(invocation, configuration, appliance, self._folder)
        # The reference knows no codes at all; our own store does, and has none here.
        response = outcome.response if own_store is not None else None
        if isinstance(response, dict) and response.get("totp_codes") == []:
            del response["totp_codes"]
        return outcome

    def play(
        self, invocation: Invocation, configuration: str, appliance: Json, folder: Path
    ) -> Outcome:
        """Hand the invocation to the binary."""
        stdin = {
            "hook": invocation.hook,
            "type": invocation.plugin,
            "arguments": invocation.spelled,
            "configuration": configuration,
            "appliance": appliance,
        }
        environment = {
            "SCB_PLUGIN_STATE_DIRECTORY": str(folder / "persistent"),
            "EPHEMERAL_PLUGIN_STATE_DIRECTORY": str(folder / "ephemeral"),
        }
        try:
            process = subprocess.run(
                [str(self._binary), "hook", "--clock", str(invocation.clock)],
                input=json.dumps(stdin, ensure_ascii=False).encode(),
                capture_output=True,
                env=environment,
                cwd=folder,
                timeout=PROCESS_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            fault = Fault(f"no answer within {PROCESS_SECONDS} s")
            return Outcome(None, fault, self._service.taken(), malformed="")
        outcome = Outcome(None, requests=self._service.taken())
        outcome.log = process.stderr.decode(errors="replace").splitlines()
        if process.returncode != 0:
            outcome.fault = Fault(f"exit status {process.returncode}")
        outcome.response, outcome.malformed = _one_line(process.stdout)
        return outcome

    def _fill(self, entries: list[Json]) -> None:
        """Put the group's credentials into the plugin's own store, once."""
        if self._is_filled:
            return
        assert self._folder is not None, "begin() comes first"
        self._is_filled = True
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["account", "asset", "password", "private_key"])
        known: set[tuple[str, str]] = set()
        for entry in entries:
            assert isinstance(entry, dict)
            place = (str(entry["user"]), folded(str(entry["host"])))
            if place in known or "" in place:
                continue
            known.add(place)
            kinds = entry["credentials"]
            assert isinstance(kinds, list)
            passwords = [kind for kind in kinds if isinstance(kind, str)]
            keys = [str(kind["key"]) for kind in kinds if isinstance(kind, dict)]
            writer.writerow([*place, *(passwords or [""]), *(keys or [""])])
        if not known:
            return
        done = subprocess.run(
            [str(self._binary), "credential", "import", "-", "--format", "csv"],
            input=text.getvalue().encode(),
            capture_output=True,
            env={"SCB_PLUGIN_STATE_DIRECTORY": str(self._folder / "persistent")},
            timeout=PROCESS_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")


def _one_line(stdout: bytes) -> tuple[Json, str | None]:
    """Parse one JSON value and a newline; give the text back where it is anything else."""
    text = stdout.decode(errors="replace")
    try:
        value = json.loads(text)
    except ValueError:
        return None, text
    return value, None if text.endswith("\n") and text.count("\n") == 1 else text
