"""Measures whole processes in turn: the plugin, the floor, and the same hook on the SDK.

Prints Markdown tables, as they stand in docs/performance.md. Run it as `scripts/bench`, which
builds first.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import credentials
import servers
import tokens
from processes import Program, Run, count_disk_waits, run, run_for_peak
from scenarios import SCENARIOS, Scenario

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "target/release"
INSTALLED = ROOT / "target/bench/bin"
SDK_PYTHON = ROOT / "target/tools/sdk/bin/python"
SDK_HOOK = ROOT / "benches/sdk_hook.py"
PACKAGE_HOOK = ROOT / "benches/package_hook.py"
PACKAGE_FOLDER = ROOT / "target/bench/package"
SDK_EDUMFA_HOOK = ROOT / "benches/sdk_edumfa_hook.py"
STATE = ROOT / "target/bench/state"

FLOOR, FLOOR_DURABLE, PLUGIN, SDK = "floor", "floor + write", "sps-plugin", "SDK on Python"
# The package as SPS has it, and what of it is the start of Python.
PACKAGE, PYTHON = "main.py + sps-plugin", "Python alone"
# Python takes dozens to hundreds of times as long, so it takes part in one turn out of these.
SDK_EVERY = 10
PEAK_RUNS = 3
STORES = {**tokens.SCENARIOS, **credentials.SCENARIOS}
ALL = [*SCENARIOS, *servers.SCENARIOS, *STORES]


@dataclass
class Figures:
    """What the runs of one program cost."""

    cpu: list[float] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    peak: float = 0.0

    @property
    def median(self) -> float:
        """The median CPU time in seconds."""
        return statistics.median(self.cpu)


def main() -> int:
    """Measure, print, and with `--check` hold the figures to the limits."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="40 turns instead of 200")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 where a limit is exceeded"
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(ALL))
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(ALL)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    turns = 40 if options.quick else 200
    print(f"{machine()}; {turns} turns\n")
    install()
    excesses: list[str] = []
    for name in options.scenarios or ALL:
        if name in SCENARIOS:
            excesses += measure(name, SCENARIOS[name], turns)
        elif name in servers.SCENARIOS:
            excesses += servers.SCENARIOS[name](server_programs(), turns)
        else:
            excesses += STORES[name](token_programs(), turns)
    for excess in excesses:
        print(f"over the limit: {excess}", file=sys.stderr)
    return 1 if options.check and excesses else 0


def install() -> None:
    """Copy the programs, as an installation does.

    The linker writes a file here and there, and leaves it in the page cache in small pieces. Until
    it is copied or read anew, starting it costs 10 more page faults, which is a tenth of its time.
    """
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for name in ("floor", "floor-durable", "sps-plugin"):
        (INSTALLED / name).unlink(missing_ok=True)
        shutil.copy(RELEASE / name, INSTALLED / name)
    shutil.rmtree(PACKAGE_FOLDER, ignore_errors=True)
    shutil.copytree(ROOT / "package/sps_plugin", PACKAGE_FOLDER / "sps_plugin")
    shutil.copy(ROOT / "package/aa/main.py", PACKAGE_FOLDER)
    binary = Path(shutil.copy(RELEASE / "sps-plugin", PACKAGE_FOLDER))
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    binary.with_name("sps-plugin.sha256").write_text(f"{digest}\n", encoding="ascii")


def token_programs() -> tokens.Programs:
    """Name what the scenarios with local tokens need."""
    names = ("floor", "floor-durable", "sps-plugin")
    floor, floor_durable, plugin = (INSTALLED / name for name in names)
    return tokens.Programs(floor, floor_durable, plugin, RELEASE / "examples/seed_tokens", STATE)


def server_programs() -> servers.Programs:
    """Name what the scenarios with a server need."""
    sdk = (SDK_PYTHON, SDK_EDUMFA_HOOK)
    return servers.Programs(INSTALLED / "floor", INSTALLED / "sps-plugin", sdk, STATE)


