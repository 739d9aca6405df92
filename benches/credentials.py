"""Measures check-outs from the plugin's own store: with few and with many entries in it."""

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping

from processes import Program, Run, count_disk_waits, run
from tokens import HEADER, Costs, Programs

CONFIGURATION = "[credentials]\nprovider = local\n"
# The smaller and the larger store, and how much more a check-out may cost in the larger one.
FEW, MANY, MOST_GROWTH = 100, 100_000, 1.2
FLOOR_LIMIT = 3.0
# Patterns of the account, which are looked through where there is no exact entry.
PATTERNS = 20


class Store:
    """A state directory with entries, half of them exclusive, and the plugin at work on it."""

    def __init__(self, programs: Programs, count: int) -> None:
        """Import the entries, as an administrator does."""
        folder = programs.state / f"credentials-{count}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        environment = {"PATH": "/usr/bin:/bin", "SCB_PLUGIN_STATE_DIRECTORY": str(folder)}
        self.count = count
        self.program = Program([str(programs.plugin)], environment)
        lines = ["account,asset,password,checkout"]
        kinds = ("shared", "exclusive")
        lines += [f"root,db{n}.lan,password-{n},{kinds[n % 2]}" for n in range(count - PATTERNS)]
        lines += [f"root,*.z{n}.lan,password-z{n},shared" for n in range(PATTERNS)]
        subprocess.run(
            [programs.plugin, "credential", "import", "-", "--format", "csv"],
            input="\n".join(lines).encode(),
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def hook(self, turn: int, kind: str) -> tuple[bytes, str]:
        """Make an invocation from all over the store, and say which password has to come."""
        if kind == "pattern":
            asset, password = "web.z7.lan", "password-z7"
        else:
            number = turn * 7_919 % ((self.count - PATTERNS) // 2) * 2 + (kind == "exclusive")
            asset, password = f"db{number}.lan", f"password-{number}"
        arguments = {
            "cookie": {},
            "session_cookie": {},
            "session_id": f"svc/{turn}",
            "protocol": "ssh",
            "gateway_user": "alice",
            "server_username": "root",
            "server_hostname": asset,
        }
        invocation = {
            "hook": "get_password_list",
            "arguments": arguments,
            "configuration": CONFIGURATION,
        }
        return json.dumps(invocation).encode(), password

    def check_out(self, turn: int, kind: str) -> Run:
        """Check out, and give an exclusive entry back, which is not measured."""
        stdin, password = self.hook(turn, kind)
        result = run(self.program, stdin)
        if json.loads(result.stdout or b"{}").get("passwords") != [password]:
            sys.exit(f"no {password}: {result.stdout!r}\n{result.stderr.decode()}")
        if kind == "exclusive":
            ended = {
                "hook": "session_ended",
                "type": "credentialstore",
                "arguments": {"session_id": f"svc/{turn}", "cookie": {}},
                "configuration": CONFIGURATION,
            }
            run(self.program, json.dumps(ended).encode())
        return result


def credentials(programs: Programs, turns: int) -> list[str]:
    """Measure check-outs, of entries with and without a lease and by a pattern."""
    stores = [Store(programs, FEW), Store(programs, MANY)]
    folder = programs.state / f"credentials-{FEW}"
    floors = {
        "floor": Program([str(programs.floor)], {}),
        "floor + write": Program([str(programs.floor_durable), str(folder / "floor.log")], {}),
    }
    kinds = ("shared", "exclusive", "pattern")
    costs = {(kind, store.count): Costs() for kind in kinds for store in stores}
    floor_costs = {name: Costs() for name in floors}
    for turn in range(-5, turns):
        for name, program in floors.items():
            result = run(program, stores[0].hook(0, "shared")[0])
            if turn >= 0:
                floor_costs[name].add(result)
        for kind in kinds:
            # Each store has its turn to come second, when the processor's caches are warm.
            for store in stores[:: 1 if turn % 2 else -1]:
                result = store.check_out(turn + 5, kind)
                if turn >= 0:
                    costs[kind, store.count].add(result)
    waits = {
        kind: count_disk_waits(stores[1].program, stores[1].hook(turns + 10, kind)[0])
        for kind in ("shared", "exclusive")
    }
    print(f"**credentials** (get_password_list)\n\n{HEADER}")
    for name, cost in floor_costs.items():
        print(f"| {name} | {cost.cells()} |")
    for (kind, count), cost in costs.items():
        print(f"| {kind}, {count:,} entries | {cost.cells()} |")
    floor, durable = (statistics.median(cost.cpu) for cost in floor_costs.values())
    most = FLOOR_LIMIT * floor + max(durable - floor, 0)
    limit = f"{FLOOR_LIMIT} times the floor and one durable write, that is {most * 1e3:.2f} ms"
    print(f"\nLimit: {limit}.", end=" ")
    found = []
    for kind in kinds:
        few, many = (costs[kind, count].median_cpu for count in (FEW, MANY))
        print(f"{kind}: {many / most:.0%} used, {many / few:.2f} times as with {FEW}.", end=" ")
        if many > most:
            found.append(f"credentials, {kind}: {many * 1e3:.2f} ms, allowed {most * 1e3:.2f}")
        if many > MOST_GROWTH * few:
            found.append(f"credentials, {kind}: {many / few:.2f} times, allowed {MOST_GROWTH}")
    for kind, allowed in (("shared", 0), ("exclusive", 1)):
        print(f"Waits for the disk, {kind}: {waits[kind]}.", end=" ")
        if waits[kind] not in (None, allowed):
            found.append(f"credentials, {kind}: {waits[kind]} waits, allowed {allowed}")
    print("\n", flush=True)
    return found


SCENARIOS: Mapping[str, Callable[[Programs, int], list[str]]] = {"credentials": credentials}
