"""Who connects, from where, with which protocol: common ones mostly, odd ones always."""

from dataclasses import dataclass

from dice import Dice

COMMON = ["alice", "bob", "carol", "dave", "root", "svc-backup"]
ODD = [
    "Alice",
    "ALICE",
    "bob@corp.example",
    "x@y@z",
    "@corp",
    "CORP\\carol",
    "o'neil",
    "a b",
    " padded ",
    "a%b",
    "50%(name)s",
    "$",
    "$$",
    "key=value",
    "colon:name",
    "#hash",
    "null",
    "None",
    '"quoted"',
    "ünal",
    "ÜNAL",
    "İpek",
    "ΟΔΥΣΣΕΥΣ",
    "straße",
    "日本太郎",
    "👤",
    "e\u0301tude",
    "tab\tname",
    "new\nline",
    "with/slash",
    # Leaves the folder of the SDK's cache, or names somebody else's file in it.
    "mallory/../alice",
    "../escape",
    "../../connection_limit/bob",
    "x" * 120,
]
PROTOCOLS = {
    "ssh": 30,
    "SSH": 3,
    "rdp": 16,
    "RDP": 5,
    "telnet": 5,
    "tsg": 5,
    "TSG": 2,
    "mssql": 8,
    "MSSQL": 2,
    "ica": 2,
    "vnc": 2,
    "http": 2,
    "x": 1,
    "": 1,
}
ADDRESSES = ["10.1.2.3", "10.1.2.4", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3"]
# Ours takes no name with the last two, which ends a session early.
SUFFIXES = ["@corp.example", "@CORP"] * 5 + ["@a@b", "@"]


@dataclass(frozen=True)
class Person:
    """Somebody who opens sessions, always by the same name and from the same place."""

    name: str
    address: str | None


def people(dice: Dice) -> list[Person]:
    """Pick the few people of a group; few, so that they meet their own cache and limits."""
    result = []
    for _ in range(dice.weighted({1: 5, 2: 4, 3: 1})):
        name = dice.choice(COMMON) if dice.chance(0.72) else dice.choice(ODD)
        address = None if dice.chance(0.01) else dice.choice(ADDRESSES)
        result.append(Person(name, address))
        if dice.chance(0.15):
            # The same one at another address has a cache entry and a limit of their own.
            result.append(Person(name, dice.choice(ADDRESSES)))
        if dice.chance(0.1):
            # Whoever the traversing name is aimed at.
            result += [Person("alice", address), Person("mallory/../alice", address)]
    return result


def protocol(dice: Dice) -> str | None:
    """Pick a protocol; null, which SPS never sends, is rare and a case of its own."""
    return None if dice.chance(0.005) else dice.weighted(PROTOCOLS)
