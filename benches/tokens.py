"""Measures logins with local tokens: in large stores, in large realms, with and without PIN.

Each run has a code of its own, because none is good twice; a scenario makes as many tokens as it
needs, with `examples/seed_tokens`.
"""

import hashlib
import hmac
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from processes import Program, Run, count_disk_waits, run
from scenarios import ARGUMENTS

CONFIGURATION = "[mfa]\nprovider = local\n"
SECRET = bytes(range(16))
PERIOD = 30

# The smaller and the larger store, and how much more a login may cost in the larger one.
FEW, MANY, MOST_GROWTH = 1_000, 1_000_000, 1.2
REALMS = (100, 1_000, 10_000)
# How many times the CPU time of an answer in the smallest realm, which is one argon2id, it may
# take in the largest: 60 ms where that takes 23. The time itself would depend on the machine, and
# on who else is on it.
ANSWER_LIMIT = 2.6
# And the seconds of CPU time of the fastest answer there, which others on the machine slow down
# least.
FASTEST_LIMIT = 0.060
# How many tokens of a realm have the same PIN, as people choose some PINs more than once.
SAME_PIN = 10
FLOOR_LIMIT = 3.0


@dataclass(frozen=True)
class Programs:
    """What was built, and where state may lie."""

    floor: Path
    floor_durable: Path
    plugin: Path
    seeder: Path
    state: Path


