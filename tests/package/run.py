"""Runs the tests of the packages. PACKAGES is the folder of the ZIPs, STEP_COUNTS a file."""

import os
import sys
import unittest
from pathlib import Path


def main() -> int:
    """Run all; say how many passed, failed and were skipped."""
    suite = unittest.defaultTestLoader.discover(str(Path(__file__).parent), "test_*.py")
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, descriptions=False).run(suite)
    # A test with several failed parts is one failed test.
    failed = len(
        {getattr(test, "test_case", test).id() for test, _ in result.failures + result.errors}
    )
    skipped = len(result.skipped)
    for test, why in result.skipped:
        print(f"skipped: {test.id()}: {why}")
    if "STEP_COUNTS" in os.environ:
        counts = f"{result.testsRun - failed - skipped} {failed} {skipped}\n"
        Path(os.environ["STEP_COUNTS"]).write_text(counts)
    return 0 if result.wasSuccessful() and result.testsRun > 20 else 1


if __name__ == "__main__":
    sys.exit(main())