def machine() -> str:
    """Say where the figures come from."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    return f"{cpu}, {cores} cores, Linux {platform.release()}, Python {platform.python_version()}"


def measure(name: str, scenario: Scenario, turns: int) -> list[str]:
    """Measure one scenario, print its table, and list the limits that it exceeds."""
    folder = STATE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    programs = {program: command(program, folder) for program in participants(scenario)}
    stdin = json.dumps(scenario.invocation(scenario.arguments)).encode()
    for program, what in programs.items():
        prime(program, what, scenario, stdin)
    waits = count_disk_waits(programs[PLUGIN], stdin)

    figures = {program: Figures() for program in programs}
    order = list(programs)
    for turn in range(turns):
        # Whoever comes after the SDK finds the processor's caches cold; each shall have its turn.
        order.append(order.pop(0))
        for program in order:
            if program not in (SDK, PACKAGE, PYTHON) or turn % SDK_EVERY == 0:
                result = checked(program, run(programs[program], stdin), scenario)
                figures[program].cpu.append(result.cpu)
                figures[program].faults.append(result.faults)
    for program, what in programs.items():
        peaks = [run_for_peak(what, stdin).peak for _ in range(PEAK_RUNS)]
        figures[program].peak = max(peaks)
    print_table(name, scenario, figures, waits)
    return exceeded(name, scenario, figures, waits)


def participants(scenario: Scenario) -> Sequence[str]:
    """Name the programs that take part."""
    durable = [FLOOR_DURABLE] if scenario.durable_writes else []
    return [FLOOR, *durable, PLUGIN, PYTHON, PACKAGE, SDK]


def command(program: str, folder: Path) -> Program:
    """Say how a program is started; each has state directories of its own."""
    own = folder / program.replace(" ", "-")
    own.mkdir(mode=0o700)
    argv = {
        FLOOR: [str(INSTALLED / "floor")],
        FLOOR_DURABLE: [str(INSTALLED / "floor-durable"), str(own / "log")],
        PLUGIN: [str(INSTALLED / "sps-plugin")],
        PYTHON: [str(SDK_PYTHON), "-c", "import json, sys; json.load(sys.stdin)"],
        PACKAGE: [str(SDK_PYTHON), str(PACKAGE_HOOK), str(PACKAGE_FOLDER)],
        SDK: [str(SDK_PYTHON), str(SDK_HOOK)],
    }[program]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(own),
        "SCB_PLUGIN_STATE_DIRECTORY": str(own / "persistent"),
        "EPHEMERAL_PLUGIN_STATE_DIRECTORY": str(own / "ephemeral"),
    }
    return Program(argv, environment)


def prime(program: str, what: Program, scenario: Scenario, stdin: bytes) -> None:
    """Leave behind the state that the scenario begins with, and warm the file cache."""
    if scenario.primed_by is not None:
        run(what, json.dumps(scenario.invocation(scenario.primed_by)).encode())
    for _ in range(2):
        checked(program, run(what, stdin), scenario)


def checked(program: str, result: Run, scenario: Scenario) -> Run:
    """Return the run if it did what the scenario is about; end otherwise."""
    fine = result.status == 0
    if program in (PLUGIN, PACKAGE, SDK):
        fine = fine and json.loads(result.stdout or b"{}").get("verdict") == scenario.answer
    if not fine:
        sys.exit(f"{program}: status {result.status}\n{result.stdout!r}\n{result.stderr.decode()}")
    return result


def allowed(scenario: Scenario, figures: dict[str, Figures]) -> float:
    """Return the CPU time in seconds that the plugin may take."""
    floor = figures[FLOOR].median
    writing = figures[FLOOR_DURABLE].median - floor if scenario.durable_writes else 0.0
    return scenario.cpu_limit * floor + max(writing, 0.0)


def print_table(
    name: str, scenario: Scenario, figures: dict[str, Figures], waits: int | None
) -> None:
    """Print a Markdown table."""
    print(f"**{name}** ({scenario.hook}: {scenario.answer})\n")
    print("| program | CPU median | min | max | to the floor | page faults | peak memory |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for program, cost in figures.items():
        times = " | ".join(f"{t * 1e3:.2f} ms" for t in (cost.median, min(cost.cpu), max(cost.cpu)))
        ratio = cost.median / figures[FLOOR].median
        faults = statistics.median(cost.faults)
        print(f"| {program} | {times} | {ratio:.2f} | {faults:.0f} | {cost.peak:.1f} MiB |")
    plugin, most = figures[PLUGIN].median, allowed(scenario, figures)
    write = " and one durable write" if scenario.durable_writes else ""
    limit = f"{scenario.cpu_limit} times the floor{write}, that is {most * 1e3:.2f} ms"
    counted = "not counted, because there is no strace" if waits is None else waits
    print(f"\nLimit: {limit}, of which {plugin / most:.0%} are used.", end=" ")
    print(f"Waits for the disk: {counted}.\n", flush=True)


def exceeded(
    name: str, scenario: Scenario, figures: dict[str, Figures], waits: int | None
) -> list[str]:
    """List the limits that the plugin exceeds."""
    plugin, most = figures[PLUGIN], allowed(scenario, figures)
    found = []
    if plugin.median > most:
        found.append(f"{name}: {plugin.median * 1e3:.2f} ms of CPU time, allowed {most * 1e3:.2f}")
    if plugin.peak > scenario.peak_limit:
        found.append(f"{name}: {plugin.peak:.1f} MiB, allowed {scenario.peak_limit:.1f}")
    if waits not in (None, scenario.durable_writes):
        found.append(f"{name}: {waits} waits for the disk, allowed {scenario.durable_writes}")
    return found


if __name__ == "__main__":
    sys.exit(main())
