"""Our side as SPS has it: the package's main.py, on the SDK's fakes, and the binary behind it."""

import contextlib
import hashlib
import importlib.util
import io
import os
import sys
from pathlib import Path

from our_side import OurSide
from sdk_side import fill_fakes
from wire import AA, CREDENTIAL_STORE, Fault, Invocation, Json, Outcome, copied

# A package gives no --clock; so what stands in the binary's place does, and keeps the exit status.
STAND_IN = """#!/bin/sh
"$CONFORMANCE_BINARY" hook --clock "$CONFORMANCE_CLOCK"
status=$?
echo "$status" >"$CONFORMANCE_STATUS"
exit "$status"
"""


class PackageSide(OurSide):
    """Two unpacked packages, in `aa` and `credentialstore` of a folder that may be written."""

    name = "package"

    def __init__(self, packages: Path) -> None:
        folder = packages.resolve() / AA
        super().__init__(folder / "sps-plugin.real")
        os.environ["CONFORMANCE_BINARY"] = str(self._binary)
        # The modules of the two are the same, and Python keeps only one of them.
        sys.path.insert(0, str(folder))
        self._plugins = {
            AA: _load(folder / "main.py", "package_aa"),
            CREDENTIAL_STORE: _load(
                packages.resolve() / CREDENTIAL_STORE / "main.py", "package_credentialstore"
            ),
        }

    def play(
        self, invocation: Invocation, configuration: str, appliance: Json, folder: Path
    ) -> Outcome:
        """Hand the invocation to main.py, in this process."""
        status = folder / "status"
        status.unlink(missing_ok=True)
        os.environ["CONFORMANCE_STATUS"] = str(status)
        os.environ["CONFORMANCE_CLOCK"] = str(invocation.clock)
        os.environ["SCB_PLUGIN_STATE_DIRECTORY"] = str(folder / "persistent")
        os.environ["EPHEMERAL_PLUGIN_STATE_DIRECTORY"] = str(folder / "ephemeral")
        fill_fakes(copied(appliance), folder / "trusted")
        outcome = Outcome(None)
        log = io.StringIO()
        with contextlib.redirect_stderr(log):
            plugin = self._plugins[invocation.plugin](configuration)
            response = getattr(plugin, invocation.hook)(**copied(invocation.arguments))
        try:
            outcome.response = copied(response)
        except (TypeError, ValueError):
            outcome.malformed = repr(response)
        outcome.requests = self._service.taken()
        outcome.log = log.getvalue().splitlines()
        # Without one, main.py has not even come to start the binary.
        ended = status.read_text().strip() if status.exists() else "none"
        if ended != "0":
            outcome.fault = Fault(f"exit status {ended}")
        return outcome


def prepare_packages(packages: Path) -> None:
    """Put the stand-in and its digest in the place of the binary, before the workers begin."""
    binary = packages / AA / "sps-plugin"
    real = binary.with_name("sps-plugin.real")
    if not real.exists():
        binary.rename(real)
    binary.write_text(STAND_IN)
    binary.chmod(0o755)
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    binary.with_name("sps-plugin.sha256").write_text(f"{digest}\n")


def _load(path: Path, name: str) -> Json:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Plugin
