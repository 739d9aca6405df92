"""What the tests of the packages share: packages to unpack, and hooks to call."""

import contextlib
import importlib.util
import io
import os
import shutil
import stat
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
# The folder with the two ZIPs; the run says where.
PACKAGES = Path(os.environ.get("PACKAGES", ROOT / "target/package"))
# Longer than anything takes on a busy machine.
SECONDS = 120
NAMES = {"aa": "SPS_Plugin_AA", "credentialstore": "SPS_Plugin_Credentials"}
STATE = ("SCB_PLUGIN_STATE_DIRECTORY", "EPHEMERAL_PLUGIN_STATE_DIRECTORY")
# The secret of RFC 4226, appendix D.
SECRET = b"12345678901234567890"

Json = Any


def zip_of(plugin_type: str) -> Path:
    """Find the package of a type."""
    found = list(PACKAGES.glob(f"{NAMES[plugin_type]}-*.zip"))
    assert len(found) == 1, f"there is not one package of {plugin_type} in {PACKAGES}: {found}"
    return found[0]


def unpack(plugin_type: str, folder: Path, *, modes: bool = True) -> Path:
    """Unpack a package, with the modes that it says or without."""
    folder.mkdir(mode=0o755)
    with zipfile.ZipFile(zip_of(plugin_type)) as package:
        package.extractall(folder)
        for info in package.infolist():
            mode = info.external_attr >> 16 if modes else 0o644
            (folder / info.filename).chmod(stat.S_IMODE(mode))
    return folder


class PackageTest(unittest.TestCase):
    """A test with a folder of its own, and state directories that nobody else has."""

    def setUp(self) -> None:
        """Make them."""
        self.folder = Path(tempfile.mkdtemp(prefix="package-test-"))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        before = dict(os.environ)

        def restore() -> None:
            os.environ.clear()
            os.environ.update(before)

        self.addCleanup(restore)
        for name in STATE:
            os.environ[name] = str(self.folder / name.split("_")[0].lower())

    def load(self, package: Path) -> ModuleType:
        """Load main.py and its modules from an unpacked package, and forget them after the test."""
        for name in [name for name in sys.modules if name.split(".")[0] == "sps_plugin"]:
            del sys.modules[name]
        sys.path.insert(0, str(package))
        self.addCleanup(sys.path.remove, str(package))
        spec = importlib.util.spec_from_file_location("package_under_test", package / "main.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def call(
        self, main: ModuleType, hook: str, configuration: str, **arguments: Json
    ) -> tuple[Json, str]:
        """Call a hook; give the response, and what was written to the log."""
        log = io.StringIO()
        with contextlib.redirect_stderr(log):
            response = getattr(main.Plugin(configuration), hook)(**arguments)
        return response, log.getvalue()
