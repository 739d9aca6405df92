#!/usr/bin/env python3
"""Random whole sessions through the real SDK and through our binary, with the same responses.

Run it with the Python of an environment that install.sh made. The exit status is 0 only if every
session ran, nothing differed but what is meant to (deviations.py, docs/differences.md), and every
road was walked often enough (events.py).
"""

import argparse
import multiprocessing
import secrets
import sys
import time
import traceback
from pathlib import Path

from group import GroupReport, planned_sessions, run_group
from our_side import OurSide
from package_side import PackageSide, prepare_packages
from report import Summary, show_trace
from sdk_side import SdkSide, prepare_process
from wire import Side

# Longer than any group takes; a run that hangs has to end, and be red.
GROUP_SECONDS = 180

SIDES: list[Side] = []


def main() -> int:
    """Run what the command line asks for; give the exit status."""
    options = _options()
    seed = options.seed
    print(f"seed {seed}", flush=True)
    if options.only is not None:
        _begin_worker(options.binary, options.packages)
        reports = [_run((seed, options.only))]
        wanted = reports[0].planned
        show_trace(reports[0])
    else:
        numbers, wanted = _groups(seed, options.sessions)
        reports = _run_all(options, [(seed, number) for number in numbers])
    summary = Summary(reports, seed, wanted, options.seconds())
    # One group alone cannot walk every road.
    with_events = options.only is None
    summary.show(with_events)
    return summary.exit_status(with_events)


class _Options(argparse.Namespace):
    binary: Path | None
    packages: Path | None
    sessions: int
    seed: str
    jobs: int
    only: int | None
    began: float

    def seconds(self) -> float:
        return time.monotonic() - self.began


def _options() -> _Options:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--binary", type=Path, help="the sps-plugin to compare with the SDK")
    what.add_argument(
        "--packages", type=Path, help="a folder with the unpacked packages, aa and credentialstore"
    )
    what.add_argument("--self-check", action="store_true", help="compare the SDK with itself")
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--seed", default=None, help="the same seed makes the same sessions")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--only", type=int, help="run this group only, and show every hook")
    options = parser.parse_args(namespace=_Options(began=time.monotonic()))
    if options.binary is not None and not options.binary.is_file():
        parser.error(f"there is no {options.binary}; build it first")
    if options.packages is not None:
        prepare_packages(options.packages)
    options.seed = options.seed or secrets.token_hex(4)
    return options


def _groups(seed: str, sessions: int) -> tuple[list[int], int]:
    """Take as many groups as it needs for that many sessions."""
    planned = 0
    numbers: list[int] = []
    while planned < sessions:
        numbers.append(len(numbers))
        planned += planned_sessions(seed, numbers[-1])[1]
    return numbers, planned


def _run_all(options: _Options, tasks: list[tuple[str, int]]) -> list[GroupReport]:
    reports = []
    # Spawned, not forked: threads of a service would not survive a fork.
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.jobs, _begin_worker, (options.binary, options.packages)) as pool:
        results = pool.imap_unordered(_run, tasks)
        try:
            while True:
                reports.append(results.next(timeout=GROUP_SECONDS))
        except StopIteration:
            pass
        except multiprocessing.TimeoutError:
            print(f"no group came to an end within {GROUP_SECONDS} s", file=sys.stderr)
    return sorted(reports, key=lambda report: report.number)


def _begin_worker(binary: Path | None, packages: Path | None) -> None:
    prepare_process()
    other: Side = SdkSide("SDK")
    if binary is not None:
        other = OurSide(binary)
    elif packages is not None:
        other = PackageSide(packages)
    SIDES[:] = [SdkSide("SDK"), other]


def _run(task: tuple[str, int]) -> GroupReport:
    seed, number = task
    try:
        report = run_group(seed, number, (SIDES[0], SIDES[1]))
    except Exception:
        report = GroupReport(number, planned_sessions(seed, number)[1])
        report.broken = traceback.format_exc()
    return report


if __name__ == "__main__":
    sys.exit(main())