@dataclass
class Costs:
    """What runs cost, in seconds."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def add(self, result: Run) -> None:
        """Take one run in."""
        self.cpu.append(result.cpu)
        self.wall.append(result.wall)

    def cells(self) -> str:
        """Write the cells of a table."""
        times = (statistics.median(self.cpu), min(self.cpu), max(self.cpu))
        return " | ".join(f"{seconds * 1e3:.2f} ms" for seconds in (*times, self.median_wall))

    @property
    def median_cpu(self) -> float:
        """The median CPU time."""
        return statistics.median(self.cpu)

    @property
    def median_wall(self) -> float:
        """The median time from start to end."""
        return statistics.median(self.wall)


HEADER = """\
| what | CPU median | min | max | wall median |
| --- | ---: | ---: | ---: | ---: |"""


Token = Mapping[str, object]
"""What `examples/seed_tokens/seed.rs` reads."""


class Store:
    """A state directory with tokens in it, and the plugin at work on it."""

    def __init__(self, programs: Programs, name: str, tokens: Sequence[Token]) -> None:
        """Make the tokens."""
        self.folder = programs.state / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        lines = "\n".join(json.dumps({"secret": SECRET.hex(), **token}) for token in tokens)
        seed = [programs.seeder, self.folder]
        subprocess.run(seed, input=lines.encode(), stdout=subprocess.DEVNULL, check=True)
        environment = {"PATH": "/usr/bin:/bin", "SCB_PLUGIN_STATE_DIRECTORY": str(self.folder)}
        self.program = Program([str(programs.plugin)], environment)

    def call(self, stdin: bytes, verdict: str, piece: str = "") -> Run:
        """Run a hook that has to give this verdict, with this piece in the response."""
        result = run(self.program, stdin)
        response = json.loads(result.stdout or b"{}")
        if response.get("verdict") != verdict or piece not in result.stdout.decode():
            sys.exit(f"no {verdict} {piece}: {result.stdout!r}\n{result.stderr.decode()}")
        return result


def hook(user: str, password: str, cookie: object = None) -> bytes:
    """Make an invocation of `authenticate`."""
    arguments = {
        **ARGUMENTS,
        "server_username": user,
        "cookie": cookie or {},
        "key_value_pairs": {"otp": password},
    }
    invocation = {
        "hook": "authenticate",
        "type": "aa",
        "arguments": arguments,
        "configuration": CONFIGURATION,
    }
    return json.dumps(invocation).encode()


def code(counter: int, number: int, secret: bytes = SECRET) -> str:
    """Return a six-digit code (RFC 4226) of the token of this number in a series."""
    key = secret + number.to_bytes(4, "big")
    digest = hmac.new(key, counter.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 15
    truncated = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{truncated % 1_000_000:06}"


def code_of_now(number: int) -> str:
    """Return the code of this time step."""
    return code(int(time.time()) // PERIOD, number)


def totp(programs: Programs, turns: int) -> list[str]:
    """Measure logins with TOTP, without PINs against the floor, and with them."""
    token = {"serial": "T", "type": "totp", "user": "user", "window": 1}
    # One more for the count of the waits, which also warms up.
    plain = Store(programs, "totp", [{**token, "count": turns + 1}])
    with_pin = Store(programs, "totp-pin", [{**token, "pin": "1234", "count": turns + 1}])
    log = plain.folder / "floor.log"
    floors = {
        "floor": Program([str(programs.floor)], {}),
        "floor + write": Program([str(programs.floor_durable), str(log)], {}),
    }
    waits = count_disk_waits(plain.program, hook(f"user-{turns}", code_of_now(turns)))
    with_pin.call(hook(f"user-{turns}", "1234" + code_of_now(turns)), "ACCEPT")
    costs = {what: Costs() for what in (*floors, "TOTP without PIN", "TOTP with PIN")}
    for turn in range(turns):
        for what, program in floors.items():
            costs[what].add(run(program, hook("user", "123456")))
        user, now = f"user-{turn}", code_of_now(turn)
        costs["TOTP without PIN"].add(plain.call(hook(user, now), "ACCEPT"))
        costs["TOTP with PIN"].add(with_pin.call(hook(user, "1234" + now), "ACCEPT"))
    print(f"**totp** (authenticate: ACCEPT)\n\n{HEADER}")
    for what, cost in costs.items():
        print(f"| {what} | {cost.cells()} |")
    floor, durable = costs["floor"].median_cpu, costs["floor + write"].median_cpu
    most, used = FLOOR_LIMIT * floor + max(durable - floor, 0), costs["TOTP without PIN"].median_cpu
    counted = "not counted, because there is no strace" if waits is None else waits
    limit = f"{FLOOR_LIMIT} times the floor and one durable write, that is {most * 1e3:.2f} ms"
    print(f"\nLimit: {limit}, of which {used / most:.0%} are used.", end=" ")
    print(f"Waits for the disk: {counted}.\n", flush=True)
    found = []
    if used > most:
        found.append(f"totp: {used * 1e3:.2f} ms of CPU time, allowed {most * 1e3:.2f}")
    if waits not in (None, 1):
        found.append(f"totp: {waits} waits for the disk, allowed 1")
    return found


def million(programs: Programs, turns: int) -> list[str]:
    """Measure logins with few and with many tokens in the store."""
    token = {"serial": "H", "type": "hotp", "user": "user"}
    stores = {
        count: Store(programs, f"million-{count}", [{**token, "count": count}])
        for count in (FEW, MANY)
    }
    costs = {count: Costs() for count in stores}
    for turn in range(-5, turns):
        for count, store in stores.items():
            # All over the store; the first few runs only warm up.
            number = (turn % count) * 7_919 % count
            result = store.call(hook(f"user-{number}", code(0, number)), "ACCEPT")
            if turn >= 0:
                costs[count].add(result)
    print(f"**million** (authenticate with HOTP: ACCEPT)\n\n{HEADER}")
    for count, cost in costs.items():
        print(f"| {count:,} tokens | {cost.cells()} |")
    few, many = costs[FEW], costs[MANY]
    ratios = {
        "CPU time": many.median_cpu / few.median_cpu,
        "wall time": many.median_wall / few.median_wall,
    }
    growth = " and ".join(f"{ratio:.2f} times the {what}" for what, ratio in ratios.items())
    print(f"\nWith {MANY:,} tokens a login takes {growth}; the limit is {MOST_GROWTH}.\n")
    return [
        f"million: {ratio:.2f} times the {what}, allowed {MOST_GROWTH}"
        for what, ratio in ratios.items()
        if ratio > MOST_GROWTH
    ]


def four_eyes(programs: Programs, turns: int) -> list[str]:
    """Measure answers of four-eyes chains in realms of all sizes."""
    print(f"**four-eyes** (an answer without a name, HOTP with PINs, window 10)\n\n{HEADER}")
    realms = []
    for count in REALMS:
        secrets = [SECRET + number.to_bytes(2, "big") for number in range(count // SAME_PIN)]
        series = [
            {
                "serial": f"H{pin}",
                "type": "hotp",
                "user": f"user{pin}",
                "realm": "office",
                "pin": f"{pin:04}",
                "secret": secret.hex(),
                "count": SAME_PIN,
            }
            for pin, secret in enumerate(secrets)
        ]
        asking = {"serial": "E", "type": "4eyes", "user": "alice", "realms": "office:2"}
        store = Store(programs, f"four-eyes-{count}", [asking, *series])
        realms.append((store, secrets, Costs()))
    # In turn, so that whoever slows the machine down slows all of them down.
    for turn in range(turns):
        for store, secrets, cost in realms:
            begun = store.call(hook("alice", ""), "NEEDINFO", "office (2)")
            # From all over the realm; whoever has another turn has another code.
            pin = turn * 389 % len(secrets)
            answer = f"{pin:04}{code(turn // len(secrets), 0, secrets[pin])}"
            cookie = json.loads(begun.stdout)["cookie"]
            cost.add(store.call(hook("alice", answer, cookie), "NEEDINFO", "office (1)"))
    costs = [cost for _, _, cost in realms]
    for count, cost in zip(REALMS, costs, strict=True):
        print(f"| {count:,} tokens | {cost.cells()} |", flush=True)
    times = costs[-1].median_cpu / costs[0].median_cpu
    print(
        f"\nThe largest realm takes {times:.2f} times the smallest, in which one argon2id is"
        f" nearly all (limit {ANSWER_LIMIT}).\n",
        flush=True,
    )
    fastest = min(costs[-1].cpu)
    excesses = []
    if times > ANSWER_LIMIT:
        excesses.append(f"four-eyes: {times:.2f} times the smallest realm, allowed {ANSWER_LIMIT}")
    if fastest > FASTEST_LIMIT:
        excesses.append(f"four-eyes: {fastest:.3f} s at the least, allowed {FASTEST_LIMIT}")
    return excesses


SCENARIOS: Mapping[str, Callable[[Programs, int], list[str]]] = {
    "totp": totp,
    "million": million,
    "four-eyes": four_eyes,
}
